/** What a killed bayd leaves of commands in running containers: their program files, and probes and hooks that still run. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { hasCode } from "../errors.ts";
import { readProgramState, signalProcess } from "../linux/index.ts";
import type { Roots } from "../roots.ts";
import { SIGNALS } from "../signals.ts";

const OWN = ".own";

type HasRoots = { readonly roots: Pick<Roots, "run"> };

/** Where the program of an exec lies; its name says whether bay itself started it, as a probe or a hook. */
export const execProgramFile = ({ roots }: HasRoots, id: string, isOwn: boolean) =>
  join(roots.run, "execs", `${id.slice(0, 16)}${isOwn ? OWN : ""}`);

/**
 * Removes the program files, and ends probes and hooks: the bayd that waited for them is gone, and this one runs its own.
 * A client's command keeps running, as its container does.
 */
export function endLostExecs({ roots }: HasRoots): void {
  const directory = join(roots.run, "execs");
  for (const name of readdirSync(directory)) {
    const file = join(directory, name);
    if (name.endsWith(OWN)) endCommand(file);
    rmSync(file, { force: true });
  }
}

function endCommand(file: string): void {
  try {
    const { childPid, childStart } = readProgramState(readFileSync(file));
    // without a start time bayd was killed during the start, and the number may be that of another process
    if (childStart > 0) signalProcess(childPid, childStart, SIGNALS.SIGKILL);
  } catch (error) {
    if (!hasCode(error, "BAD_PROGRAM")) throw error;
  }
}
