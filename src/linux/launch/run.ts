/** Runs a start or exec program: spawns the shim, waits for the exec, records the start times, truncates the file. */
import {
  closeSync,
  fchmodSync,
  ftruncateSync,
  openSync,
  readlinkSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { Socket } from "node:net";
import { BayError, hasCode } from "../../core/errors.ts";
import { SIGNALS } from "../../core/signals.ts";
import { describeFailure, type Program } from "../built-program.ts";
import { close, errnoName } from "../libc.ts";
import { createPipe, type Pipe } from "../pipe.ts";
import { signalProcess, startTime } from "../process.ts";
import { HEADER } from "../program-format.ts";
import { readProgramState } from "../program-state.ts";
import { reapFirst, spawnShim } from "../shim.ts";
import { FD, givenDescriptors } from "./descriptors.ts";
import { execProgram } from "./exec.ts";
import { processOfProgram } from "./program-process.ts";
import type { ExecRequest, KeptSockets, LaunchRequest, Stdio } from "./request.ts";
import { startProgram } from "./start.ts";

const PAGE = 4096;
const ZEROS = Buffer.alloc(16 * PAGE);

export interface Launched {
  pid: number;
  start: number;
  shimPid: number;
  shimStart: number;
  /** The shim's descriptor of the pty master. */
  ttyFd: number | undefined;
}

const ENOENT = 2;
const EACCES = 13;

/** The command could not be executed: the exit code is 127 if it does not exist and 126 otherwise, as in Docker. */
export class StartError extends BayError {
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super("START_FAILED", message);
    this.name = "StartError";
  }
}

/** Starts a container. Throws `StartError` if the program failed, BayError if it could not start. */
export function launch(request: LaunchRequest): Promise<Launched> {
  const { programFile, name, stdio, keptSockets, mounted } = request;
  return run(startProgram(request), programFile, name, stdio, { keptSockets, mounted });
}

/** Executes a command in a running container. Throws as `launch`. */
export function launchExec(request: ExecRequest): Promise<Launched> {
  const { programFile, name, stdio, pidfd } = request;
  return run(execProgram(request), programFile, name, stdio, { pidfd });
}

interface MoreDescriptors {
  pidfd?: number;
  keptSockets?: KeptSockets | undefined;
  mounted?: LaunchRequest["mounted"];
}

async function run(
  program: Program,
  file: string,
  name: string,
  stdio: Stdio,
  more: MoreDescriptors,
): Promise<Launched> {
  rmSync(file, { force: true }); // a shim of a killed bayd may still have the old file mapped
  const fd = openSync(file, "wx+", 0o600);
  try {
    fchmodSync(fd, 0o600);
    program.writeTo(fd);
    await spawnAndWait(fd, name, stdio, more);
    return settle(program, fd);
  } finally {
    closeSync(fd);
  }
}

async function spawnAndWait(
  fd: number,
  name: string,
  stdio: Stdio,
  { pidfd, keptSockets, mounted }: MoreDescriptors,
): Promise<void> {
  const started = createPipe("read");
  const gate = mounted ? { mounted: createPipe("read"), files: createPipe("write") } : undefined;
  const ready: Pipe | undefined = stdio.kind === "tty" ? createPipe() : undefined;
  const taken: Pipe | undefined = stdio.kind === "tty" ? createPipe() : undefined;
  const { stdin, stdout, stderr } = stdio.kind === "fds" ? stdio : {};
  const given = givenDescriptors({
    started: started.write,
    mountedWrite: gate?.mounted.write,
    filesRead: gate?.files.read,
    ...(ready && taken
      ? {
          ttyReadyRead: ready.read,
          ttyReadyWrite: ready.write,
          ttyTakenRead: taken.read,
          ttyTakenWrite: taken.write,
        }
      : {}),
    stdin: stdin ?? undefined,
    stdout: stdout ?? undefined,
    stderr: stderr ?? undefined,
    pidfd,
    keptUdp: keptSockets?.udp,
    keptTcp: keptSockets?.tcp,
  });
  let first: number;
  try {
    first = spawnShim(name, fd, given, FD.started);
  } catch (error) {
    close(started.read);
    if (gate) {
      close(gate.mounted.read);
      close(gate.files.write);
    }
    throw error;
  } finally {
    close(started.write);
    if (gate) {
      close(gate.mounted.write);
      close(gate.files.read);
    }
    for (const pipe of [ready, taken]) {
      if (!pipe) continue;
      close(pipe.read);
      close(pipe.write);
    }
  }
  const ended = endOf(started.read);
  try {
    if (gate && mounted) await passGate(fd, gate.mounted.read, gate.files.write, mounted);
  } finally {
    await ended;
    // it ended long before the pipe's last end was closed, so this takes no time; waiting earlier would
    reapFirst(first);
  }
}

/**
 * Waits until the process has its mounts, runs the action, and lets the process continue. If bayd is killed meanwhile, the
 * process reads the end of the pipe and ends. A process that fails before its mounts closes the pipe.
 */
async function passGate(
  fd: number,
  mountedRead: number,
  filesWrite: number,
  mounted: NonNullable<LaunchRequest["mounted"]>,
): Promise<void> {
  try {
    if (!(await hasByte(mountedRead))) return;
    const page = Buffer.alloc(PAGE);
    readSync(fd, page, 0, PAGE, 0);
    const { childPid: pid } = readProgramState(page);
    const start = startTime(pid);
    if (start !== undefined) await mounted({ pid, start });
    writeSync(filesWrite, Buffer.alloc(1));
  } catch (error) {
    // the process has been killed meanwhile
    if (!hasCode(error, "EPIPE")) throw error;
  } finally {
    close(filesWrite);
  }
}

/** Resolves with true at the first byte, and with false at the end of the pipe. Closes it. */
function hasByte(fd: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new Socket({ fd, readable: true, writable: false });
    socket.on("error", () => {});
    socket.on("data", () => {
      resolve(true);
      socket.destroy();
    });
    socket.on("close", () => resolve(false));
  });
}

/** Resolves when every write end of the pipe is closed. */
function endOf(fd: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = new Socket({ fd, readable: true, writable: false });
    socket.on("error", () => {});
    socket.on("close", () => resolve());
    socket.resume();
  });
}

function settle(program: Program, fd: number): Launched {
  const failure = program.failure(fd);
  const page = Buffer.alloc(PAGE);
  readSync(fd, page, 0, PAGE, 0);
  const state = readProgramState(page);
  if (failure) {
    const shim = processOfProgram(readlinkSync(`/proc/self/fd/${fd}`));
    if (shim) signalProcess(shim.pid, shim.start, SIGNALS.SIGKILL);
    const about = failure.about;
    const isExec = about.startsWith("exec ");
    const missing = failure.errno === ENOENT;
    const message = isExec ? whyNotExecuted(about.slice(5), failure.errno) : describeFailure(failure);
    throw new StartError(message, isExec ? (missing ? 127 : 126) : 125);
  }
  if (state.childPid === 0) throw new StartError("the shim exited before it started the container", 125);
  const start = startTime(state.childPid) ?? 0;
  const shimStart = startTime(state.shimPid) ?? 0;
  const times = Buffer.alloc(16);
  times.writeBigUInt64LE(BigInt(start), 0);
  times.writeBigUInt64LE(BigInt(shimStart), 8);
  writeSync(fd, times, 0, 16, HEADER.childStart);
  wipeAndCut(program, fd);
  return { pid: state.childPid, start, shimPid: state.shimPid, shimStart, ttyFd: state.ttyFd };
}

/** With the words by which Docker's command chooses its exit code, 127 or 126. */
function whyNotExecuted(command: string, errno: number): string {
  if (errno === ENOENT)
    return `the command ${command} does not exist in the container: executable file not found`;
  return `the command ${command} cannot be executed: ${errno === EACCES ? "permission denied" : errnoName(errno)}`;
}

/**
 * The file contains the environment until here. It is overwritten first, because a truncation alone may leave it on a disk.
 */
function wipeAndCut(program: Program, fd: number): void {
  const end = program.bytes.length;
  for (let at = PAGE; at < end; at += ZEROS.length)
    writeSync(fd, ZEROS, 0, Math.min(ZEROS.length, end - at), at);
  ftruncateSync(fd, PAGE);
}
