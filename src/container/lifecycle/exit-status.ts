/** How a process ended: its shim writes the wait status a moment after the process has disappeared. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode } from "../../core/errors.ts";
import {
  decodeStatus,
  identifyProcesses,
  isAlive,
  type ProgramState,
  readProgramState,
} from "../../linux/index.ts";

const ATTEMPTS = 500;
const STEP = 10;
const KILLED = 137;

/** The content of a shim's program file; undefined if the file does not exist, or was not written completely. */
export function readProgram(file: string): ProgramState | undefined {
  try {
    return identifyProcesses(file, readProgramState(readFileSync(file)));
  } catch (error) {
    if (hasCode(error, "ENOENT", "BAD_PROGRAM")) return undefined;
    throw error;
  }
}

/** The program of a process that has ended, with its status; without it if the shim was killed before it wrote it. */
export async function programAtEnd(
  read: () => ProgramState | undefined,
  shim: { shimPid: number; shimStart: number },
): Promise<ProgramState | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const isLost = !isAlive(shim.shimPid, shim.shimStart);
    const program = read(); // after the check of the shim: it may write and end between the two
    if (!program || program.status !== undefined || isLost) return program;
    await sleep(STEP);
  }
  return read();
}

/**
 * The exit code that a shim wrote to its program file; that of SIGKILL if the shim itself was killed, or another program
 * removed the file.
 */
export async function exitCodeAtEnd(
  programFile: string,
  shim: { shimPid: number; shimStart: number },
): Promise<number> {
  const program = await programAtEnd(() => readProgram(programFile), shim);
  return program?.status === undefined ? KILLED : decodeStatus(program.status).exitCode;
}
