import type { Client } from "../../daemon/index.ts";
import { BayError } from "../../errors.ts";
import type { Plan, PlanOptions, Progress } from "../../reconcile/index.ts";
import type { Stack } from "../../stack/index.ts";
import type { Context } from "../context.ts";
import { milliseconds, parseRerun, parseScale } from "../options.ts";
import { print } from "../ui/output.ts";
import { progressView } from "../ui/progress.ts";

interface UpOptions {
  detach?: boolean;
  wait?: boolean;
  waitTimeout?: number;
  dryRun?: boolean;
  removeOrphans?: boolean;
  forceRecreate?: boolean;
  recreate?: boolean;
  rerun?: true | string[];
  scale?: string[];
  deps?: boolean;
  start?: boolean;
  pull?: "always" | "missing" | "never";
  build?: boolean;
  abortOnContainerExit?: boolean;
  exitCodeFrom?: string;
  attach?: string[];
  logPrefix?: boolean;
  renewAnonVolumes?: boolean;
  timeout?: number;
  repair?: boolean;
}

const planOptions = async (
  context: Context,
  services: string[],
  options: UpOptions,
): Promise<Partial<PlanOptions>> => ({
  services,
  noDeps: options.deps === false,
  ...(await context.orphans(options.removeOrphans)),
  forceRecreate: options.forceRecreate ?? false,
  noRecreate: options.recreate === false,
  noStart: options.start === false,
  ...(options.renewAnonVolumes ? { renewVolumes: true } : {}),
  scale: parseScale(options.scale),
  ...parseRerun(options.rerun),
  ...(options.pull ? { pull: options.pull } : {}),
  ...(options.build === undefined ? {} : { build: options.build }),
});

/** Makes the host as the file says; in the foreground it shows the logs and stops the stack on Ctrl-C. */
export async function up(context: Context, services: string[], options: UpOptions): Promise<number> {
  if (options.dryRun) {
    const { plan } = await import("./plan.ts");
    return plan(context, services, { ...options, detailedExitcode: false });
  }
  const stack = await context.stack(services);
  const mentioned = [
    options.exitCodeFrom ?? [],
    options.attach ?? [],
    parseRerun(options.rerun).rerun ?? [],
  ].flat();
  if (mentioned.length > 0) {
    const { serviceOf } = await import("../../stack/loaded.ts");
    for (const name of mentioned) serviceOf(stack, name);
  }
  if (options.forceRecreate && options.recreate === false)
    throw new BayError("BAD_OPTION", "--force-recreate and --no-recreate say opposite things");
  if ((options.detach || options.wait) && (options.abortOnContainerExit || options.exitCodeFrom))
    throw new BayError("BAD_OPTION", "-d and --wait do not wait for an end, so nothing can follow from one", {
      hint: "leave -d out, or --abort-on-container-exit and --exit-code-from",
    });
  const since = String(Date.now() / 1000);
  if (options.repair === false) context.options.repair = false;
  const client = await context.daemon();
  const plan = await sendUp(client, stack, {
    options: await planOptions(context, services, options),
    graceMs: milliseconds(options.timeout),
    wait: options.wait,
    waitTimeoutMs: milliseconds(options.waitTimeout),
  });
  const isForeground = !options.detach && !options.wait && options.start !== false;
  if (plan.steps.length === 0 && !isForeground)
    print(`${stack.name}: nothing to do, the host is as the file says`);
  if (!isForeground) return 0;
  const { follow } = await import("./up-foreground.ts");
  return follow(client, stack, services, {
    attach: options.attach,
    logPrefix: options.logPrefix !== false,
    abortOnExit: options.abortOnContainerExit || options.exitCodeFrom !== undefined,
    exitCodeFrom: options.exitCodeFrom,
    graceSeconds: options.timeout,
    since,
  });
}

export async function create(context: Context, services: string[], options: UpOptions): Promise<void> {
  const stack = await context.stack();
  await sendUp(await context.daemon(), stack, {
    options: await planOptions(context, services, { ...options, start: false }),
  });
}

type Line =
  | { progress: Progress }
  | { waiting: string }
  | { result: Plan }
  | { error: { message: string; code: string; hint?: string } };

/** Sends an up request and shows its progress. Throws the daemon's error. */
export async function sendUp(client: Client, stack: Stack, request: object): Promise<Plan> {
  return watch(client, "/bay/v1/up", { stack, ...request });
}

/** A request that answers with lines of progress and a result. */
export async function watch(client: Client, path: string, body: object): Promise<Plan> {
  const view = await progressView();
  let plan: Plan | undefined;
  let failure: BayError | undefined;
  for await (const line of client.lines<Line>("POST", path, { ...body, pid: process.pid })) {
    if ("progress" in line) view.show(line.progress);
    else if ("waiting" in line) view.say(line.waiting);
    else if ("result" in line) plan = line.result;
    else
      failure = new BayError(
        line.error.code,
        line.error.message,
        line.error.hint ? { hint: line.error.hint } : {},
      );
  }
  await view.end();
  if (failure) throw failure;
  if (!plan)
    throw new BayError("DAEMON_LOST", "bayd went away during the request", {
      hint: "it is back in a moment; run the command again",
    });
  for (const warning of plan.warnings) process.stderr.write(`warning: ${warning}\n`);
  return plan;
}
