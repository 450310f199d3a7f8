/** The end of a container's output, for an error about it. */
import { type ContainerManager, LogReader, logDirectory } from "../../container/index.ts";

const LINES = 10;
const MAX_LENGTH = 300;

/** Indented lines, each after a newline; empty where it said nothing. */
export function lastLines(manager: ContainerManager, id: string): string {
  const kept: string[] = [];
  try {
    for (const { bytes } of new LogReader(logDirectory(manager, manager.get(id).id)).read(true)) {
      kept.push(bytes.subarray(0, MAX_LENGTH).toString("utf8").trimEnd());
      if (kept.length > LINES) kept.shift();
    }
  } catch {
    return ""; // its logs are not here, or it is gone
  }
  return kept.map((line) => `\n    ${line}`).join("");
}
