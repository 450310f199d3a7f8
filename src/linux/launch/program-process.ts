/** Finds the process that runs a program file, even if its starter was killed before it recorded the start time. */
import { readFileSync } from "node:fs";
import { readKernelFile } from "../kernel-file.ts";
import { childrenOf, startTime } from "../process.ts";
import { type ProgramState, readProgramState } from "../program-state.ts";

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

/**
 * The state with the start times of its processes. Their starter writes the times a moment after the PIDs, and may be killed
 * in between. A process that cannot be identified has ended: its PID is 0.
 */
export function identifyProcesses(file: string, state: ProgramState): ProgramState {
  if (state.shimStart > 0) return state;
  const shim = processOfProgram(file);
  if (!shim) return { ...state, shimPid: 0, childPid: 0 };
  const isChild = childrenOf(shim.pid).includes(state.childPid);
  const childStart = isChild ? startTime(state.childPid) : undefined;
  const child = childStart === undefined ? { childPid: 0 } : { childStart };
  return { ...state, shimPid: shim.pid, shimStart: shim.start, ...child };
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
