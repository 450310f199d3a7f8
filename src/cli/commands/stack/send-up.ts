/** Requests that change a stack: bayd answers with lines of progress and a result. */
import { BayError } from "../../../core/errors.ts";
import { receivedError, type SentError } from "../../../core/received-error.ts";
import type { Client } from "../../../daemon/index.ts";
import type { Plan, Progress } from "../../../reconcile/index.ts";
import type { Stack } from "../../../stack/index.ts";
import { type ProgressView, progressView, withoutKinds } from "../../ui/progress.ts";

type Line = { progress: Progress } | { waiting: string } | { result: Plan } | { error: SentError };

/** Sends an up request and shows its progress; the signal ends the request. Throws the daemon's error, and ABORTED. */
export async function sendUp(
  client: Client,
  stack: Stack,
  request: object,
  quiet: Quiet = {},
  signal?: AbortSignal,
): Promise<Plan> {
  const path = stack.hosts ? "/bay/v1/cluster/up" : "/bay/v1/up";
  return watch(client, path, { stack, ...request }, quiet, signal);
}

/** Options for stacks that follow a repository. */
export interface ClaimOptions {
  takeOver?: boolean;
  once?: boolean;
}

/** What a request says of a stack that follows a repository. Throws BAD_OPTION. */
export function claimOf({ takeOver, once }: ClaimOptions): { claim?: "take-over" | "once" } {
  if (takeOver && once) throw new BayError("BAD_OPTION", "--take-over and --once contradict each other");
  return takeOver ? { claim: "take-over" } : once ? { claim: "once" } : {};
}

/** Which kinds of progress are hidden. */
export interface Quiet {
  quiet?: boolean;
  quietBuild?: boolean;
  quietPull?: boolean;
}

async function viewFor({ quiet, quietBuild, quietPull }: Quiet): Promise<ProgressView> {
  if (quiet) return { show: () => {}, say: () => {}, end: async () => {} };
  return withoutKinds(await progressView(), [
    ...(quietBuild ? (["image.build", "image.make"] as const) : []),
    ...(quietPull ? (["image.pull", "image.fetch"] as const) : []),
  ]);
}

/** A request that answers with lines of progress and a result. */
export async function watch(
  client: Client,
  path: string,
  body: object,
  quiet: Quiet = {},
  signal?: AbortSignal,
): Promise<Plan> {
  const view = await viewFor(quiet);
  let plan: Plan | undefined;
  let failure: unknown;
  // a number of another host would mislead
  const sent = { ...body, ...(client.isRemote ? {} : { pid: process.pid }) };
  const lines = client.lines<Line>("POST", path, sent, {}, (answer) => {
    const cut = () => answer.destroy();
    if (signal?.aborted) cut();
    signal?.addEventListener("abort", cut, { once: true });
  });
  try {
    for await (const line of lines) {
      if ("progress" in line) view.show(line.progress);
      else if ("waiting" in line) view.say(line.waiting);
      else if ("result" in line) plan = line.result;
      else failure = receivedError(line.error, "INTERNAL");
    }
  } catch (error) {
    failure = error;
  }
  await view.end();
  if (signal?.aborted && !plan) throw new BayError("ABORTED", "the request was interrupted");
  if (failure) throw failure;
  if (!plan)
    throw new BayError("DAEMON_LOST", "bayd stopped during the request", {
      hint: "it restarts by itself unless it was stopped; run the command again",
    });
  for (const warning of plan.warnings) process.stderr.write(`warning: ${warning}\n`);
  return plan;
}
