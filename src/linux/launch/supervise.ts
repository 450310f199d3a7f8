/**
 * The parent's half of a program: what the shim does around its child. It forks away from bayd, joins its own cgroup, clones
 * the child, waits, records the status and the time, announces the end, and remains until bayd has read everything and kills
 * it. Its part after the clone is resident: the file is truncated to that page later.
 */
import {
  CLONE_PARENT_SETTID,
  CLONE_PIDFD,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  RLIMITS,
} from "../abi.ts";
import { hardLimit } from "../process.ts";
import type { ProgramBuilder } from "../program.ts";
import type { Word } from "../program-format.ts";
import { FD, openAs, PROGRAM_OPEN_FILES, resultAs, takeGivenDescriptors, writeFile } from "./descriptors.ts";
import type { Stdio } from "./request.ts";

const SIGCHLD = 17;
const SIG_SETMASK = 2;
const ALL_SIGNALS = Buffer.alloc(8, 0xff);
/**
 * The signals that processes block which bayd leaves running: all but SIGTERM. systemd sends SIGTERM to the session or
 * service that called bay, and waits 90 s for a process that blocks it; also at the end of a host's shutdown.
 */
export const SIGNALS_OF_KEEPERS = Buffer.from([0xff, 0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
const CLOCK_REALTIME = 0;
const PR_SET_DUMPABLE = 4;

export interface SupervisorOptions {
  joinFiles: string[];
  exitFifo: string;
  token: Buffer;
  stdio: Stdio;
  /** Clone flags of the child. */
  cloneFlags: number;
  /** The child is an init: FD.mainStatus receives its main process's status. */
  init?: boolean;
  /** Records to run in the shim before the clone, such as joining a pid namespace. */
  beforeClone?: (program: ProgramBuilder) => void;
}

/** struct clone_args (clone(2)). */
export function cloneArgs(
  program: ProgramBuilder,
  flags: number | bigint,
  parentTid: Word,
  pidfd: Word,
  exitSignal: number,
): Word {
  return program.struct([BigInt(flags), pidfd, 0, parentTid, exitSignal, 0, 0, 0, 0, 0, 0]);
}

/** Adds the shim's records. The child begins at the label `child`. */
export function addSupervisor(program: ProgramBuilder, options: SupervisorOptions): void {
  program.section("transient").entry("entry").mark("entry");
  takeGivenDescriptors(program);
  const fork = cloneArgs(program, CLONE_PARENT_SETTID, program.header("shimPid"), 0, SIGCHLD);
  program.call("clone3", [fork, 88], { clone: "shim", about: "fork" });
  program.call("exit_group", [0]);
  program.call("setsid", [], { label: "shim" });
  program.call("rt_sigprocmask", [SIG_SETMASK, ALL_SIGNALS, 0, 8]);
  // the hard limit is kept: root may lack the capability to raise it again
  const openFiles = program.struct([PROGRAM_OPEN_FILES, hardLimit("nofile")]);
  program.call("prlimit64", [0, RLIMITS.nofile!, openFiles, 0], { ignore: true });
  program.call("umask", [0o022]);
  program.call("chdir", ["/"]);
  program.call("setpriority", [0, 0, 0], { ignore: true });
  writeFile(program, "/proc/self/oom_score_adj", "-999", { ignore: true });
  for (const file of options.joinFiles) writeFile(program, file, "0", { ignore: true });
  openAs(program, options.exitFifo, O_RDWR | O_NONBLOCK | O_CLOEXEC, FD.ended);
  if (options.stdio.kind === "fifos") {
    // The read ends keep the FIFOs open, so that a container never gets EPIPE while bayd does not run.
    openAs(program, options.stdio.stdout, O_RDONLY | O_NONBLOCK | O_CLOEXEC, FD.fifoOut);
    openAs(program, options.stdio.stderr, O_RDONLY | O_NONBLOCK | O_CLOEXEC, FD.fifoErr);
  }
  options.beforeClone?.(program);
  if (options.init) addEventfds(program);

  // inherited by the child, so that a container can never trace it
  program.call("prctl", [PR_SET_DUMPABLE, 0, 0, 0, 0]);
  const tty = options.stdio.kind === "tty";
  const pidfd = tty ? program.argument("tty", 0) : 0;
  const flags =
    BigInt(options.cloneFlags) | BigInt(CLONE_PARENT_SETTID | (tty ? CLONE_PIDFD : 0)) | 0x100000000n;
  const child = cloneArgs(program, flags, program.header("childPid"), pidfd, SIGCHLD);
  program.call("clone3", [child, 88], { clone: "child", about: "clone the container's first process" });
  program.goto(tty ? "attach" : "supervise");

  program.section("resident");
  if (tty) addTtyHandover(program);
  program.call("close_range", [0, 2, 0], { label: "supervise" });
  program.call("close_range", [FD.program, FD.pidfd, 0]);
  program.call("wait4", [-1, program.header("status"), 0, 0]);
  if (options.init) {
    // the upper half of what the init sent only keeps the sum from being zero
    const rest = program.data(Buffer.alloc(8));
    const halves = program.struct([program.header("mainStatus"), 4, rest, 4]);
    program.call("readv", [FD.mainStatus, halves, 2], { ignore: true });
  }
  program.call("clock_gettime", [CLOCK_REALTIME, program.header("endedAt")]);
  program.call("write", [FD.ended, options.token, options.token.length], { ignore: true });
  const long = program.struct([1 << 30, 0]);
  program.call("nanosleep", [long, 0], { label: "park", ignore: true });
  program.goto("park");
  program.section("transient");
}

/** eventfd(2): a write adds to its number, and a read returns and resets it. */
function addEventfds(program: ProgramBuilder): void {
  resultAs(program, FD.mainStatus, () => program.call("eventfd2", [0, O_CLOEXEC | O_NONBLOCK]));
  resultAs(program, FD.mainGo, () => program.call("eventfd2", [0, O_CLOEXEC]));
}

/** The shim receives a copy of the pty's master, which bayd later copies from the shim (pidfd_getfd(2)). */
function addTtyHandover(program: ProgramBuilder): void {
  const byte = program.data(Buffer.alloc(8));
  for (const fd of [FD.ttyReadyWrite, FD.ttyTakenRead]) {
    program.call("close", [fd], { label: fd === FD.ttyReadyWrite ? "attach" : undefined });
  }
  program.call("read", [FD.ttyReadyRead, byte, 1], { jumpIfZero: "supervise" });
  program.call("pidfd_getfd", [0, FD.ptyMaster, 0], { label: "tty", ignore: true });
  program.ttyRecord("tty");
  program.call("write", [FD.ttyTakenWrite, byte, 1], { ignore: true });
  program.call("close", [FD.ttyTakenWrite]);
  program.call("close", [FD.ttyReadyRead]);
}
