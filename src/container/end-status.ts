/** How a process ended: its shim writes the wait status a moment after the kernel took the process away. */
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive, type ProgramState } from "../linux/index.ts";

const ATTEMPTS = 500;
const STEP = 10;

/** The program of a process that is gone, with its status; without one where the shim was killed and nobody noted it. */
export async function programAtEnd(
  read: () => ProgramState | undefined,
  shim: { shimPid: number; shimStart: number },
): Promise<ProgramState | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const isLost = !isAlive(shim.shimPid, shim.shimStart);
    const program = read(); // after the look at the shim: it may write, and end, between the two
    if (!program || program.status !== undefined || isLost) return program;
    await sleep(STEP);
  }
  return read();
}
