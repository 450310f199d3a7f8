import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { BayError, hasCode } from "../../../core/errors.ts";
import { PLAN_DEFAULTS, type Plan, type PlanOptions, printPlan } from "../../../reconcile/index.ts";
import type { GraphFormat } from "../../../reconcile/show/graph.ts";
import type { Stack } from "../../../stack/index.ts";
import type { Context } from "../../context.ts";
import { parseRerun, parseScale } from "../../options.ts";
import { coloured } from "../../ui/coloured-plan.ts";
import { print, printJson } from "../../ui/output.ts";
import { type ClaimOptions, claimOf, sendUp } from "./send-up.ts";

interface PlanCommandOptions {
  detailedExitcode?: boolean;
  json?: boolean;
  jsonSchema?: boolean;
  graph?: GraphFormat;
  output?: string;
  removeOrphans?: boolean;
  forceRecreate?: boolean;
  scale?: string[];
  rerun?: true | string[];
  deps?: boolean;
  build?: boolean;
  alwaysRecreateDeps?: boolean;
}

const CHANGES = 2;

/** Shows how the host differs from the file. It does not start bayd; without a running bayd, it observes the host itself. */
export async function plan(
  context: Context,
  services: string[],
  options: PlanCommandOptions,
): Promise<number> {
  if (options.jsonSchema) {
    const { planJsonSchema } = await import("../../../reconcile/show/plan-json.ts");
    printJson(planJsonSchema());
    return 0;
  }
  const planOptions: Partial<PlanOptions> = {
    services,
    noDeps: options.deps === false,
    ...(await context.orphans(options.removeOrphans)),
    forceRecreate: options.forceRecreate ?? false,
    ...(options.alwaysRecreateDeps ? { recreateDependencies: true } : {}),
    scale: parseScale(options.scale),
    ...parseRerun(options.rerun),
    ...(options.build === undefined ? {} : { build: options.build }),
  };
  return showPlan(context, services, planOptions, options);
}

/** Shows a plan in the requested format; returns the exit code. */
export async function showPlan(
  context: Context,
  services: string[],
  asked: Partial<PlanOptions>,
  options: PlanCommandOptions,
): Promise<number> {
  const planOptions: PlanOptions = { ...PLAN_DEFAULTS, ...asked };
  const stack = await context.stackToSend(services, { build: planOptions.build });
  if (stack.hosts)
    return (await import("./plan-hosts.ts")).showHostPlans(context, stack, planOptions, options);
  const made = await makePlanFor(context, stack, planOptions);
  if (options.output)
    writeFileSync(options.output, `${JSON.stringify(toSaved(stack, planOptions, made), null, 2)}\n`, {
      mode: 0o600,
    });
  if (options.graph) {
    const { printGraph } = await import("../../../reconcile/show/graph.ts");
    process.stdout.write(printGraph(made, options.graph));
  } else if (options.json) {
    const { toPlanJson } = await import("../../../reconcile/show/plan-json.ts");
    printJson(toPlanJson(made));
  } else print(coloured(printPlan(made)));
  if (made.problems) return 1;
  return options.detailedExitcode && made.steps.length > 0 ? CHANGES : 0;
}

async function makePlanFor(context: Context, stack: Stack, options: PlanOptions): Promise<Plan> {
  try {
    return await (await context.client()).json<Plan>("POST", "/bay/v1/plan", { stack, options });
  } catch (error) {
    if (!hasCode(error, "NO_DAEMON")) throw error;
  }
  const [{ observe }, { lacksOf }, { readState }, { makePlan }] = await Promise.all([
    import("../../../daemon/stacks/observe.ts"),
    import("../../../daemon/stacks/foresee.ts"),
    import("../../../store/index.ts"),
    import("../../../reconcile/index.ts"),
  ]);
  const state = readState(join(context.roots.root, "state"));
  const lacks = await lacksOf(state, stack);
  const actual = observe({ roots: context.roots, state, health: () => "none" }, stack.name, stack);
  return makePlan(stack, { ...actual, ...lacks }, options);
}

const savedSchema = z.object({
  bayPlan: z.literal(1),
  fingerprint: z.string(),
  stack: z.custom<Stack>((value) => typeof value === "object" && value !== null && "services" in value),
  options: z.custom<PlanOptions>((value) => typeof value === "object" && value !== null),
});

const fingerprint = (made: Plan) => createHash("sha256").update(JSON.stringify(made)).digest("hex");

function toSaved(stack: Stack, options: PlanOptions, made: Plan): z.infer<typeof savedSchema> {
  return { bayPlan: 1, fingerprint: fingerprint(made), stack, options };
}

/** Applies a saved plan. Throws STALE_PLAN if the host has changed since. */
export async function apply(context: Context, [file]: string[], claim: ClaimOptions): Promise<void> {
  const asked = claimOf(claim);
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file!, "utf8"));
  } catch (cause) {
    throw new BayError("BAD_PLAN_FILE", `${file} cannot be read as a plan`, { cause });
  }
  const saved = savedSchema.safeParse(json);
  if (!saved.success)
    throw new BayError("BAD_PLAN_FILE", `${file} is not a plan written by bay`, {
      hint: "create one with bay plan -o FILE",
    });
  const { stack, options } = saved.data;
  const now = await makePlanFor(context, stack, options);
  if (fingerprint(now) !== saved.data.fingerprint) {
    throw new BayError("STALE_PLAN", "the host has changed since the plan was made", {
      hint: "create a new one with bay plan -o FILE",
    });
  }
  await sendUp(await context.daemon(), stack, { options, ...asked });
}
