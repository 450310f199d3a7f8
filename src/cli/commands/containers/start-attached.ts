/** Starts a container with this command's streams attached to it, until it ends or the user detaches. */
import type { Duplex, Readable } from "node:stream";
import { type Client, textOf, toError } from "../../../daemon/index.ts";
import { runSession } from "../../ui/terminal.ts";

export interface AttachOptions {
  tty: boolean;
  stdin: boolean;
  detachKeys: string | undefined;
  /** Which of stdout and stderr are shown; both if absent. */
  outputs?: readonly string[];
  /** Whether signals are passed to the container; true if absent. */
  signals?: boolean;
}

/** Starts a created container. Returns its exit code, or 0 if the user has detached and it keeps running. */
export async function startAttached(
  client: Client,
  id: string,
  { tty, stdin, detachKeys, outputs = ["stdout", "stderr"], signals: isProxy = true }: AttachOptions,
): Promise<number> {
  let socket: Duplex | undefined;
  let body: Readable | undefined;
  let signals = 0;
  const pass = (signal: string) => {
    signals += 1;
    if (signals > 2) process.exit(130); // a command that ignores signals is left running, as docker compose does
    client.json("POST", `/containers/${id}/kill?signal=${signal}`).catch(() => {});
  };
  if (isProxy) process.on("SIGINT", pass);
  if (isProxy) process.on("SIGTERM", pass);
  try {
    const shown = ["stdout", "stderr"].map((name) => `${name}=${outputs.includes(name) ? 1 : 0}`).join("&");
    const keys = encodeURIComponent(detachKeys ?? "");
    socket = await client.upgrade(
      `/containers/${id}/attach?stream=1&${shown}&stdin=${stdin ? 1 : 0}&detachKeys=${keys}`,
    );
    const session = runSession(socket, {
      tty,
      stdin,
      resize: (rows, columns) =>
        void client.json("POST", `/containers/${id}/resize?h=${rows}&w=${columns}`).catch(() => {}),
    });
    // bayd answers as soon as it waits; the container may be removed as soon as it has ended
    const waiting = await client.send("POST", `/containers/${id}/wait?condition=next-exit`);
    if (waiting.status >= 400) throw toError(await textOf(waiting.body));
    body = waiting.body;
    await client.json("POST", `/containers/${id}/start`);
    const ended = textOf(waiting.body).then((text) => JSON.parse(text) as { StatusCode: number });
    ended.catch(() => {}); // if the user detaches, the result is not needed
    if (tty && (await isDetached(client, id, session, ended))) return 0;
    const { StatusCode } = await ended;
    await session; // bayd ends it after the last output
    return StatusCode;
  } finally {
    process.off("SIGINT", pass);
    process.off("SIGTERM", pass);
    socket?.destroy();
    body?.destroy();
  }
}

/** True if the user detached by the detach keys, and the container keeps running. */
async function isDetached(
  client: Client,
  id: string,
  session: Promise<void>,
  ended: Promise<unknown>,
): Promise<boolean> {
  if ((await Promise.race([session.then(() => "left"), ended])) !== "left") return false;
  const { State } = await client
    .json<{ State: { Running: boolean } }>("GET", `/containers/${id}/json`)
    .catch(() => ({ State: { Running: false } })); // it was removed after its end
  if (State.Running) ended.catch(() => {}); // the result is no longer needed
  return State.Running;
}
