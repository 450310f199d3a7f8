import { resolve } from "node:path";
import type { Duplex } from "node:stream";
import type { ContainerConfig } from "../../container/index.ts";
import type { Client } from "../../daemon/index.ts";
import { BayError } from "../../errors.ts";
import type { Stack } from "../../stack/index.ts";
import type { Context } from "../context.ts";
import { withValues } from "../options.ts";
import { runSession, terminalSize } from "../ui/terminal.ts";
import { sendUp } from "./up.ts";

interface RunOptions {
  rm?: boolean;
  detach?: boolean;
  tty?: boolean;
  env?: string[];
  volume?: string[];
  publish?: string[];
  name?: string;
  entrypoint?: string;
  user?: string;
  workdir?: string;
  servicePorts?: boolean;
  deps?: boolean;
  detachKeys?: string;
}

/** Runs a one-off command in a new container of a service; the exit code is the command's. */
export async function run(
  context: Context,
  [service, ...command]: string[],
  options: RunOptions,
): Promise<number> {
  const stack = await context.stack([service!]);
  const { serviceOf } = await import("../../stack/loaded.ts");
  const wanted = serviceOf(stack, service!);
  const client = await context.daemon();
  const dependencies = Object.keys(wanted.dependsOn).filter((name) => stack.services[name]);
  if (options.deps !== false && dependencies.length > 0)
    await sendUp(client, stack, { options: { services: dependencies } });
  await sendUp(client, stack, { options: { services: [service!], noDeps: true, baseOnly: true } });
  const tty =
    options.tty !== false && process.stdin.isTTY === true && process.stdout.isTTY === true && !options.detach;
  const override = await overrides(stack, options, tty);
  const { Id, Name } = await client.json<{ Id: string; Name: string }>("POST", "/bay/v1/run", {
    stack,
    service,
    name: options.name,
    override,
    ...(command.length > 0 ? { command } : {}),
    ...(options.entrypoint === undefined
      ? {}
      : { entrypoint: options.entrypoint.split(/\s+/).filter(Boolean) }),
    servicePorts: options.servicePorts ?? false,
    autoRemove: options.rm ?? false,
    start: options.detach ?? false,
  });
  if (options.detach) {
    process.stdout.write(`${Name}\n`);
    return 0;
  }
  let socket: Duplex | undefined;
  let signals = 0;
  const pass = (signal: string) => {
    signals += 1;
    if (signals > 2) process.exit(130); // a command that does not listen is left to the others, as compose does
    client.json("POST", `/containers/${Id}/kill?signal=${signal}`).catch(() => {});
  };
  process.on("SIGINT", pass);
  process.on("SIGTERM", pass);
  try {
    const keys = encodeURIComponent(options.detachKeys ?? "");
    socket = await client.upgrade(
      `/containers/${Id}/attach?stream=1&stdout=1&stderr=1&stdin=1&detachKeys=${keys}`,
    );
    const session = runSession(socket, {
      tty,
      stdin: true,
      resize: (rows, columns) =>
        void client.json("POST", `/containers/${Id}/resize?h=${rows}&w=${columns}`).catch(() => {}),
    });
    await client.json("POST", `/containers/${Id}/start`);
    const ended = client.json<{ StatusCode: number }>("POST", `/containers/${Id}/wait`);
    if (tty && (await isDetached(client, Id, session, ended))) return 0;
    const { StatusCode } = await ended;
    await Promise.race([session, new Promise((done) => setTimeout(done, 500))]);
    return StatusCode;
  } finally {
    process.off("SIGINT", pass);
    process.off("SIGTERM", pass);
    socket?.destroy();
    if (options.rm) await client.json("DELETE", `/containers/${Id}?force=1&v=1`).catch(() => {});
  }
}

async function overrides(stack: Stack, options: RunOptions, tty: boolean): Promise<Partial<ContainerConfig>> {
  const { parsePort } = await import("../../stack/loaded.ts");
  const ports = (options.publish ?? []).flatMap((text) => {
    const parsed = parsePort(text);
    if (typeof parsed === "string") throw new BayError("BAD_OPTION", parsed);
    return parsed;
  });
  const mounts = (options.volume ?? []).map((text): ContainerConfig["mounts"][number] => {
    const [source = "", target, mode] = text.split(":");
    if (!(target ?? source).startsWith("/"))
      throw new BayError("BAD_OPTION", `-v ${text}: the path in the container must be absolute`);
    if (!target) return { type: "volume", source: "", target: source, readOnly: false, noCopy: false };
    const readOnly = mode === "ro";
    if (/^[./~]/.test(source))
      return { type: "bind", source: resolve(source), target, readOnly, recursive: true, createSource: true };
    return { type: "volume", source: stack.volumes[source]?.name ?? source, target, readOnly, noCopy: false };
  });
  return {
    tty,
    ...(tty ? { consoleSize: terminalSize() } : {}),
    stdinOpen: true,
    stdinOnce: !tty,
    env: withValues(options.env),
    mounts,
    ports,
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.workdir === undefined ? {} : { workdir: options.workdir }),
    health: undefined,
  };
}

/** True where the terminal was left by the detach keys, and the container goes on. */
async function isDetached(
  client: Client,
  id: string,
  session: Promise<void>,
  ended: Promise<unknown>,
): Promise<boolean> {
  if ((await Promise.race([session.then(() => "left"), ended])) !== "left") return false;
  const { State } = await client.json<{ State: { Running: boolean } }>("GET", `/containers/${id}/json`);
  if (State.Running) ended.catch(() => {}); // nobody waits for it now
  return State.Running;
}
