/** Finds the process that runs a program file, even if its starter was killed before it recorded the start time. */
import { readFileSync } from "node:fs";
import { readKernelFile } from "../kernel-file.ts";
import { startTime } from "../process.ts";
import { type ProgramState, readProgramState } from "../program.ts";

/**
 * Returns the process with its start time, and the PID of its last child; undefined if it has ended, or the file is
 * incomplete.
 */
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
    return undefined; // it does not exist, or was not written completely
  }
}

/** The PID may belong to another process by now, which does not have the file mapped (proc_pid_maps(5)). */
function hasMapped(pid: number, file: string): boolean {
  try {
    return readKernelFile(`/proc/${pid}/maps`).includes(` ${file}\n`);
  } catch {
    return false; // it ended just now
  }
}
