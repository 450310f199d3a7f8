import { BayError } from "../../../core/errors.ts";
import type { Client } from "../../../daemon/index.ts";
import type { PlanOptions } from "../../../reconcile/index.ts";
import type { Stack } from "../../../stack/index.ts";
import type { WatchEvent } from "../../../watch/index.ts";
import type { Context } from "../../context.ts";
import { milliseconds, parseRerun, parseScale } from "../../options.ts";
import { print } from "../../ui/output.ts";
import { type ClaimOptions, claimOf, sendUp } from "./send-up.ts";
import type { RunningWatch } from "./watch.ts";

interface UpOptions extends ClaimOptions {
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
  pull?: "always" | "missing" | "never" | "build";
  build?: boolean;
  alwaysRecreateDeps?: boolean;
  abortOnContainerFailure?: boolean;
  attachDependencies?: boolean;
  noAttach?: string[];
  color?: boolean;
  timestamps?: boolean;
  quietBuild?: boolean;
  quietPull?: boolean;
  abortOnContainerExit?: boolean;
  exitCodeFrom?: string;
  attach?: string[];
  logPrefix?: boolean;
  renewAnonVolumes?: boolean;
  timeout?: number;
  repair?: boolean;
  skipUnreachable?: boolean;
  watch?: boolean;
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
  ...(options.alwaysRecreateDeps ? { recreateDependencies: true } : {}),
  scale: parseScale(options.scale),
  ...parseRerun(options.rerun),
  ...(options.pull && options.pull !== "build" ? { pull: options.pull } : {}),
  ...(options.build === undefined
    ? options.pull === "build"
      ? { build: true }
      : {}
    : { build: options.build }),
});

/** Rejects options that contradict each other. Throws BAD_OPTION. */
function checkOptions(options: UpOptions): void {
  if ((options.forceRecreate || options.alwaysRecreateDeps) && options.recreate === false)
    throw new BayError(
      "BAD_OPTION",
      `--${options.forceRecreate ? "force-recreate" : "always-recreate-deps"} and --no-recreate contradict each other`,
    );
  const aborts = [
    options.abortOnContainerExit && "--abort-on-container-exit",
    options.abortOnContainerFailure && "--abort-on-container-failure",
    options.exitCodeFrom !== undefined && "--exit-code-from",
  ].filter((name) => typeof name === "string");
  if ((options.detach || options.wait) && aborts.length > 0)
    throw new BayError("BAD_OPTION", `-d and --wait cannot be used with ${aborts.join(" and ")}`, {
      hint: "omit -d and --wait",
    });
  if (options.watch && (options.detach || options.wait || options.start === false))
    throw new BayError("BAD_OPTION", "--watch cannot be used with -d, --wait and --no-start", {
      hint: "bay watch watches a stack that runs in the background",
    });
  if (options.abortOnContainerExit && options.abortOnContainerFailure)
    throw new BayError(
      "BAD_OPTION",
      "--abort-on-container-exit and --abort-on-container-failure cannot be used together",
    );
}

/** Applies the file to the host; in the foreground it shows the logs, and Ctrl-C stops the stack. */
export async function up(context: Context, services: string[], options: UpOptions): Promise<number> {
  checkOptions(options);
  claimOf(options);
  if (context.options.dryRun) return dryRun(context, services, options);
  const stack = await context.stackToSend(services, options);
  const mentioned = [
    options.exitCodeFrom ?? [],
    options.attach ?? [],
    options.noAttach ?? [],
    parseRerun(options.rerun).rerun ?? [],
  ].flat();
  if (mentioned.length > 0) {
    const { serviceOf } = await import("../../../stack/query.ts");
    for (const name of mentioned) serviceOf(stack, name);
  }
  const since = String(Date.now() / 1000);
  if (options.repair === false) context.options.repair = false;
  const client = await context.daemon();
  const watching = options.watch ? await watchAlso(context, client, services) : undefined;
  try {
    return await upAndFollow(context, client, stack, services, options, since, watching?.begin);
  } finally {
    await watching?.close();
  }
}

/** The watch of `bay up --watch`, as lines between those of the logs. */
async function watchAlso(context: Context, client: Client, services: string[]): Promise<RunningWatch> {
  const [{ loadFiles, startWatch }, { linesOf }] = await Promise.all([
    import("./watch.ts"),
    import("../../ui/watch-lines.ts"),
  ]);
  const report = (event: WatchEvent) => {
    for (const line of linesOf(event, false)) process.stderr.write(`${line}\n`);
  };
  const loaded = await loadFiles(context, services);
  const closed = new AbortController();
  const isTerminal = process.stdin.isTTY && process.stderr.isTTY;
  const ask = async (question: string) => {
    const { confirm } = await import("../../ui/confirm.ts");
    return confirm(question, { signal: closed.signal, plain: true });
  };
  const running = await startWatch(context, client, services, loaded, {
    prune: true,
    report,
    confirm: isTerminal ? ask : undefined,
  });
  const close = () => {
    closed.abort();
    return running.close();
  };
  return { ...running, close };
}

async function upAndFollow(
  context: Context,
  client: Client,
  stack: Stack,
  services: string[],
  options: UpOptions,
  since: string,
  begin: (() => Promise<void>) | undefined,
): Promise<number> {
  const plan = await sendUp(
    client,
    stack,
    {
      options: await planOptions(context, services, options),
      graceMs: milliseconds(options.timeout),
      wait: options.wait,
      waitTimeoutMs: milliseconds(options.waitTimeout),
      parallel: context.options.parallel,
      ...claimOf(options),
      ...(options.skipUnreachable ? { skipUnreachable: true } : {}),
    },
    options,
  );
  await begin?.();
  const isForeground = !options.detach && !options.wait && options.start !== false;
  if (plan.steps.length === 0 && !isForeground)
    print(`${stack.name}: nothing to do, the host matches the file`);
  if (!isForeground) return 0;
  const { follow } = await import("./up-foreground.ts");
  const shown = options.attachDependencies ? await withDependencies(stack, services) : services;
  return follow(client, stack, shown, {
    attach: options.attach,
    noAttach: options.noAttach ?? [],
    logPrefix: options.logPrefix !== false,
    colour: options.color !== false,
    timestamps: options.timestamps ?? false,
    abortOn: options.abortOnContainerFailure
      ? "failure"
      : options.abortOnContainerExit || options.exitCodeFrom !== undefined
        ? "exit"
        : undefined,
    exitCodeFrom: options.exitCodeFrom,
    graceSeconds: options.timeout,
    since,
  });
}

async function withDependencies(stack: Stack, services: string[]): Promise<string[]> {
  const { chooseServices, dependenciesOf } = await import("../../../stack/query.ts");
  return chooseServices(stack, services, dependenciesOf).map(({ name }) => name);
}

/** Prints the plan that would be applied. */
async function dryRun(context: Context, services: string[], options: UpOptions): Promise<number> {
  const { showPlan } = await import("./plan.ts");
  return showPlan(context, services, await planOptions(context, services, options), {});
}

/** Creates the containers of services without starting them. */
export async function create(context: Context, services: string[], options: UpOptions): Promise<number> {
  checkOptions(options);
  const asked = { ...options, start: false };
  if (context.options.dryRun) return dryRun(context, services, asked);
  const stack = await context.stackToSend(services, options);
  const request = {
    options: await planOptions(context, services, asked),
    parallel: context.options.parallel,
    ...claimOf(options),
  };
  await sendUp(await context.daemon(), stack, request, options);
  return 0;
}

/** `bay scale SERVICE=COUNT…`: the other services are unchanged. */
export async function scale(
  context: Context,
  entries: string[],
  { deps, takeOver, once }: { deps?: boolean } & ClaimOptions,
): Promise<number> {
  const services = Object.keys(parseScale(entries));
  return up(context, services, {
    detach: true,
    scale: entries,
    ...(takeOver ? { takeOver } : {}),
    ...(once ? { once } : {}),
    ...(deps === false ? { deps } : {}),
  });
}
