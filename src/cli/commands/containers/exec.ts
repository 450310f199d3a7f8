import { BayError } from "../../../core/errors.ts";
import type { Context } from "../../context.ts";
import { oneContainer } from "../../named-containers.ts";
import { withValues } from "../../options.ts";
import { needsTerminal, runSession, terminalSize } from "../../ui/terminal.ts";

const DETACHED_AFTER = 1000;

interface ExecOptions {
  tty?: boolean;
  TTY?: boolean;
  interactive?: boolean;
  detach?: boolean;
  user?: string;
  workdir?: string;
  env?: string[];
  index?: number;
  privileged?: boolean;
  detachKeys?: string;
}

/** Runs a command in a running container; the exit code is the command's. */
export async function exec(
  context: Context,
  [service, ...command]: string[],
  options: ExecOptions,
): Promise<number> {
  const { client, row } = await oneContainer(context, service!, options.index);
  if (row.State === "paused")
    throw new BayError("NOT_RUNNING", `the service ${service} is paused`, { hint: `bay unpause ${service}` });
  if (row.State !== "running")
    throw new BayError("NOT_RUNNING", `the service ${service} is not running`, {
      hint: `bay up ${service} starts it`,
    });
  const tty = needsTerminal(options);
  const { height, width } = terminalSize();
  const { Id } = await client.json<{ Id: string }>("POST", `/containers/${row.Id}/exec`, {
    Cmd: command,
    Tty: tty,
    AttachStdin: !options.detach,
    AttachStdout: true,
    AttachStderr: true,
    Env: withValues(options.env),
    User: options.user,
    WorkingDir: options.workdir,
    Privileged: options.privileged,
    DetachKeys: options.detachKeys,
    ...(tty ? { ConsoleSize: [height, width] } : {}),
  });
  if (options.detach) {
    await client.json("POST", `/exec/${Id}/start`, { Detach: true });
    return 0;
  }
  const socket = await client.upgrade(`/exec/${Id}/start`, { Detach: false, Tty: tty });
  await runSession(socket, {
    tty,
    stdin: true,
    resize: (rows, columns) =>
      void client.json("POST", `/exec/${Id}/resize?h=${rows}&w=${columns}`).catch(() => {}),
  });
  // if the terminal closes while its command runs, the user pressed the detach keys
  const patience = Date.now() + (tty ? DETACHED_AFTER : Number.POSITIVE_INFINITY);
  for (;;) {
    const { Running, ExitCode } = await client.json<{ Running: boolean; ExitCode: number | null }>(
      "GET",
      `/exec/${Id}/json`,
    );
    if (!Running) return ExitCode ?? 0;
    if (Date.now() > patience) return 0;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
