/**
 * The descriptors of a launch program.
 *
 * Each has a fixed number of 32 or above, so that a record does not need the result of another. Numbers from 3 to 31 are
 * free, except for one or two descriptors that are open temporarily ("passing"): the kernel uses the lowest free number
 * (open(2)), which is 3, and then 4. The next records close them. So no descriptor remains open by accident, and a path such
 * as /proc/self/fd/N, which an image may choose, does not lead to the host.
 */
import { AT_FDCWD, O_CLOEXEC, O_WRONLY } from "../abi.ts";
import type { ProgramBuilder } from "../program.ts";
import type { Operation, Word } from "../program-format.ts";

/** The number of the passing descriptor. The shim also finds its program file at this number. */
export const PASSING = 3;
/** The number of a second passing descriptor. */
export const NEXT_PASSING = 4;

/** Small, because a clone copies the table of descriptors up to the highest number. */
const FIRST = 32;

export const FD = {
  // passed by bayd, in this order
  program: FIRST,
  /** Closes when the child has executed its command, or failed. */
  started: FIRST + 1,
  /** With a tty: the child reports to the shim that the pty is open, and waits for the reply. */
  ttyReadyWrite: FIRST + 2,
  ttyTakenRead: FIRST + 3,
  /** With files to complete: the child reports to bayd that its file systems are mounted, and waits for the reply. */
  mountedWrite: FIRST + 4,
  filesRead: FIRST + 5,
  stdin: FIRST + 6,
  stdout: FIRST + 7,
  stderr: FIRST + 8,
  pidfd: FIRST + 9,
  // of the shim: its child closes them first
  ttyReadyRead: FIRST + 10,
  ttyTakenWrite: FIRST + 11,
  /** Sockets that outlive bayd. */
  keptUdp: FIRST + 12,
  keptTcp: FIRST + 13,
  ended: FIRST + 14,
  fifoOut: FIRST + 15,
  fifoErr: FIRST + 16,
  // with an init, consecutive numbers: the signals, and two eventfds
  signals: FIRST + 17,
  /** Carries the main process's status from the init to the shim. */
  mainStatus: FIRST + 18,
  /** Lets the main process continue when the init runs from its own copy of the program. */
  mainGo: FIRST + 19,
  // of the child, closed before it uses a path that the container chooses
  procMount: FIRST + 20,
  sysMount: FIRST + 21,
  devMount: FIRST + 22,
  /** The container's /dev/null. */
  null: FIRST + 23,
  /** The mount namespace to return to. */
  ownMounts: FIRST + 24,
  scratch: FIRST + 25,
  /** The source of a mount. */
  source: FIRST + 26,
  ptyMaster: FIRST + 27,
  ptySlave: FIRST + 28,
  firstBind: FIRST + 29,
} as const;

/** The limit of open files while a program runs; the container's limit is set at its end. */
export const PROGRAM_OPEN_FILES = 4096;

const LAST = 0xffffffff;
const CLOSE_RANGE_CLOEXEC = 4;

/** The descriptors passed to the shim, in the order of the numbers from FD.started on; undefined leaves a number free. */
export function givenDescriptors(
  given: Partial<Record<keyof typeof FD, number | undefined>>,
): (number | undefined)[] {
  const names = Object.keys(FD) as (keyof typeof FD)[];
  const last = names.indexOf("keptTcp");
  return names.slice(1, last + 1).map((name) => given[name]);
}

/** The shim's first records: give the program file its number, and close everything else that bayd left open. */
export function takeGivenDescriptors(program: ProgramBuilder): void {
  program.call("dup3", [PASSING, FD.program, O_CLOEXEC]);
  program.call("close_range", [PASSING, FIRST - 1, 0]);
  program.call("close_range", [FD.ended, LAST, 0], { ignore: true });
}

/** The child's first records: mark all descriptors close-on-exec, and close those that only the shim needs. */
export function dropShimDescriptors(program: ProgramBuilder): void {
  program.call("close_range", [PASSING, LAST, CLOSE_RANGE_CLOEXEC]);
  program.call("close_range", [FD.ttyReadyRead, FD.fifoErr, 0]);
}

/**
 * Closes everything but the standard streams, the pipe that announces the exec, and what an init needs. After this, paths
 * that the container chooses may be used.
 */
export function dropHostDescriptors(program: ProgramBuilder, keepForInit: boolean): void {
  if (!keepForInit) program.call("close", [FD.program]);
  program.call("close_range", [PASSING, FD.program - 1, 0]);
  program.call("close_range", [FD.ttyReadyWrite, FD.fifoErr, 0]);
  program.call("close_range", [keepForInit ? FD.mainGo + 1 : FD.signals, LAST, 0]);
}

/** Opens a path as this descriptor number. */
export function openAs(program: ProgramBuilder, path: string, flags: number, fd: number, mode = 0): void {
  resultAs(program, fd, () => {
    program.call("openat", [AT_FDCWD, path, flags, mode], { about: `open ${path}` });
  });
}

/** Runs a call that returns a descriptor, and moves that to a fixed number (close-on-exec). */
export function resultAs(program: ProgramBuilder, fd: number, add: () => void): void {
  add();
  moveTo(program, fd, O_CLOEXEC);
}

/** Moves the passing descriptor. */
export function moveTo(
  program: ProgramBuilder,
  fd: number,
  flags: number,
  operation: Pick<Operation, "ignore" | "about"> = {},
): void {
  program.call("dup3", [PASSING, fd, flags], operation);
  closePassing(program);
}

export function closePassing(program: ProgramBuilder): void {
  program.call("close", [PASSING], { ignore: true });
}

/** Writes text to a file, like `echo -n text > path`. */
export function writeFile(
  program: ProgramBuilder,
  path: string,
  text: string,
  options: { ignore?: boolean; directory?: Word } = {},
): void {
  const operation = { about: `write ${text} to ${path}`, ...(options.ignore ? { ignore: true } : {}) };
  program.call("openat", [options.directory ?? AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0], operation);
  program.call("write", [PASSING, program.text(text), Buffer.byteLength(text)], operation);
  closePassing(program);
}
