/** The runs of containers: start, end, cleanup and restart. */
import { EventEmitter } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BayError, messageOf } from "../../core/errors.ts";
import {
  type Cgroup,
  decodeStatus,
  isAlive,
  type Launched,
  type ProgramState,
  StartError,
  signalProcess,
  takeKeptSockets,
} from "../../linux/index.ts";
import { volumesOf } from "../model/config.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";
import { isRunning, type Records } from "../model/records.ts";
import type { AttachedSessions } from "./attached-sessions.ts";
import { endProcesses } from "./end-processes.ts";
import { programAtEnd, readProgram } from "./exit-status.ts";
import type { WaitingProcess, WaitOutcome } from "./file-waits.ts";
import { GOOD_RUN, mayRestart, restartDelay } from "./restart-policy.ts";
import { openLogs, prepareContainer, programFile, runDirectory, startProcess } from "./start.ts";

/** Wait statuses for exits that were not recorded: the shim was killed, or the machine went down (255 in Docker). */
const KILLED = 9;
/** Exit code of a process that SIGKILL ended, as in Docker. */
const KILLED_EXIT = 137;
const MACHINE_WENT_DOWN = 255 << 8;

/** Emits `action` (record, name, attributes), `restarted` (record), `ended` (record), `changed` (record) and `warning` (text). */
export class ContainerSupervisor extends EventEmitter {
  /** Ends that are being processed: a start or removal waits for them. */
  readonly #settling = new Map<string, Promise<void>>();
  readonly #restarts = new Map<string, NodeJS.Timeout>();
  #isClosing = false;
  #areRestartsHeld = false;

  constructor(
    readonly host: Host,
    readonly records: Records,
    readonly sessions: AttachedSessions,
  ) {
    super();
  }

  // ---- start

  /** Starts a container that does not run. Throws START_FAILED, PORT_TAKEN …, and records the error. */
  async start(record: ContainerRecord): Promise<void> {
    const { state } = record;
    await this.#settling.get(record.id);
    try {
      if (!record.isPrepared) await this.prepare(record);
      await this.host.ports.hold(record);
      const launched = await this.#launch(record);
      if (record.config.hooks?.postStart.length) state.hasHooksLeft = true;
      this.records.save(record);
      if (record.config.tty) this.#openTerminal(record, launched);
      if (state.boundPorts.length > 0) await this.host.networks.firewall.sync();
    } catch (error) {
      state.status = state.startedAt.startsWith("0001") ? "created" : "exited";
      state.exitCode = error instanceof StartError ? error.exitCode : 128;
      state.error = messageOf(error);
      await this.#cleanUp(record);
      this.records.save(record);
      if (!(error instanceof StartError)) throw error;
      const message = `${record.config.name} could not be started: ${error.message}`;
      throw new BayError("START_FAILED", message, { cause: error });
    }
    this.watchHealth(record);
    this.emit("action", record, "start");
    this.emit("changed", record);
    // if it ended before it counted as running, its end was announced too early
    if (this.hasEnded(record)) void this.settle(record);
  }

  /** Starts the process; from then on the container counts as running. */
  async #launch(record: ContainerRecord): Promise<Launched> {
    const { fileTurns, waitingForFiles, beforeStart } = this.host;
    const wait = waitingForFiles.begin(record.id);
    let endTurn = () => {};
    try {
      endTurn = await fileTurns.begin(record.id);
      const complete = beforeStart?.(record);
      const launched = await startProcess(
        this.host,
        record,
        complete &&
          ((process) => {
            const outcome = wait.until(process, complete);
            endTurn(); // copies use the mounts of the process from now on
            return outcome.then((how) => this.#passGate(record, process, how));
          }),
      );
      this.sessions.inputIsRead(record.id);
      Object.assign(record.state, {
        status: "running",
        pid: launched.pid,
        start: launched.start,
        shimPid: launched.shimPid,
        shimStart: launched.shimStart,
        startedAt: new Date().toISOString(),
        exitCode: 0,
        oomKilled: false,
        signal: undefined,
        error: "",
      });
      return launched;
    } finally {
      wait.close();
      endTurn();
    }
  }

  /** Lets a process that waited for files continue, or ends it. Throws StartError. */
  #passGate({ config }: ContainerRecord, { pid, start }: WaitingProcess, outcome: WaitOutcome): void {
    if (outcome === "late")
      this.emit(
        "warning",
        `${config.name}: bay watch did not send all files in time, and it starts without the rest`,
      );
    if (outcome !== "interrupted") return;
    signalProcess(pid, start, 9);
    throw new StartError("it was stopped while it waited for the files of bay watch", KILLED_EXIT);
  }

  /** Creates the container's files, which may already exist; the next write of the record saves that they do. */
  async prepare(record: ContainerRecord): Promise<void> {
    await prepareContainer(this.host, record);
    record.isPrepared = true;
  }

  watchHealth(record: ContainerRecord): void {
    if (this.sessions.watchHealth(record)) this.emit("changed", record);
  }

  #openTerminal(record: ContainerRecord, launched: Launched): void {
    try {
      this.sessions.openTerminal(record, launched);
    } catch (error) {
      this.emit("warning", `${record.config.name}: ${messageOf(error)}`);
    }
  }

  // ---- end

  /** The content of the shim's program file of a container; undefined if there is none. */
  #readProgram(record: ContainerRecord): ProgramState | undefined {
    return readProgram(programFile(this.host, record.id));
  }

  hasEnded(record: ContainerRecord): boolean {
    const { pid, start } = record.state;
    return isRunning(record) && (!isAlive(pid, start) || this.#readProgram(record)?.status !== undefined);
  }

  /** Updates the record of a container whose process has ended. */
  settle(record: ContainerRecord, lostStatus = KILLED): Promise<void> {
    const running = this.#settling.get(record.id);
    if (running) return running;
    const settling = this.#settleNow(record, lostStatus)
      .catch((error) => void this.emit("warning", `${record.config.name}: ${messageOf(error)}`))
      .finally(() => this.#settling.delete(record.id));
    this.#settling.set(record.id, settling);
    return settling;
  }

  async #settleNow(record: ContainerRecord, lostStatus: number): Promise<void> {
    if (!isRunning(record) || this.#isClosing) return;
    const { state } = record;
    if (!this.hasEnded(record)) return;
    const program = await programAtEnd(() => this.#readProgram(record), state);
    // it counts as running until its last output is in the files: clients that follow the logs would stop too early otherwise
    if (record.config.tty) await this.sessions.drain(record.id);
    else await this.host.logs.close(record.id).catch(() => {});
    state.status = "exited";
    Object.assign(state, decodeStatus(program?.status ?? lostStatus));
    state.finishedAt = new Date(program?.endedAt || Date.now()).toISOString();
    state.oomKilled = this.#cgroup(record).oomKills() > 0;
    this.#decideRestart(record, Date.parse(state.finishedAt) - Date.parse(state.startedAt));
    await this.#cleanUp(record);
    if (state.oomKilled) this.emit("action", record, "oom");
    this.emit("action", record, "die", { exitCode: String(state.exitCode) });
    this.#saveEnded(record);
    this.emit("ended", record);
    this.emit("changed", record);
  }

  /** The end is a fact that a full disk does not change: who waits for it is told, and a restarted bayd finds it again. */
  #saveEnded(record: ContainerRecord): void {
    try {
      this.records.save(record);
    } catch (error) {
      this.emit("warning", `${record.config.name}: its exit could not be recorded: ${messageOf(error)}`);
    }
  }

  /** Removes what a container that has ended may still hold: a pending restart, and everything of its last run. */
  async takeDown(record: ContainerRecord): Promise<void> {
    await this.#settling.get(record.id);
    this.cancelRestart(record.id);
    await this.#cleanUp(record);
  }

  /** Removes what only a running container has. */
  async #cleanUp(record: ContainerRecord): Promise<void> {
    const { state, id } = record;
    const { networks, logs } = this.host;
    this.sessions.close(id);
    const program = this.#readProgram(record);
    const cgroup = this.#cgroup(record);
    if (cgroup.exists()) cgroup.kill();
    const shimPid = state.shimPid || program?.shimPid || 0;
    if (shimPid > 0) signalProcess(shimPid, state.shimStart || program?.shimStart || 0, 9);
    await logs.close(id).catch(() => {});
    this.detachVolumes(volumesOf(record.config), record);
    networks.endpoints.tearDown(id);
    networks.ports.releaseOf(record.config.name);
    if (state.boundPorts.length > 0) await networks.firewall.sync().catch(() => {});
    state.boundPorts = [];
    Object.assign(state, { pid: 0, start: 0, shimPid: 0, shimStart: 0 });
    rmSync(programFile(this.host, id), { force: true });
    await endProcesses(cgroup);
    this.host.groups.removeParents();
  }

  /** Detaches volumes that no container uses any more that runs, or starts and waits for files. */
  detachVolumes(names: readonly string[], ended?: ContainerRecord): void {
    const { waitingForFiles } = this.host;
    const isUser = (record: ContainerRecord) => isRunning(record) || waitingForFiles.has(record.id);
    const used = new Set(
      this.records
        .list()
        .flatMap((other) => (other !== ended && isUser(other) ? volumesOf(other.config) : [])),
    );
    for (const name of names) if (!used.has(name)) this.host.volumes.detach(name);
  }

  #cgroup(record: ContainerRecord): Cgroup {
    return this.host.groups.of(record);
  }

  // ---- restart

  #decideRestart(record: ContainerRecord, ranMs: number): void {
    const { state } = record;
    if (ranMs >= GOOD_RUN) state.restartCount = 0;
    if (!this.records.has(record.id) || !mayRestart(record)) return;
    const wait = restartDelay(state.restartCount);
    state.status = "restarting";
    state.restartCount += 1;
    this.#scheduleRestart(record, wait);
  }

  /** From now on no container is restarted; the next bayd does it. */
  holdRestarts(): void {
    this.#areRestartsHeld = true;
    for (const timer of this.#restarts.values()) clearTimeout(timer);
    this.#restarts.clear();
  }

  #scheduleRestart(record: ContainerRecord, wait: number): void {
    if (this.#areRestartsHeld) return;
    const again = () => {
      this.#restarts.delete(record.id);
      if (!this.records.has(record.id)) return;
      const attempt = this.records.queue(record.id, async (current) => {
        if (current.state.wanted === "running" && !isRunning(current)) await this.start(current);
      });
      void attempt.then(
        () => this.emit("restarted", record),
        () => {},
      );
      attempt.catch(() => {
        if (record.state.wanted !== "running" || !this.records.has(record.id)) return;
        record.state.status = "restarting";
        record.state.restartCount += 1;
        this.records.save(record);
        this.#scheduleRestart(record, restartDelay(record.state.restartCount));
      });
    };
    this.#restarts.set(record.id, setTimeout(again, wait));
  }

  cancelRestart(id: string): void {
    clearTimeout(this.#restarts.get(id));
    this.#restarts.delete(id);
  }

  // ---- bayd's own start and end

  /** Takes over one container: one that runs is supervised again, and one that has ended meanwhile is recorded. */
  async adopt(record: ContainerRecord): Promise<void> {
    const { state, config } = record;
    const program = this.#readProgram(record);
    const stdout = join(runDirectory(this.host, record.id), "stdout");
    if (!isRunning(record)) {
      void this.host.forwarders.sendRest(record);
      if (!program) return this.host.networks.endpoints.tearDown(record.id);
      // bayd was killed between the start and its record: the container has run for moments, and the next start is a clean
      // one
      state.shimPid ||= program.shimPid;
      state.shimStart ||= program.shimStart;
      return this.#cleanUp(record);
    }
    if (!isAlive(state.pid, state.start) || program?.status !== undefined) {
      if (!config.tty && existsSync(stdout)) await openLogs(this.host, record);
      return this.settle(record, program ? KILLED : MACHINE_WENT_DOWN);
    }
    if (config.tty) this.#openTerminal(record, { ...state, ttyFd: program?.ttyFd } as Launched);
    else {
      await openLogs(this.host, record);
      if (config.stdinOpen) {
        this.sessions.openInput(record.id, join(runDirectory(this.host, record.id), "stdin"));
        this.sessions.inputIsRead(record.id);
      }
    }
    if (record.endpoints.length > 0) this.host.names.serve(record, { kept: takeKeptSockets(state) });
    await this.host.ports.adopt(record, (message) => this.emit("warning", message));
    if (state.status !== "running") return;
    // a commit may have paused it when bayd was killed
    const cgroup = this.host.groups.of(record);
    if (cgroup.isFrozen()) cgroup.freeze(false);
    this.watchHealth(record);
  }

  /** Starts containers whose restart policy requires it, and those that were waiting for a restart when bayd ended. */
  resume(record: ContainerRecord): void {
    const { state, config } = record;
    const isDown = state.status === "exited" || state.status === "restarting";
    const { policy } = config.restart;
    if (!isDown || state.wanted !== "running" || policy === "no" || this.#restarts.has(record.id)) return;
    if (state.status === "exited" && policy === "on-failure" && state.exitCode === 0) return;
    state.status = "restarting";
    this.#scheduleRestart(record, 0);
  }

  close(): void {
    this.#isClosing = true;
    for (const timer of this.#restarts.values()) clearTimeout(timer);
  }
}
