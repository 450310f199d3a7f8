/** Hooks run commands in a container after its start and before its stop (Compose specification, post_start and pre_stop). */

import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { runInside } from "../exec/run-inside.ts";
import type { HookConfig } from "../model/config.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";

const MAX_OUTPUT = LIMITS.container.hookOutput;
const SHOWN_LINES = 10;

/** Runs the hooks one after the other, until one fails. Throws HOOK_FAILED with its output. */
export async function runHooks(
  host: Host,
  record: ContainerRecord,
  kind: "postStart" | "preStop",
  timeoutMs?: number,
): Promise<void> {
  for (const hook of record.config.hooks?.[kind] ?? []) {
    const { exitCode, output } = await runInside(host, record, hook, { timeoutMs, maxOutput: MAX_OUTPUT });
    if (exitCode !== 0) throw failed(record, kind, hook, exitCode, output);
  }
}

function failed(
  record: ContainerRecord,
  kind: "postStart" | "preStop",
  { args }: HookConfig,
  exitCode: number,
  output: string,
): BayError {
  const name = kind === "postStart" ? "post_start" : "pre_stop";
  const end = exitCode === -1 ? `could not be run: ${output}` : `ended with exit code ${exitCode}`;
  const lines = exitCode === -1 ? [] : output.trimEnd().split("\n").filter(Boolean).slice(-SHOWN_LINES);
  const shown = lines.map((line) => `\n  ${line}`).join("");
  return new BayError("HOOK_FAILED", `${record.config.name}: the ${name} hook ${args[0]} ${end}${shown}`);
}
