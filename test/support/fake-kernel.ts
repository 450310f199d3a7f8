/**
 * A recording double of the part of linux/'s door that runs processes; it passes the contract of kernels. A command is a
 * function of the test, and ends when the function says so. Program files and the exit FIFO are real ones, so that the code
 * under test reads them as it reads a shim's.
 */
import { closeSync, constants, openSync, readSync, rmSync, writeFileSync, writeSync } from "node:fs";
import type * as Door from "../../src/linux/index.ts";
import type { ExecRequest } from "../../src/linux/launch/request.ts";
import { HEADER, STATUS_RUNNING } from "../../src/linux/program-format.ts";
import { FakeCgroups } from "./fake-cgroups.ts";

const MAGIC = 0x31594142;
const PAGE = 4096;
/** Above pid_max of every kernel (proc(5)), so that no real process has one of these. */
const FIRST_PID = 1 << 23;
const SIGKILL = 9;
const SIGCHLD = 17;
/** Signals that do not end a process which does not handle them (signal(7)). */
const HARMLESS = new Set([SIGCHLD, 18, 23, 28]);

const ENDING = [1, 2, 3, 15];

const untilSignal: Command = (process) => {
  for (const signal of ENDING) process.handlers.set(signal, () => process.exit(128 + signal));
};

type Request = Door.LaunchRequest | ExecRequest;

export type Command = (process: FakeProcess) => void;

/** A process that the double runs. */
export class FakeProcess {
  /** Signals that it handles; others end it. */
  readonly handlers = new Map<number, () => void>();
  readonly received: number[] = [];
  pending: number[] = [];
  isAlive = true;
  #input = "";
  #isInputOver = false;
  #streams: { stdout: number; stderr: number; stdin: number } | undefined;

  constructor(
    readonly kernel: FakeKernel,
    readonly pid: number,
    readonly request: Request,
    /** The first process of its PID namespace, with which the kernel ends the others. */
    readonly first: FakeProcess | undefined,
  ) {}

  /** The first process of a PID namespace gets only signals that it handles (pid_namespaces(7)). */
  get isFirst(): boolean {
    return "spec" in this.request && this.request.spec.linux.namespaces.some(({ type }) => type === "pid");
  }

  get shimPid(): number {
    return this.pid + 1;
  }

  /** As the code under test gave it. */
  get args(): readonly string[] {
    return "spec" in this.request ? this.request.spec.process.args : this.request.process.args;
  }

  get process(): Door.Spec["process"] {
    return "spec" in this.request ? this.request.spec.process : this.request.process;
  }

  open(): void {
    const { stdio } = this.request;
    const write = constants.O_RDWR | constants.O_NONBLOCK;
    if (stdio.kind === "fifos")
      this.#streams = {
        stdout: openSync(stdio.stdout, write),
        stderr: openSync(stdio.stderr, write),
        stdin: stdio.stdin ? openSync(stdio.stdin, write) : -1,
      };
    else if (stdio.kind === "fds") {
      const again = (fd: number | null, flags: number) =>
        fd === null ? -1 : openSync(`/proc/self/fd/${fd}`, flags | constants.O_NONBLOCK);
      this.#streams = {
        stdout: again(stdio.stdout, constants.O_WRONLY),
        stderr: again(stdio.stderr, constants.O_WRONLY),
        stdin: again(stdio.stdin, constants.O_RDONLY),
      };
    }
  }

  print(text: string, stream: "stdout" | "stderr" = "stdout"): void {
    const fd = this.#streams?.[stream] ?? -1;
    if (fd >= 0) writeSync(fd, text);
  }

  /** Everything that it could read from its input until now. */
  get input(): string {
    const bytes = Buffer.alloc(4096);
    try {
      for (let count = -1; count !== 0 && !this.#isInputOver; ) {
        count = readSync(this.#streams!.stdin, bytes);
        if (count === 0) this.#isInputOver = true;
        this.#input += bytes.toString("utf8", 0, count);
      }
    } catch {
      // EAGAIN: there is no more for now
    }
    return this.#input;
  }

  /** It has read the end of its input. */
  get isInputOver(): boolean {
    return this.input !== undefined && this.#isInputOver;
  }

  exit(code: number): void {
    this.kernel.end(this, code << 8);
  }

  /** It ends by a signal. */
  die(signal: number): void {
    this.kernel.end(this, signal);
  }

  close(): void {
    for (const fd of new Set(Object.values(this.#streams ?? {}))) if (fd >= 0) closeSync(fd);
    this.#streams = undefined;
  }
}

export class FakeKernel {
  /** Every call that changes something, as `verb argument…`. */
  readonly calls: string[] = [];
  readonly processes = new Map<number, FakeProcess>();
  /** The shims that hold the status of a process, by PID; killing one loses what it would still write. */
  readonly #shims = new Map<number, FakeProcess>();
  readonly #commands = new Map<string, Command>();
  readonly #refused = new Map<string, () => Error>();
  readonly #pidfds = new Map<number, number>();
  readonly #waiting: { test: (process: FakeProcess) => boolean; found: (process: FakeProcess) => void }[] =
    [];
  readonly cgroups = new FakeCgroups({
    kill: (pid) => void this.#signal(pid, SIGKILL),
    thawed: (pids) => this.#thawed(pids),
  });
  #next = FIRST_PID;

  /** What a command does; without one it runs until SIGHUP, SIGINT, SIGQUIT or SIGTERM, which it handles. */
  command(name: string, command: Command): void {
    this.#commands.set(name, command);
  }

  /** Starts of this command fail. */
  refuse(name: string, error: () => Error): void {
    this.#refused.set(name, error);
  }

  allow(name: string): void {
    this.#refused.delete(name);
  }

  /** The processes that run a command now. */
  running(name: string): FakeProcess[] {
    return [...this.processes.values()].filter(({ isAlive, args }) => isAlive && args[0] === name);
  }

  /** Resolves with the next process that runs a command, or with one that runs already. */
  next(name: string): Promise<FakeProcess> {
    const [known] = this.running(name);
    if (known) return Promise.resolve(known);
    return new Promise((found) => this.#waiting.push({ test: ({ args }) => args[0] === name, found }));
  }

  end(process: FakeProcess, status: number): void {
    if (!process.isAlive) return;
    process.isAlive = false;
    for (const other of this.processes.values()) if (other.first === process) other.die(SIGKILL);
    this.cgroups.leave(process.pid);
    process.close();
    if (!this.#shims.has(process.shimPid)) return;
    this.#writeProgram(process, status);
    try {
      const fifo = openSync(process.request.exitFifo, constants.O_WRONLY | constants.O_NONBLOCK);
      writeSync(fifo, process.request.token);
      closeSync(fifo);
    } catch {
      // bayd does not run
    }
  }

  /** A shim is killed, as by an administrator: no end of its process is announced. */
  loseShim(process: FakeProcess): void {
    this.#shims.delete(process.shimPid);
  }

  #writeProgram(process: FakeProcess, status: number): void {
    const page = Buffer.alloc(PAGE);
    page.writeUInt32LE(MAGIC, HEADER.magic);
    page.writeUInt32LE(process.pid, HEADER.childPid);
    page.writeUInt32LE(process.shimPid, HEADER.shimPid);
    page.writeUInt32LE(status, HEADER.status);
    page.writeUInt32LE(STATUS_RUNNING, HEADER.mainStatus);
    page.writeBigUInt64LE(BigInt(process.pid), HEADER.childStart);
    page.writeBigUInt64LE(BigInt(process.shimPid), HEADER.shimStart);
    if (status !== STATUS_RUNNING)
      page.writeBigInt64LE(BigInt(Math.floor(Date.now() / 1000)), HEADER.endedAt);
    writeFileSync(process.request.programFile, page, { mode: 0o600 });
  }

  async #run(request: Request): Promise<Door.Launched> {
    const pid = this.#next;
    this.#next += 2;
    const first = "pidfd" in request ? this.processes.get(this.#pidfds.get(request.pidfd)!) : undefined;
    const process = new FakeProcess(this, pid, request, first);
    const [name = ""] = process.args;
    this.calls.push(`${"spec" in request ? "launch" : "exec"} ${process.args.join(" ")}`);
    rmSync(request.programFile, { force: true });
    const refused = this.#refused.get(name);
    if (refused) throw refused();
    this.cgroups.join(pid, request.cgroupJoinFiles);
    process.open();
    this.processes.set(pid, process);
    this.#shims.set(process.shimPid, process);
    this.cgroups.join(process.shimPid, request.shimJoinFiles);
    this.#writeProgram(process, STATUS_RUNNING);
    if ("spec" in request && request.mounted) {
      try {
        await request.mounted({ pid, start: pid });
      } catch (error) {
        process.die(SIGKILL);
        throw error;
      }
      if (!process.isAlive) throw new Error("the process ended before its command");
    }
    // as with a real process, which may end before its start is known
    await Promise.resolve();
    (this.#commands.get(name) ?? untilSignal)(process);
    for (const waiting of this.#waiting.splice(0)) {
      if (waiting.test(process)) waiting.found(process);
      else this.#waiting.push(waiting);
    }
    return { pid, start: pid, shimPid: process.shimPid, shimStart: process.shimPid, ttyFd: undefined };
  }

  #signal(pid: number, signal: number): boolean {
    if (this.#shims.has(pid)) {
      if (signal === SIGKILL) {
        this.#shims.delete(pid);
        this.cgroups.leave(pid);
      }
      return true;
    }
    const process = this.processes.get(pid);
    if (!process?.isAlive) return false;
    if (this.cgroups.isFrozen(pid)) process.pending.push(signal);
    else this.#deliver(process, signal);
    return true;
  }

  #deliver(process: FakeProcess, signal: number): void {
    process.received.push(signal);
    const handler = signal === SIGKILL ? undefined : process.handlers.get(signal);
    if (handler) handler();
    else if (signal === SIGKILL || !(HARMLESS.has(signal) || process.isFirst)) process.die(signal);
  }

  #thawed(pids: readonly number[]): void {
    for (const pid of pids) {
      const process = this.processes.get(pid);
      if (!process || this.cgroups.isFrozen(pid)) continue;
      for (const signal of process.pending.splice(0)) if (process.isAlive) this.#deliver(process, signal);
    }
  }

  #startOf(pid: number): number | undefined {
    const isThere = this.#shims.has(pid) || this.processes.get(pid)?.isAlive;
    return isThere ? pid : undefined;
  }

  #isAlive(pid: number, start: number): boolean {
    return pid > 0 && start > 0 && this.#startOf(pid) === start;
  }

  /** The part of linux/'s door that it stands for; `real` serves the processes that are not its own. */
  door(real: typeof Door) {
    const isOwn = (pid: number) => pid >= FIRST_PID;
    return {
      launch: (request: Door.LaunchRequest) => this.#run(request),
      launchExec: (request: ExecRequest) => this.#run(request),
      isAlive: (pid: number, start: number) =>
        isOwn(pid) ? this.#isAlive(pid, start) : real.isAlive(pid, start),
      startTime: (pid: number) => (isOwn(pid) ? this.#startOf(pid) : real.startTime(pid)),
      openProcess: (pid: number, start: number) => {
        if (!isOwn(pid)) return real.openProcess(pid, start);
        if (!this.#isAlive(pid, start)) return undefined;
        const fd = openSync("/dev/null", "r");
        this.#pidfds.set(fd, pid);
        return fd;
      },
      signalProcess: (pid: number, start: number, signal: number) => {
        if (!isOwn(pid)) return real.signalProcess(pid, start, signal);
        if (!this.#isAlive(pid, start)) return false;
        this.calls.push(
          `signal ${this.#shims.has(pid) ? "shim" : (this.processes.get(pid)!.args[0] ?? "")} ${signal}`,
        );
        return this.#signal(pid, signal);
      },
      takeKeptSockets: () => undefined,
      cgroupManager: (parent: string) => this.cgroups.manager(parent),
    } satisfies Partial<typeof Door>;
  }
}
