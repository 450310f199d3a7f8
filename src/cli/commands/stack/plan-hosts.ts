/** `bay plan` of a stack on several hosts: where containers run and why, then the plan of each host. */
import { BayError } from "../../../core/errors.ts";
import { type Plan, type PlanOptions, printPlan } from "../../../reconcile/index.ts";
import type { Stack } from "../../../stack/index.ts";
import type { Context } from "../../context.ts";
import { coloured } from "../../ui/coloured-plan.ts";
import { print, printJson } from "../../ui/output.ts";

interface ClusterPlan {
  stack: string;
  hosts: { host: string; plan: Plan }[];
  placement: string[];
  unreachable: { host: string; why: string }[];
  warnings: string[];
}

const CHANGES = 2;

/** Returns the exit code. Throws what bayd says: CANNOT_PLACE, NOT_A_MEMBER. */
export async function showHostPlans(
  context: Context,
  stack: Stack,
  planOptions: PlanOptions,
  options: { json?: boolean; graph?: string; output?: string; detailedExitcode?: boolean },
): Promise<number> {
  for (const option of ["graph", "output"] as const)
    if (options[option] !== undefined)
      throw new BayError("UNSUPPORTED_OPTION", `--${option} is not supported for a stack with hosts`, {
        hint: "use --json",
      });
  const client = await context.client();
  const made = await client.json<ClusterPlan>("POST", "/bay/v1/cluster/plan", {
    stack,
    options: planOptions,
  });
  if (options.json) {
    const { toPlanJson } = await import("../../../reconcile/show/plan-json.ts");
    printJson({ ...made, hosts: made.hosts.map(({ host, plan }) => ({ host, ...toPlanJson(plan) })) });
  } else print(coloured(hostPlansText(made)));
  if (made.unreachable.length > 0 || made.hosts.some(({ plan }) => plan.problems)) return 1;
  const hasChanges = made.hosts.some(({ plan }) => plan.steps.length > 0);
  return options.detailedExitcode && hasChanges ? CHANGES : 0;
}

function hostPlansText({ stack, hosts, placement, unreachable, warnings }: ClusterPlan): string {
  const lost = unreachable.map(({ host, why }) => `host ${host} cannot be reached: ${why}`);
  const changed = hosts.filter(
    ({ plan }) => plan.steps.length > 0 || plan.problems || plan.warnings.length > 0,
  );
  const placed =
    placement.length > 0 ? [`placement\n${placement.map((line) => `    ${line}`).join("\n")}`] : [];
  const plans = changed.map(({ host, plan }) => `host ${host}\n\n${printPlan(plan).trimEnd()}`);
  const nothing = changed.length === 0 ? [`${stack}: nothing to do, the hosts match the file`] : [];
  return `${[...lost, ...warnings.map((text) => `warning: ${text}`), ...placed, ...plans, ...nothing].join("\n\n")}\n`;
}
