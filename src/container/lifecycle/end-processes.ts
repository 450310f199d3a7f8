/** The end of a group of processes. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ProcessGroup } from "../../linux/index.ts";

const ATTEMPTS = 100;
const LONGEST_STEP = 50;

/** Kills what is in a group and removes it. A group empties a moment after its last process was reaped. */
export async function endProcesses(group: Pick<ProcessGroup, "kill" | "remove">): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (group.remove()) return;
    group.kill();
    await sleep(Math.min(5 * (attempt + 1), LONGEST_STEP));
  }
}
