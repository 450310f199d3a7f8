/** Runs a command in a running container and waits for its end: a health check or a hook. */
import { messageOf } from "../../core/errors.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";
import { Exec, type ExecConfig } from "./exec.ts";

export interface InsideResult {
  /** -1 if it could not be run, or took too long. */
  exitCode: number;
  /** The first part of its output, or the reason why it has no exit code. */
  output: string;
}

type Command = Pick<ExecConfig, "args"> & Partial<ExecConfig>;

/** Runs a command. Kills it and all processes that it started after `timeoutMs`, if given. */
export async function runInside(
  host: Host,
  record: ContainerRecord,
  command: Command,
  limits: { timeoutMs?: number | undefined; maxOutput: number },
): Promise<InsideResult> {
  const config = {
    env: [],
    user: undefined,
    workdir: undefined,
    tty: false,
    attachStdin: false,
    privileged: false,
    consoleSize: undefined,
    ...command,
  };
  const exec = new Exec(host, record, config, "bayd");
  const { timeoutMs, maxOutput } = limits;
  let output = "";
  exec.on("output", (_stream: number, bytes: Buffer) => {
    if (output.length < maxOutput) output += bytes.toString("utf8").slice(0, maxOutput - output.length);
  });
  const ended = new Promise<number>((resolve) => exec.once("end", resolve));
  try {
    host.execs.track(exec);
    await exec.start();
  } catch (error) {
    return { exitCode: -1, output: messageOf(error) };
  }
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    if (timeoutMs !== undefined) timer = setTimeout(resolve, timeoutMs, "late");
  });
  const result = await Promise.race([ended, late]);
  clearTimeout(timer);
  if (result !== "late") return { exitCode: result, output };
  exec.kill();
  return { exitCode: -1, output: `it took longer than ${timeoutMs} ms` };
}
