/**
 * A process that only holds sockets: they stay bound while bayd does not run, and a new bayd takes them over
 * (pidfd_getfd(2)). It is a syscall program, and costs a few kB.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import * as abi from "../abi.ts";
import { close, syscall } from "../libc.ts";
import { isAlive, openProcess, startTime } from "../process.ts";
import { ProgramBuilder } from "../program.ts";
import { HEADER } from "../program-format.ts";
import { readProgramState } from "../program-state.ts";
import { reapFirst, spawnShim } from "../shim.ts";
import { cloneArgs, SIGNALS_OF_KEEPERS } from "./supervise.ts";

const SIG_SETMASK = 2;
const SIGCHLD = 17;
const DAY = 86_400;
/** Its first descriptor is the program, and the sockets follow. */
const FIRST_SOCKET = 4;

export interface SocketKeeper {
  pid: number;
  start: number;
}

/** Starts it with copies of the descriptors, in their order; `file` is the path of its program. Throws SHIM_START. */
export function startSocketKeeper(file: string, fds: readonly number[]): SocketKeeper {
  const program = new ProgramBuilder();
  program.entry("entry");
  const clone = cloneArgs(program, abi.CLONE_PARENT_SETTID, program.header("shimPid"), 0, SIGCHLD);
  program.call("clone3", [clone, 88], { label: "entry", clone: "keeper" });
  program.call("exit_group", [0]);
  program.call("setsid", [], { label: "keeper" });
  program.call("rt_sigprocmask", [SIG_SETMASK, SIGNALS_OF_KEEPERS, 0, 8]);
  program.call("chdir", ["/"]);
  program.call("close_range", [0, 2, 0]);
  // it runs until SIGKILL
  program.call("nanosleep", [program.struct([DAY, 0]), 0], { label: "again", ignore: true });
  program.goto("again");
  const fd = openSync(file, "w+", 0o600);
  try {
    program.build().writeTo(fd);
    reapFirst(spawnShim("bay-ports", fd, fds, FIRST_SOCKET));
    const page = Buffer.alloc(64);
    readSync(fd, page, 0, 64, 0);
    const pid = readProgramState(page).shimPid;
    const start = startTime(pid) ?? 0;
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(start));
    writeSync(fd, bytes, 0, 8, HEADER.shimStart);
    return { pid, start };
  } finally {
    closeSync(fd);
  }
}

/** Copies of the descriptors of its first `count` sockets; none if it has ended. The caller closes them. */
export function takeSockets({ pid, start }: SocketKeeper, count: number): number[] {
  if (!isAlive(pid, start)) return [];
  const pidfd = openProcess(pid, start);
  if (pidfd === undefined) return [];
  try {
    return Array.from({ length: count }, (_, index) =>
      syscall("pidfd_getfd", [pidfd, FIRST_SOCKET + index, 0], "take a socket"),
    );
  } finally {
    close(pidfd);
  }
}
