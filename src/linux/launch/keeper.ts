/**
 * The keeper: a syscall program that runs a command again whenever it ends. It restarts bayd within a moment on hosts without
 * a service manager, and costs a few kB.
 */
import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { SIGNALS } from "../../core/signals.ts";
import * as abi from "../abi.ts";
import { childrenOf, decodeStatus, signalProcess, startTime } from "../process.ts";
import { ProgramBuilder } from "../program.ts";
import { HEADER, STATUS_RUNNING } from "../program-format.ts";
import { readProgramState } from "../program-state.ts";
import { reapFirst, spawnShim } from "../shim.ts";
import { processOfProgram } from "./program-process.ts";
import { cloneArgs, SIGNALS_OF_KEEPERS } from "./supervise.ts";

const SIG_SETMASK = 2;
const SIGCHLD = 17;
const PAUSE_NANOSECONDS = 200_000_000;

export interface KeeperOptions {
  /** The path of its program; the file also contains its PID. */
  file: string;
  args: string[];
  env: string[];
  logFile: string;
}

/** Starts the keeper, which starts the command. */
export function startKeeper(options: KeeperOptions): void {
  const program = new ProgramBuilder();
  program.entry("entry");
  program.call(
    "clone3",
    [cloneArgs(program, abi.CLONE_PARENT_SETTID, program.header("shimPid"), 0, SIGCHLD), 88],
    { label: "entry", clone: "keeper" },
  );
  program.call("exit_group", [0]);
  program.call("setsid", [], { label: "keeper" });
  program.call("rt_sigprocmask", [SIG_SETMASK, SIGNALS_OF_KEEPERS, 0, 8]);
  program.call("umask", [0o022]);
  program.call("chdir", ["/"]);
  program.call("close_range", [0, 2, 0]);
  const flags = 0x100000000n | BigInt(abi.CLONE_PARENT_SETTID);
  const clone = cloneArgs(program, flags, program.header("childPid"), 0, SIGCHLD);
  program.call("clone3", [clone, 88], { label: "again", clone: "child", ignore: true });
  program.call("wait4", [-1, program.header("status"), 0, 0], { ignore: true });
  program.call("nanosleep", [program.struct([0, PAUSE_NANOSECONDS]), 0], { ignore: true });
  program.goto("again");

  program.call("setsid", [], { label: "child" });
  program.call("openat", [abi.AT_FDCWD, "/dev/null", abi.O_RDWR, 0]); // opened as 0, the lowest free number
  const append = 0o2000;
  program.call("openat", [abi.AT_FDCWD, options.logFile, abi.O_WRONLY | abi.O_CREAT | append, 0o600], {
    label: "log",
  });
  program.call("dup3", [1, 2, 0]);
  program.call("close_range", [3, 0xffffffff, 0]);
  program.call("rt_sigprocmask", [SIG_SETMASK, Buffer.alloc(8), 0, 8]);
  program.call("execve", [options.args[0]!, program.texts(options.args), program.texts(options.env)]);
  program.call("exit_group", [127]);

  rmSync(options.file, { force: true }); // a keeper that is ending may still have the old file mapped
  const fd = openSync(options.file, "wx+", 0o600);
  try {
    program.build().writeTo(fd);
    reapFirst(spawnShim("bay-keeper", fd));
    const page = Buffer.alloc(64);
    readSync(fd, page, 0, 64, 0);
    const start = Buffer.alloc(8);
    start.writeBigUInt64LE(BigInt(startTime(readProgramState(page).shimPid) ?? 0));
    writeSync(fd, start, 0, 8, HEADER.shimStart);
  } finally {
    closeSync(fd);
  }
}

/**
 * Returns how the previous command of the keeper ended; undefined if none has ended, or if this was read already. A signal
 * that a process cannot catch leaves no line in its log, so the next process reads it here.
 */
export function takeLastEnd(file: string): { exitCode: number; signal: number | undefined } | undefined {
  if (processOfProgram(file) === undefined) return undefined;
  const fd = openSync(file, "r+");
  try {
    const page = Buffer.alloc(64);
    readSync(fd, page, 0, page.length, 0);
    const { status } = readProgramState(page);
    if (status === undefined) return undefined;
    const running = Buffer.alloc(4);
    running.writeUInt32LE(STATUS_RUNNING);
    writeSync(fd, running, 0, running.length, HEADER.status);
    return decodeStatus(status);
  } finally {
    closeSync(fd);
  }
}

/** The PID of the process that the keeper started last; 0 if no keeper runs. */
export function keptProcess(file: string): number {
  return processOfProgram(file)?.childPid ?? 0;
}

/** True if the keeper whose program is in the file runs. */
export function isKeeperAlive(file: string): boolean {
  return processOfProgram(file) !== undefined;
}

/**
 * Kills the keeper whose program is in the file; returns undefined if none runs. Returns the processes that it had started,
 * which may be at their very beginning: the keeper is stopped first, so that it starts nothing meanwhile.
 */
export function stopKeeper(file: string): { pid: number; start: number }[] | undefined {
  const keeper = processOfProgram(file);
  if (!keeper || !signalProcess(keeper.pid, keeper.start, SIGNALS.SIGSTOP)) return undefined;
  const children = childrenOf(keeper.pid).map((pid) => ({ pid, start: startTime(pid) ?? 0 }));
  signalProcess(keeper.pid, keeper.start, SIGNALS.SIGKILL);
  return children.filter(({ start }) => start > 0);
}
