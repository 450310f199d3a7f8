/** Ends all processes of a cgroup. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ProcessGroup } from "../../linux/index.ts";

const ATTEMPTS = 100;
const LONGEST_STEP = 50;

/** Kills the processes of a cgroup and removes it, which is possible only a moment after the last process was reaped. */
export async function endProcesses(group: Pick<ProcessGroup, "kill" | "remove">): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (group.remove()) return;
    group.kill();
    await sleep(Math.min(5 * (attempt + 1), LONGEST_STEP));
  }
}
