/** What a change does besides the synchronisation: restarting containers, running a command, rebuilding an image. */
import { BayError, messageOf } from "../core/errors.ts";
import { receivedError, type SentError } from "../core/received-error.ts";
import type { Client } from "../daemon/client.ts";
import type { Plan } from "../reconcile/index.ts";
import type { Hook, Stack } from "../stack/index.ts";
import { isLoss } from "./bayd-session.ts";
import type { Report } from "./events.ts";

export interface WatchedContainer {
  id: string;
  name: string;
  service: string;
  isRunning: boolean;
}

const MAX_OUTPUT = 64 << 10;

/** Restarts the containers of a service at the same time. Returns false if bayd was lost, so that it has to be repeated. */
export async function restart(
  client: Client,
  containers: readonly WatchedContainer[],
  report: Report,
): Promise<boolean> {
  const [first] = containers;
  if (!first) return true;
  const began = performance.now();
  try {
    await Promise.all(containers.map(({ id }) => client.json("POST", `/containers/${id}/restart`)));
    const names = containers.map(({ name }) => name);
    report({ type: "restart", service: first.service, containers: names, ms: since(began) });
  } catch (error) {
    if (isLoss(error)) return false;
    report({ type: "restart-failed", service: first.service, message: messageOf(error) });
  }
  return true;
}

/** Runs a command in a container, and reports its output and exit code. */
export async function execIn(
  client: Client,
  container: WatchedContainer,
  hook: Hook,
  report: Report,
): Promise<void> {
  const { id, name, service } = container;
  try {
    const { Id } = await client.json<{ Id: string }>("POST", `/containers/${id}/exec`, {
      AttachStdout: true,
      AttachStderr: true,
      Cmd: hook.command,
      Env: Object.entries(hook.environment).map(([key, value]) => `${key}=${value}`),
      Privileged: hook.privileged,
      ...(hook.user === undefined ? {} : { User: hook.user }),
      ...(hook.workdir === undefined ? {} : { WorkingDir: hook.workdir }),
    });
    const socket = await client.upgrade(`/exec/${Id}/start`, { Detach: false, Tty: false });
    const output = await outputOf(socket);
    const { ExitCode } = await client.json<{ ExitCode: number }>("GET", `/exec/${Id}/json`);
    report({ type: "exec", service, container: name, command: hook.command, exitCode: ExitCode, output });
  } catch (error) {
    report({ type: "exec-failed", service, container: name, message: messageOf(error) });
  }
}

/** The text of a multiplexed stream, without its frames' headers. */
async function outputOf(stream: AsyncIterable<Buffer>): Promise<string> {
  let rest = Buffer.alloc(0);
  let text = "";
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 8 && rest.length >= 8 + rest.readUInt32BE(4)) {
      const end = 8 + rest.readUInt32BE(4);
      if (text.length < MAX_OUTPUT) text += rest.toString("utf8", 8, end);
      rest = rest.subarray(end);
    }
  }
  return text.slice(0, MAX_OUTPUT);
}

type BuildLine =
  | { news: { kind: string; title: string; text?: string } }
  | { image: { id: string } }
  | { error: SentError };

/**
 * Builds the image of a service, and replaces its containers by the usual rules. The signal ends a build that a newer change
 * has made useless; the containers are then unchanged. Returns false if bayd was lost, so that it has to be repeated.
 */
export async function rebuild(
  client: Client,
  stack: Stack,
  service: string,
  options: { prune: boolean; signal: AbortSignal },
  report: Report,
): Promise<boolean> {
  const { signal } = options;
  const cancelled = () => {
    report({ type: "build-cancelled", service });
    return true;
  };
  const began = performance.now();
  report({ type: "build-started", service });
  try {
    const before = await imageId(client, stack.services[service]!.image);
    const image = await build(client, stack, service, signal, report);
    if (signal.aborted) return cancelled();
    await applyStack(client, stack, { services: [service], noDeps: true, build: false });
    const isNew = before !== image;
    if (options.prune && isNew && before !== undefined) await prune(client, before);
    report({ type: "rebuilt", service, image, isNew, ms: since(began) });
  } catch (error) {
    if (signal.aborted) return cancelled();
    if (isLoss(error)) return false;
    const hint = error instanceof BayError ? error.hint : undefined;
    report({ type: "build-failed", service, message: messageOf(error), ...(hint ? { hint } : {}) });
  }
  return true;
}

async function build(
  client: Client,
  stack: Stack,
  service: string,
  signal: AbortSignal,
  report: Report,
): Promise<string> {
  let id = "";
  let failure: BayError | undefined;
  const lines = client.lines<BuildLine>(
    "POST",
    "/bay/v1/stack/build",
    { stack, services: [service], changes: {} },
    {},
    (body) => signal.addEventListener("abort", () => body.destroy(), { once: true }),
  );
  for await (const line of lines) {
    if ("image" in line) id = line.image.id;
    else if ("error" in line) failure = receivedError(line.error, "INTERNAL");
    else if (line.news.text) report({ type: "build-output", service, text: line.news.text });
  }
  if (failure) throw failure;
  if (id === "") throw new BayError("DAEMON_LOST", "bayd stopped during the build");
  return id;
}

/** Applies the stack, or some of its services. Throws the daemon's error. */
export async function applyStack(client: Client, stack: Stack, options: object): Promise<Plan> {
  let plan: Plan | undefined;
  const lines = client.lines<{ result: Plan } | { error: SentError } | object>("POST", "/bay/v1/up", {
    stack,
    options,
    pid: process.pid,
  });
  for await (const line of lines) {
    if ("error" in line) throw receivedError(line.error, "INTERNAL");
    if ("result" in line) plan = line.result;
  }
  if (!plan) throw new BayError("DAEMON_LOST", "bayd stopped during the request");
  return plan;
}

async function imageId(client: Client, name: string): Promise<string | undefined> {
  try {
    return (await client.json<{ Id: string }>("GET", `/images/${encodeURIComponent(name)}/json`)).Id;
  } catch {
    return undefined; // it is built for the first time
  }
}

/** Removes the image of an earlier build, unless another name or container uses it. */
async function prune(client: Client, id: string): Promise<void> {
  try {
    const { RepoTags } = await client.json<{ RepoTags: string[] | null }>("GET", `/images/${id}/json`);
    if (!RepoTags?.length) await client.json("DELETE", `/images/${id}`);
  } catch {
    // it is in use, or was removed already
  }
}

const since = (began: number) => Math.round((performance.now() - began) * 10) / 10;
