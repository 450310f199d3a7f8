/** Finds the process that runs from a program file, also where its starter was killed before it noted the start time. */
import { readFileSync } from "node:fs";
import { readKernelFile } from "../kernel-file.ts";
import { startTime } from "../process.ts";
import { type ProgramState, readProgramState } from "../program.ts";

/** The process, with its start time, and the pid of its last child; undefined where it has ended, or the file is not a whole program. */
export function processOfProgram(file: string): { pid: number; start: number; childPid: number } | undefined {
  const { shimPid: pid, shimStart, childPid } = readState(file) ?? { shimPid: 0, shimStart: 0, childPid: 0 };
  const start = pid > 0 ? startTime(pid) : undefined;
  if (start === undefined) return undefined;
  const isIt = shimStart > 0 ? start === shimStart : hasMapped(pid, file);
  return isIt ? { pid, start, childPid } : undefined;
}

function readState(file: string): ProgramState | undefined {
  try {
    return readProgramState(readFileSync(file));
  } catch {
    return undefined; // it does not exist, or was never written whole
  }
}

/** The number may be that of another process by now, which does not have the file mapped (proc_pid_maps(5)). */
function hasMapped(pid: number, file: string): boolean {
  try {
    return readKernelFile(`/proc/${pid}/maps`).includes(` ${file}\n`);
  } catch {
    return false; // it ended just now
  }
}
