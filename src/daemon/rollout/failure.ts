/** Why a container will not become ready, with its last output. */
import {
  type ContainerManager,
  type ContainerRecord,
  LogReader,
  logDirectory,
} from "../../container/index.ts";

const LINES = 10;
const MAX_LENGTH = 300;

/** Indented lines, each after a newline; empty if there was no output. */
export function lastLines(manager: ContainerManager, id: string): string {
  const kept: string[] = [];
  try {
    const directory = logDirectory(manager, manager.get(id).id);
    const reader = new LogReader(directory);
    reader.seekTail(LINES, [0, 1]);
    for (const { bytes } of reader.read(true)) {
      kept.push(bytes.subarray(0, MAX_LENGTH).toString("utf8").trimEnd());
      if (kept.length > LINES) kept.shift();
    }
  } catch {
    return ""; // its logs are not on this host, or it was removed
  }
  return kept.map((line) => `\n    ${line}`).join("");
}

/** Restarts after which a container that still ends counts as failed. */
const RESTARTS = 3;

/**
 * Returns `is unhealthy: …` or `ended with exit code 1`, with its last output; undefined if it is or may still become ready.
 */
export function failureOf(manager: ContainerManager, record: ContainerRecord): string | undefined {
  const { id, state, config } = record;
  const why = reasonOf(manager, record);
  if (why === undefined) return undefined;
  const probe = manager.sessions.health(id)?.log.at(-1)?.output.trim().split("\n").at(-1);
  const isProbed = state.status === "running" && config.health !== undefined;
  return `${why}${isProbed && probe ? `: ${probe}` : ""}${lastLines(manager, id)}`;
}

function reasonOf(manager: ContainerManager, { id, state, config }: ContainerRecord): string | undefined {
  if (state.status === "paused") return "is paused";
  if (state.status === "running" && config.health && manager.health(id) === "unhealthy")
    return "is unhealthy";
  if (state.status === "restarting" && state.restartCount > RESTARTS)
    return `restarts repeatedly, with exit code ${state.exitCode}`;
  const hasEnded = state.status === "exited" || state.status === "dead";
  return hasEnded && state.exitCode !== 0 ? `ended with exit code ${state.exitCode}` : undefined;
}
