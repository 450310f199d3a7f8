/** Runs commands in running containers, with pipes or a terminal, and reports their exit codes. */
import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import { fchownSync, mkdirSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import type { ReadStream } from "node:tty";
import { BayError } from "../../core/errors.ts";
import { SIGNALS } from "../../core/signals.ts";
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUTS,
  close,
  createPipe,
  isAlive,
  type Launched,
  launchExec,
  openProcess,
  type Pipe,
  type ProcessGroup,
  resizePty,
  resolveCapabilities,
  setNonblocking,
  signalProcess,
  takePtyMaster,
} from "../../linux/index.ts";
import { endProcesses } from "../lifecycle/end-processes.ts";
import { exitCodeAtEnd } from "../lifecycle/exit-status.ts";
import { accountOf, containerDirectory, exitFifo } from "../lifecycle/start.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";
import { profileOf } from "../spec/apparmor.ts";
import { toSpec } from "../spec/oci-spec.ts";
import { type ExecOwner, execGroup, execProgramFile } from "./left-execs.ts";
import { readTerminal } from "./pty-reader.ts";

export interface ExecConfig {
  args: string[];
  env: string[];
  user: string | undefined;
  workdir: string | undefined;
  tty: boolean;
  attachStdin: boolean;
  privileged: boolean;
  /** The keys that detach from its terminal, as the client wrote them; empty for the default. */
  detachKeys?: string;
  consoleSize: { height: number; width: number } | undefined;
}

const DECODE_INTERVAL = 500;

const DRAIN_TIME = 200;
const DRAIN_STEP = 2;

/** Of two variables with the same name the later one counts. A name without a value removes the variable, as in Docker. */
function withVariables(base: readonly string[], more: readonly string[]): string[] {
  const nameOf = (entry: string) => entry.split("=", 1)[0]!;
  const last = new Map(more.map((entry) => [nameOf(entry), entry]));
  const kept = base.filter((entry) => !last.has(nameOf(entry)));
  return [...kept, ...[...last.values()].filter((entry) => entry.includes("="))];
}

/** One exec. Emits `end` once, after the command has ended and its output has been read. */
export class Exec extends EventEmitter {
  readonly id = randomBytes(32).toString("hex");
  running = false;
  exitCode: number | undefined;
  pid = 0;
  #launched: Launched | undefined;
  #master: number | undefined;
  #terminal: ReadStream | undefined;
  #streams: { stdin?: Socket; stdout?: Socket; stderr?: Socket } = {};
  #watch: NodeJS.Timeout | undefined;
  #isEnding = false;
  #isStarted = false;
  /** It ended, or could not be started. */
  #isOver = false;
  /** The shim announced the end before the start had completed here. */
  #endedEarly = false;
  /** All processes that the command starts; they are killed when the command ends. */
  readonly #group: ProcessGroup;

  constructor(
    readonly host: Host,
    readonly container: ContainerRecord,
    readonly config: ExecConfig,
    owner: ExecOwner,
  ) {
    super();
    this.#group = execGroup(host, container, owner, this.#token);
  }

  /** Whether it is being started, or runs: its group is needed. */
  get isActive(): boolean {
    return this.#isStarted && !this.#isOver;
  }

  get #token(): string {
    return this.id.slice(0, 16);
  }

  get #programFile(): string {
    return execProgramFile(this.host, this.#token);
  }

  /** Throws EXEC_STARTED if it was started before: an exec runs only once. */
  checkFresh(): void {
    if (!this.#isStarted) return;
    const how = this.running ? "is already running" : "has already run";
    throw new BayError("EXEC_STARTED", `Error: Exec command ${this.id} ${how}`);
  }

  /** Runs the command. Throws `StartError` (exit code 126 or 127) if it cannot be executed, and EXEC_STARTED. */
  async start(): Promise<void> {
    this.checkFresh();
    this.#isStarted = true;
    const { host, container } = this;
    const pidfd = openProcess(container.state.pid, container.state.start);
    if (pidfd === undefined) {
      this.#isOver = true;
      throw new BayError("NOT_RUNNING", `the container ${container.config.name} is not running`);
    }
    let pipes: { stdin: Pipe; stdout: Pipe; stderr: Pipe } | undefined;
    try {
      mkdirSync(join(host.roots.run, "execs"), { recursive: true, mode: 0o700 });
      pipes = this.config.tty ? undefined : this.#makePipes();
      const request = await this.#request(pidfd, pipes);
      this.#group.create();
      this.#launched = await launchExec(request);
    } catch (error) {
      if (pipes)
        for (const pipe of Object.values(pipes)) close(pipe === pipes.stdin ? pipe.write : pipe.read);
      rmSync(this.#programFile, { force: true });
      this.#isOver = true;
      void endProcesses(this.#group);
      throw error;
    } finally {
      close(pidfd);
      if (pipes)
        for (const pipe of Object.values(pipes)) close(pipe === pipes.stdin ? pipe.read : pipe.write);
    }
    this.running = true;
    this.pid = this.#launched.pid;
    if (pipes) this.#openStreams(pipes);
    else this.#openTerminal();
    // the FIFO announces the end; this timer catches an end that was not announced
    this.#watch = setInterval(() => {
      if (!isAlive(this.#launched!.pid, this.#launched!.start)) void this.ended();
    }, DECODE_INTERVAL);
    this.#watch.unref();
    if (this.#endedEarly) void this.ended();
  }

  #makePipes(): { stdin: Pipe; stdout: Pipe; stderr: Pipe } {
    const pipes = { stdin: createPipe(), stdout: createPipe(), stderr: createPipe() };
    setNonblocking(pipes.stdin.write);
    for (const pipe of [pipes.stdout, pipes.stderr]) setNonblocking(pipe.read);
    return pipes;
  }

  async #request(pidfd: number, pipes: { stdin: Pipe; stdout: Pipe; stderr: Pipe } | undefined) {
    const { host, container, config } = this;
    const image = await host.images.get(container.config.image, container.config.imageId);
    const account = accountOf(host, container, image, config.user ?? container.config.user);
    const whole = toSpec(
      {
        ...container.config,
        env: withVariables(container.config.env, config.env),
        tty: config.tty,
        mounts: [],
        devices: [],
      },
      {
        account,
        rootfs: containerDirectory(host, container.id),
        hostPath: (path) => path,
        volumePath: () => "",
        etc: [],
        networkNamespace: undefined,
        cgroupsPath: "",
        apparmorProfile: config.privileged ? undefined : profileOf(container.config),
      },
    );
    const all = resolveCapabilities(["ALL"], []);
    const privileged = { bounding: all, effective: all, permitted: all, inheritable: [], ambient: [] };
    // Docker's stdout pipes belong to the user, so that /dev/stdout can be opened
    if (pipes)
      for (const pipe of [pipes.stdout, pipes.stderr]) fchownSync(pipe.write, account.uid, account.gid);
    const { pidMode, ipcMode, networkMode } = container.config;
    const namespaces =
      CLONE_NEWNS |
      CLONE_NEWUTS |
      CLONE_NEWCGROUP |
      (pidMode === "host" ? 0 : CLONE_NEWPID) |
      (ipcMode === "host" ? 0 : CLONE_NEWIPC) |
      (networkMode === "host" ? 0 : CLONE_NEWNET);
    return {
      pidfd,
      process: {
        ...whole.process,
        args: config.args,
        cwd: config.workdir ?? (container.config.workdir || "/"),
        consoleSize: config.consoleSize,
        ...(config.privileged ? { capabilities: privileged } : {}),
      },
      seccomp: config.privileged ? undefined : whole.linux.seccomp,
      namespaces,
      name: `bay-exec ${container.config.name}`,
      programFile: this.#programFile,
      cgroupJoinFiles: this.#group.joinFiles(),
      shimJoinFiles: host.shimJoinFiles,
      exitFifo: exitFifo(host),
      token: Buffer.from(this.#token, "hex"),
      stdio: pipes
        ? ({
            kind: "fds",
            stdin: config.attachStdin ? pipes.stdin.read : null,
            stdout: pipes.stdout.write,
            stderr: pipes.stderr.write,
          } as const)
        : ({ kind: "tty" } as const),
    };
  }

  #openStreams(pipes: { stdin: Pipe; stdout: Pipe; stderr: Pipe }): void {
    const stdin = new Socket({ fd: pipes.stdin.write, readable: false, writable: true });
    stdin.on("error", () => {}); // the command may end before it has read everything
    this.#streams = {
      stdin,
      stdout: new Socket({ fd: pipes.stdout.read, readable: true, writable: false }),
      stderr: new Socket({ fd: pipes.stderr.read, readable: true, writable: false }),
    };
    if (!this.config.attachStdin) stdin.destroy();
    for (const [index, stream] of [this.#streams.stdout!, this.#streams.stderr!].entries()) {
      stream.on("data", (bytes: Buffer) => this.emit("output", index + 1, bytes));
      stream.on("error", () => {});
    }
  }

  #openTerminal(): void {
    const { shimPid, shimStart, ttyFd } = this.#launched!;
    if (ttyFd === undefined) return;
    this.#master = takePtyMaster(shimPid, shimStart, ttyFd);
    this.#terminal = readTerminal(this.#master, (bytes) => this.emit("output", 1, bytes));
  }

  write(bytes: Buffer): void {
    if (this.#terminal) (this.#terminal as unknown as { write(bytes: Buffer): void }).write(bytes);
    else this.#streams.stdin?.write(bytes);
  }

  /** Bytes of input that the command has not read yet. */
  get waiting(): number {
    const stream = this.#terminal ?? this.#streams.stdin;
    return (stream as unknown as { writableLength: number } | undefined)?.writableLength ?? 0;
  }

  /** Stops reading the output, so that the command waits for a slow reader. */
  pause(): void {
    for (const stream of this.#outputs()) stream.pause();
  }

  resume(): void {
    for (const stream of this.#outputs()) stream.resume();
  }

  #outputs() {
    return [this.#terminal, this.#streams.stdout, this.#streams.stderr].filter(
      (stream) => stream !== undefined,
    );
  }

  /** Ends the input. Does nothing on a terminal, where the user types ctrl-D. */
  endInput(): void {
    this.#streams.stdin?.end();
  }

  /** Kills the command, which may have ended already, and all processes that it started. */
  kill(): void {
    this.#group.kill();
  }

  resize(rows: number, columns: number): void {
    if (this.#master !== undefined && this.running) resizePty(this.#master, rows, columns);
  }

  /**
   * Called when the shim announces the end: kills what the command started, then reads the remaining output and the status.
   */
  async ended(): Promise<void> {
    if (!this.#launched) {
      this.#endedEarly = true;
      return;
    }
    if (this.#isEnding) return;
    this.#isEnding = true;
    clearInterval(this.#watch);
    const status = await exitCodeAtEnd(this.#programFile, this.#launched);
    this.#isOver = true;
    void endProcesses(this.#group);
    await this.#drain();
    signalProcess(this.#launched.shimPid, this.#launched.shimStart, SIGNALS.SIGKILL);
    rmSync(this.#programFile, { force: true });
    this.exitCode = status;
    this.running = false;
    this.#terminal?.destroy();
    this.emit("end", status);
  }

  /**
   * The output of the command itself is complete, but another process of the container may hold the pipe open, so the wait is
   * short. The time for which a slow reader keeps it paused does not count.
   */
  async #drain(): Promise<void> {
    const open = () => this.#outputs().filter((stream) => !stream.destroyed && !stream.readableEnded);
    for (let flowed = 0; flowed < DRAIN_TIME && open().length > 0; ) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_STEP));
      if (!open().some((stream) => stream.isPaused())) flowed += DRAIN_STEP;
    }
    for (const stream of open()) stream.destroy();
    this.#streams.stdin?.destroy();
  }
}
