/** The containers of one bay: their records, and everything that is done to them. One action at a time for each. */
import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BayError, hasCode, messageOf } from "../errors.ts";
import { ImageStore } from "../image/index.ts";
import {
  type Cgroup,
  type CgroupManager,
  cgroupManager,
  decodeStatus,
  isAlive,
  type Launched,
  type ProgramState,
  readProgramState,
  StartError,
  signalProcess,
} from "../linux/index.ts";
import {
  type Endpoint,
  type EndpointDirectory,
  hostNameServers,
  NetworkManager,
  type PublishedPort,
} from "../network/index.ts";
import type { Roots } from "../roots.ts";
import { signalNumber } from "../signals.ts";
import type { Store } from "../store/index.ts";
import { VolumeStore } from "../volume/index.ts";
import type { ContainerConfig } from "./config.ts";
import { listenForEnds } from "./end-fifo.ts";
import { EventLog } from "./events.ts";
import type { Exec } from "./exec.ts";
import { HealthMonitor } from "./health.ts";
import type { Host } from "./host.ts";
import { ContainerInput } from "./input.ts";
import { limitsMatch } from "./limits.ts";
import { LogCollector } from "./logs/collector.ts";
import { nameView } from "./names.ts";
import { toResources } from "./oci-spec.ts";
import { type ContainerRecord, type HealthStatus, initialState } from "./record.ts";
import { GOOD_RUN, mayRestart, restartDelay } from "./restart-policy.ts";
import {
  containerDirectory,
  endedFifo,
  logDirectory,
  prepareContainer,
  programFile,
  runDirectory,
  startProcess,
} from "./start.ts";
import { Terminal } from "./terminal.ts";

const KEY = "container/";
/** Wait statuses for ends that nobody noted: the shim was killed, or the whole machine ended (Docker says 255). */
const KILLED = 9;
const MACHINE_WENT_DOWN = 255 << 8;

export class ContainerManager extends EventEmitter implements Host, EndpointDirectory {
  readonly images: ImageStore;
  readonly volumes: VolumeStore;
  readonly networks: NetworkManager;
  readonly cgroups: CgroupManager;
  readonly logs = new LogCollector();
  readonly events = new EventLog();
  readonly shimJoinFiles: string[];
  readonly #shims: Cgroup;
  readonly #records = new Map<string, ContainerRecord>();
  readonly #health = new Map<string, HealthMonitor>();
  /** Ends that are being worked through: a start or removal waits for them. */
  readonly #settling = new Map<string, Promise<void>>();
  readonly #queues = new Map<string, Promise<unknown>>();
  readonly #restarts = new Map<string, NodeJS.Timeout>();
  readonly #execs = new Map<string, Exec>();
  readonly #inputs = new Map<string, ContainerInput>();
  readonly #terminals = new Map<string, Terminal>();
  readonly #ended: Socket;
  #isClosing = false;

  constructor(
    readonly roots: Roots,
    readonly store: Store,
  ) {
    super();
    this.setMaxListeners(0);
    this.images = new ImageStore(roots.root, store);
    this.images.layers.sweep();
    this.volumes = new VolumeStore(roots.root, store);
    this.cgroups = cgroupManager(`/bay-${roots.tag}`);
    this.#shims = this.cgroups.group("shims");
    this.#shims.create();
    this.shimJoinFiles = this.#shims.joinFiles();
    for (const record of store.list<ContainerRecord>(KEY))
      this.#records.set(record.id, structuredClone(record));
    this.networks = new NetworkManager(roots, store, this);
    this.#ended = listenForEnds(endedFifo(this), (token) => this.#announced(token));
  }

  // ---- reading

  list(): ContainerRecord[] {
    return [...this.#records.values()];
  }

  /** By name, ID or unambiguous ID prefix. Throws CONTAINER_NOT_FOUND. */
  get(nameOrId: string): ContainerRecord {
    const record = this.find(nameOrId);
    if (!record) throw new BayError("CONTAINER_NOT_FOUND", `there is no container ${nameOrId}`);
    return record;
  }

  find(nameOrId: string): ContainerRecord | undefined {
    const exact = this.#records.get(nameOrId);
    if (exact) return exact;
    const all = this.list();
    const named = all.find(({ config }) => config.name === nameOrId.replace(/^\//, ""));
    if (named) return named;
    const prefixed = nameOrId.length >= 4 ? all.filter(({ id }) => id.startsWith(nameOrId)) : [];
    return prefixed.length === 1 ? prefixed[0] : undefined;
  }

  findRunning(nameOrId: string): ContainerRecord | undefined {
    const record = this.find(nameOrId);
    return record && isRunning(record) ? record : undefined;
  }

  health(id: string): HealthStatus {
    return this.#health.get(id)?.status ?? "none";
  }

  healthDetail(id: string): HealthMonitor | undefined {
    return this.#health.get(id);
  }

  cgroupOf(id: string): Cgroup {
    return this.cgroups.group(id.slice(0, 16));
  }

  endpoints(): { container: string; endpoint: Endpoint }[] {
    return this.list().flatMap(({ config, endpoints }) =>
      endpoints.map((endpoint) => ({ container: config.name, endpoint })),
    );
  }

  publishedPorts(): PublishedPort[] {
    return this.list()
      .filter(isRunning)
      .flatMap((record) => portsOf(record));
  }

  // ---- life

  /**
   * Makes a container. Throws NAME_TAKEN and what is wrong with its image, networks or mounts; nothing is left
   * then.
   */
  async create(config: ContainerConfig): Promise<ContainerRecord> {
    const { id } = await this.images.get(config.image);
    const record = this.#draft({ ...config, imageId: id }, {});
    this.#records.set(record.id, record);
    this.#save(record);
    return this.#prepareNew(record);
  }

  /**
   * Puts a new container in the place of an old one, which is stopped and removed. The old one's anonymous
   * volumes are handed on, or removed where `renewVolumes`. The records change places at once, so that no kill of
   * bayd leaves the volumes without an owner.
   */
  async replace(
    id: string,
    config: ContainerConfig,
    options: { graceMs: number | undefined; renewVolumes: boolean },
  ): Promise<ContainerRecord> {
    await this.stop(id, options.graceMs);
    const record = await this.#queue(id, async (old) => {
      const image = await this.images.get(config.image);
      await this.#takeDown(old);
      const inherited = options.renewVolumes ? {} : anonymousVolumesOf(old);
      const fresh = this.#draft({ ...config, imageId: image.id }, inherited, old);
      this.#records.delete(old.id);
      this.#records.set(fresh.id, fresh);
      this.store.write([
        { key: KEY + old.id, deleted: true },
        { key: KEY + fresh.id, value: fresh },
      ]);
      this.#removeFiles(old.id);
      if (options.renewVolumes) for (const volume of old.anonymousVolumes) this.volumes.remove(volume);
      this.#publish(old, "destroy");
      return fresh;
    });
    return this.#prepareNew(record);
  }

  async #prepareNew(record: ContainerRecord): Promise<ContainerRecord> {
    try {
      await this.#prepare(record);
    } catch (error) {
      this.#forget(record);
      throw error;
    }
    this.#publish(record, "create");
    return record;
  }

  /** What it makes may be there already, so the note that it is there is written with the next one. */
  async #prepare(record: ContainerRecord): Promise<void> {
    await prepareContainer(this, record);
    record.isPrepared = true;
  }

  /**
   * A record of a container that is not there yet, with a name and addresses that are free, or become so with
   * `instead`. Synchronous with the caller's noting of the record, so that no other takes them meanwhile.
   */
  #draft(
    config: ContainerConfig,
    inherited: Readonly<Record<string, string>>,
    instead?: ContainerRecord,
  ): ContainerRecord {
    const clash = this.list().find((other) => other.config.name === config.name && other !== instead);
    if (clash)
      throw new BayError(
        "NAME_TAKEN",
        `the name ${config.name} is taken by the container ${clash.id.slice(0, 12)}`,
      );
    const anonymous: string[] = [];
    const mounts = config.mounts.map((mount) => {
      if (mount.type !== "volume" || mount.source !== "") return mount;
      const source = inherited[mount.target] ?? VolumeStore.newAnonymousName();
      anonymous.push(source);
      return { ...mount, source };
    });
    const record: ContainerRecord = {
      id: randomBytes(32).toString("hex"),
      createdAt: new Date().toISOString(),
      config: { ...config, mounts },
      endpoints: [],
      anonymousVolumes: anonymous,
      isPrepared: false,
      state: initialState(),
    };
    if (!record.config.hostname) record.config.hostname = record.id.slice(0, 12);
    const free = new Set(instead?.endpoints.map(({ address }) => address));
    for (const [index, { network, aliases, ipv4 }] of config.networks.entries()) {
      record.endpoints.push(this.networks.allocate(network, ipv4, aliases, index, free));
    }
    return record;
  }

  /** Starts a container that does not run. Throws what stopped it, and the record says so too. */
  start(id: string): Promise<void> {
    return this.#queue(id, async (record) => {
      if (isRunning(record)) return;
      this.#cancelRestart(id);
      record.state.wanted = "running";
      record.state.restartCount = 0;
      await this.#startNow(record);
    });
  }

  async #startNow(record: ContainerRecord): Promise<void> {
    const { state } = record;
    await this.#settling.get(record.id);
    try {
      if (!record.isPrepared) await this.#prepare(record);
      await this.#holdPorts(record);
      const launched = await startProcess(this, record);
      Object.assign(state, {
        status: "running",
        pid: launched.pid,
        start: launched.start,
        shimPid: launched.shimPid,
        shimStart: launched.shimStart,
        startedAt: new Date().toISOString(),
        exitCode: 0,
        oomKilled: false,
        error: "",
      });
      this.#save(record);
      if (record.config.tty) await this.#openTerminal(record, launched);
      if (state.boundPorts.length > 0) await this.networks.firewall.sync();
    } catch (error) {
      state.status = state.startedAt.startsWith("0001") ? "created" : "exited";
      state.exitCode = error instanceof StartError ? error.exitCode : 128;
      state.error = messageOf(error);
      await this.#cleanUp(record);
      this.#save(record);
      throw error instanceof StartError
        ? new BayError("START_FAILED", `${record.config.name} could not be started: ${error.message}`, {
            cause: error,
          })
        : error;
    }
    this.#watchHealth(record);
    this.#publish(record, "start");
    this.emit("changed", record.id);
  }

  async #holdPorts(record: ContainerRecord): Promise<void> {
    const target = record.endpoints[0]?.address;
    record.state.boundPorts = [];
    if (record.config.networkMode !== "bridge" || !target) return;
    const previous = record.state.boundPorts;
    try {
      for (const port of record.config.ports) {
        const wanted = { ...port, target, container: record.config.name };
        const bound =
          port.hostPort === undefined
            ? await this.networks.ports.holdAny(wanted)
            : { ...wanted, hostPort: port.hostPort };
        if (port.hostPort !== undefined) await this.networks.ports.hold(bound);
        record.state.boundPorts.push({
          hostAddress: bound.hostAddress,
          hostPort: bound.hostPort,
          containerPort: bound.containerPort,
          protocol: bound.protocol,
        });
      }
    } catch (error) {
      this.networks.ports.releaseOf(record.config.name);
      record.state.boundPorts = previous;
      throw error;
    }
  }

  /** Stops a container: its stop signal, and SIGKILL after the grace period. One that does not run is left as it is. */
  stop(id: string, graceMs?: number): Promise<void> {
    const record = this.get(id);
    record.state.wanted = "stopped";
    this.#cancelRestart(record.id);
    return this.#queue(id, async (current) => {
      if (current.state.status === "restarting") {
        current.state.status = "exited";
        this.#save(current);
      }
      if (!isRunning(current)) return this.#save(current);
      if (current.state.status === "paused") this.cgroupOf(current.id).freeze(false);
      const ended = this.waitForEnd(current.id);
      const signal = signalNumber(current.config.stopSignal) ?? 15;
      this.#publish(current, "kill", { signal: String(signal) });
      this.#signal(current, signal);
      const grace = graceMs ?? current.config.stopGraceMs;
      if (!(await within(ended, grace))) {
        this.#signal(current, 9);
        if (!(await within(ended, 2000))) this.cgroupOf(current.id).kill();
        if (!(await within(ended, 8000)))
          throw new BayError("STOP_FAILED", `${current.config.name} does not end, not even by SIGKILL`);
      }
      this.#publish(current, "stop");
    });
  }

  /** Sends a signal. Throws NOT_RUNNING. A signal that ends the container counts as a wish to stop it. */
  kill(id: string, signal: number): void {
    const record = this.get(id);
    if (!isRunning(record))
      throw new BayError("NOT_RUNNING", `the container ${record.config.name} is not running`);
    if (signal === 9 || signal === signalNumber(record.config.stopSignal)) {
      record.state.wanted = "stopped";
      this.#save(record);
    }
    this.#publish(record, "kill", { signal: String(signal) });
    this.#signal(record, signal);
    if (signal === 9 && record.state.status === "paused") this.cgroupOf(record.id).freeze(false);
  }

  #signal(record: ContainerRecord, signal: number): void {
    if (!signalProcess(record.state.pid, record.state.start, signal)) void this.#settle(record);
  }

  async restart(id: string, graceMs?: number): Promise<void> {
    await this.stop(id, graceMs);
    await this.start(id);
    this.#publish(this.get(id), "restart");
  }

  pause(id: string, paused: boolean): Promise<void> {
    return this.#queue(id, async (record) => {
      if (!isRunning(record))
        throw new BayError("NOT_RUNNING", `the container ${record.config.name} is not running`);
      this.cgroupOf(record.id).freeze(paused);
      record.state.status = paused ? "paused" : "running";
      this.#save(record);
      if (paused) this.#stopHealth(record.id);
      else this.#watchHealth(record);
      this.#publish(record, paused ? "pause" : "unpause");
    });
  }

  /** Changes what can change on the live container: limits, restart policy, ports, labels, stop settings. */
  update(id: string, config: ContainerConfig): Promise<void> {
    return this.#queue(id, async (record) => {
      const before = record.config;
      const now = isRunning(record);
      record.config = {
        ...config,
        mounts: before.mounts,
        imageId: before.imageId,
        hostname: before.hostname,
      };
      try {
        if (now && JSON.stringify(before.resources) !== JSON.stringify(config.resources)) {
          this.cgroupOf(record.id).apply(toResources(config.resources));
        }
        if (now && JSON.stringify(before.ports) !== JSON.stringify(config.ports)) {
          this.networks.ports.releaseOf(before.name);
          await this.#holdPorts(record);
        }
      } catch (error) {
        record.config = before;
        if (now) await this.#holdPorts(record).catch(() => {});
        throw error;
      }
      this.#save(record);
      if (now) {
        await this.networks.firewall.sync();
        if (JSON.stringify(before.health) !== JSON.stringify(config.health)) this.#watchHealth(record);
      }
      this.#publish(record, "update");
    });
  }

  /** Sets the kernel's limits to what the record says; for drift. */
  repairLimits(id: string): void {
    const record = this.get(id);
    if (isRunning(record)) this.cgroupOf(record.id).apply(toResources(record.config.resources));
  }

  rename(id: string, name: string): Promise<void> {
    return this.#queue(id, async (record) => {
      const clash = this.list().find((other) => other.config.name === name && other.id !== record.id);
      if (clash) throw new BayError("NAME_TAKEN", `the name ${name} is taken`);
      this.networks.ports.releaseOf(record.config.name);
      record.config.name = name;
      if (isRunning(record)) await this.#holdPorts(record);
      this.#save(record);
      this.#publish(record, "rename");
    });
  }

  /** Removes a container that does not run, and its anonymous volumes where asked. Throws IS_RUNNING. */
  async remove(id: string, options: { volumes: boolean; force?: boolean }): Promise<void> {
    const known = this.get(id);
    if (options.force && isRunning(known)) await this.stop(id, 0);
    return this.#queue(id, async (record) => {
      if (isRunning(record)) {
        throw new BayError("IS_RUNNING", `the container ${record.config.name} is running`, {
          hint: "stop it first, or force",
        });
      }
      await this.#takeDown(record);
      if (options.volumes && record.anonymousVolumes.length > 0) {
        record.isPrepared = false;
        this.#save(record);
        for (const volume of record.anonymousVolumes) this.volumes.remove(volume);
      }
      this.#forget(record);
      this.#publish(record, "destroy");
      this.emit("changed", record.id);
    });
  }

  /** What a container that has ended may still hold: a restart to come, and everything of its last run. */
  async #takeDown(record: ContainerRecord): Promise<void> {
    await this.#settling.get(record.id);
    this.#cancelRestart(record.id);
    await this.#cleanUp(record);
  }

  /** The record goes first: files without a record are swept at the next start, a record needs its files. */
  #forget(record: ContainerRecord): void {
    this.#records.delete(record.id);
    this.store.delete(KEY + record.id);
    this.#removeFiles(record.id);
  }

  #removeFiles(id: string): void {
    rmSync(containerDirectory(this, id), { recursive: true, force: true });
    rmSync(runDirectory(this, id), { recursive: true, force: true });
  }

  /** Resolves with the exit code when the container ends next; at once where it does not run. */
  waitForEnd(id: string): Promise<number> {
    const record = this.get(id);
    if (!isRunning(record)) return Promise.resolve(record.state.exitCode);
    return new Promise((resolve) => this.once(`end:${record.id}`, resolve));
  }

  // ---- ends

  trackExec(exec: Exec): void {
    this.#execs.set(exec.id.slice(0, 16), exec);
    exec.once("end", () => setTimeout(() => this.#execs.delete(exec.id.slice(0, 16)), 300_000).unref());
  }

  findExec(id: string): Exec | undefined {
    return this.#execs.get(id.slice(0, 16));
  }

  #announced(token: string): void {
    const exec = this.#execs.get(token);
    if (exec) return void exec.ended();
    for (const record of this.#records.values())
      if (record.id.startsWith(token)) return void this.#settle(record);
  }

  /** What the shim's program file says of a container; undefined where there is none. */
  #readProgram(record: ContainerRecord): ProgramState | undefined {
    try {
      return readProgramState(readFileSync(programFile(this, record.id)));
    } catch (error) {
      if (hasCode(error, "ENOENT", "BAD_PROGRAM")) return undefined;
      throw error;
    }
  }

  /** Brings a record in line with a process that has ended. */
  #settle(record: ContainerRecord, lostStatus = KILLED): Promise<void> {
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
    const program = this.#readProgram(record);
    if (isAlive(state.pid, state.start) && program?.status === undefined) return;
    const status = program?.status ?? lostStatus;
    state.status = "exited";
    state.exitCode = decodeStatus(status).exitCode;
    state.finishedAt = new Date(program?.endedAt || Date.now()).toISOString();
    state.oomKilled = this.cgroupOf(record.id).oomKills() > 0;
    this.#stopHealth(record.id);
    if (!record.config.tty) await this.logs.close(record.id).catch(() => {});
    const ran = Date.parse(state.finishedAt) - Date.parse(state.startedAt);
    await this.#cleanUp(record);
    if (state.oomKilled) this.#publish(record, "oom");
    this.#publish(record, "die", { exitCode: String(state.exitCode) });
    this.#decideRestart(record, ran);
    this.#save(record);
    this.emit(`end:${record.id}`, state.exitCode);
    this.emit("changed", record.id);
  }

  /** Takes away what only a running container has. */
  async #cleanUp(record: ContainerRecord): Promise<void> {
    const { state, id } = record;
    this.#terminals.get(id)?.close();
    this.#terminals.delete(id);
    const program = this.#readProgram(record);
    const shim = {
      pid: state.shimPid || program?.shimPid || 0,
      start: state.shimStart || program?.shimStart || 0,
    };
    const cgroup = this.cgroupOf(id);
    if (cgroup.exists()) cgroup.kill();
    if (shim.pid > 0) signalProcess(shim.pid, shim.start, 9);
    this.#inputs.get(id)?.close();
    this.#inputs.delete(id);
    await this.logs.close(id).catch(() => {});
    this.networks.tearDown(id);
    this.networks.ports.releaseOf(record.config.name);
    if (state.boundPorts.length > 0) await this.networks.firewall.sync().catch(() => {});
    state.boundPorts = [];
    Object.assign(state, { pid: 0, start: 0, shimPid: 0, shimStart: 0 });
    rmSync(programFile(this, id), { force: true });
    await removeSoon(cgroup);
  }

  #decideRestart(record: ContainerRecord, ranMs: number): void {
    const { state } = record;
    if (ranMs >= GOOD_RUN) state.restartCount = 0;
    if (!this.#records.has(record.id) || !mayRestart(record)) return;
    const wait = restartDelay(state.restartCount);
    state.status = "restarting";
    state.restartCount += 1;
    this.#scheduleRestart(record, wait);
  }

  #scheduleRestart(record: ContainerRecord, wait: number): void {
    const timer = setTimeout(() => {
      this.#restarts.delete(record.id);
      if (!this.#records.has(record.id)) return;
      this.#queue(record.id, async (current) => {
        if (current.state.wanted !== "running" || isRunning(current)) return;
        await this.#startNow(current);
      }).catch(() => {
        if (record.state.wanted !== "running" || !this.#records.has(record.id)) return;
        record.state.status = "restarting";
        record.state.restartCount += 1;
        this.#save(record);
        this.#scheduleRestart(record, restartDelay(record.state.restartCount));
      });
    }, wait);
    this.#restarts.set(record.id, timer);
  }

  #cancelRestart(id: string): void {
    clearTimeout(this.#restarts.get(id));
    this.#restarts.delete(id);
  }

  // ---- supervision

  /** At bayd's start: takes over what runs, notes what ended, starts what should run again. */
  async adopt(): Promise<void> {
    await Promise.all(this.list().map((record) => this.#adoptOne(record)));
    this.networks.firewall.apply();
    this.saveRules();
    this.#removeOrphans();
    for (const record of this.list()) {
      const { state, config } = record;
      const isDown = state.status === "exited" || state.status === "restarting";
      if (
        isDown &&
        state.wanted === "running" &&
        config.restart.policy !== "no" &&
        !this.#restarts.has(record.id)
      ) {
        if (state.status === "exited" && config.restart.policy === "on-failure" && state.exitCode === 0)
          continue;
        state.status = "restarting";
        this.#scheduleRestart(record, 0);
      }
    }
  }

  async #adoptOne(record: ContainerRecord): Promise<void> {
    const { state, config } = record;
    const program = this.#readProgram(record);
    const isHalfStarted = !isRunning(record) && program !== undefined;
    if (isHalfStarted) {
      // killed between the start and its note: the container has run for moments, and the next start is a clean one
      state.shimPid ||= program.shimPid;
      state.shimStart ||= program.shimStart;
      return this.#cleanUp(record);
    }
    if (!isRunning(record)) return this.networks.tearDown(record.id);
    if (!isAlive(state.pid, state.start) || program?.status !== undefined) {
      if (!config.tty && existsSync(join(runDirectory(this, record.id), "stdout")))
        await this.#openLogs(record);
      await this.#settle(record, program ? KILLED : MACHINE_WENT_DOWN);
      return;
    }
    if (config.tty) {
      await this.#openTerminal(record, { ...state, ttyFd: program?.ttyFd } as Launched);
    } else {
      await this.#openLogs(record);
      if (config.stdinOpen) this.#input(record.id).open(join(runDirectory(this, record.id), "stdin"));
    }
    if (record.endpoints.length > 0) this.serveDns(record, false);
    for (const port of portsOf(record))
      await this.networks.ports.hold(port).catch((error) => this.emit("warning", messageOf(error)));
    if (state.status === "running") this.#watchHealth(record);
  }

  #openLogs(record: ContainerRecord): Promise<void> {
    const run = runDirectory(this, record.id);
    const { log } = record.config;
    return this.logs.open({
      id: record.id,
      stdout: join(run, "stdout"),
      stderr: join(run, "stderr"),
      directory: log.driver === "none" ? undefined : logDirectory(this, record.id),
      maxSize: log.maxSize,
      maxFiles: log.maxFiles,
    });
  }

  /** Removes what no record knows: groups and directories of containers whose record is gone. */
  #removeOrphans(): void {
    for (const id of readdirSync(join(this.roots.root, "containers")))
      if (!this.#records.has(id)) this.#removeFiles(id);
    const known = new Set(this.list().map(({ id }) => id.slice(0, 16)));
    for (const name of this.cgroups.list()) {
      if (name === "shims" || known.has(name)) continue;
      const group = this.cgroups.group(name);
      group.kill();
      void removeSoon(group);
    }
  }

  /** The 2 s pass: ends that nobody announced, links and rules that someone took. Gives what was repaired. */
  async observe(repair: boolean): Promise<string[]> {
    for (const record of this.list()) {
      if (
        isRunning(record) &&
        (!isAlive(record.state.pid, record.state.start) || this.#readProgram(record)?.status !== undefined)
      ) {
        await this.#settle(record);
      }
    }
    if (!repair) return [];
    const repairs = this.networks.repair();
    if (repairs.length > 0) this.saveRules();
    for (const record of this.list().filter(isRunning)) {
      if (!limitsMatch(record.config, this.cgroupOf(record.id))) {
        this.repairLimits(record.id);
        repairs.push(`container ${record.config.name}: limits`);
      }
    }
    return repairs;
  }

  /** Notes the rules that the table should have, for observers outside bayd. */
  saveRules(): void {
    this.networks.firewall.save(join(this.roots.run, "rules"));
  }

  serveDns(record: ContainerRecord, isFresh: boolean): void {
    const view = nameView(
      () => this.#records.get(record.id),
      () => this.#records.values(),
    );
    const upstreams = () => {
      const isInternal = record.endpoints.every(({ network }) => this.networks.get(network)?.config.internal);
      return isInternal ? [] : record.config.dns.length > 0 ? record.config.dns : hostNameServers();
    };
    this.networks.serveDns(record.id, view, upstreams, isFresh);
  }

  #watchHealth(record: ContainerRecord): void {
    this.#stopHealth(record.id);
    const test = record.config.health?.test;
    if (!test || test[0] === "NONE") return;
    this.#health.set(
      record.id,
      new HealthMonitor(this, record, (status) => {
        this.#publish(record, `health_status: ${status}`);
        this.emit("changed", record.id);
      }),
    );
    this.emit("changed", record.id);
  }

  #stopHealth(id: string): void {
    this.#health.get(id)?.stop();
    this.#health.delete(id);
  }

  // ---- terminals and input

  beforeLaunch(record: ContainerRecord, stdinFifo: string): void {
    if (record.config.stdinOpen && !record.config.tty) this.#input(record.id).open(stdinFifo);
  }

  #input(id: string): ContainerInput {
    let input = this.#inputs.get(id);
    if (!input) {
      input = new ContainerInput();
      this.#inputs.set(id, input);
    }
    return input;
  }

  async #openTerminal(record: ContainerRecord, launched: Launched): Promise<void> {
    if (launched.ttyFd === undefined) return;
    const directory = record.config.log.driver === "none" ? undefined : logDirectory(this, record.id);
    try {
      this.#terminals.set(
        record.id,
        new Terminal(launched, directory, record.config.log, (bytes) => {
          this.emit(`output:${record.id}`, bytes);
          this.logs.emit(`grew:${record.id}`);
        }),
      );
    } catch (error) {
      this.emit("warning", `${record.config.name}: ${messageOf(error)}`);
    }
  }

  /** Writes to a container's input. False where it has none. */
  writeInput(id: string, bytes: Buffer): boolean {
    const terminal = this.#terminals.get(id);
    if (terminal) {
      terminal.write(bytes);
      return true;
    }
    const record = this.get(id);
    if (!record.config.stdinOpen) return false;
    this.#input(record.id).write(bytes);
    return true;
  }

  /** Closes a container's input, where it was made for one client. */
  endInput(id: string): void {
    const record = this.get(id);
    if (record.config.stdinOnce) this.#input(record.id).end();
  }

  resize(id: string, rows: number, columns: number): void {
    this.#terminals.get(this.get(id).id)?.resize(rows, columns);
  }

  // ---- plumbing

  #save(record: ContainerRecord): void {
    if (this.#records.has(record.id)) this.store.put(KEY + record.id, record);
  }

  #publish(record: ContainerRecord, action: string, extra: Record<string, string> = {}): void {
    const { config } = record;
    this.events.publish("container", action, record.id, {
      ...config.labels,
      name: config.name,
      image: config.image,
      ...extra,
    });
  }

  #queue<T>(id: string, action: (record: ContainerRecord) => Promise<T> | T): Promise<T> {
    const { id: key } = this.get(id);
    const previous = this.#queues.get(key) ?? Promise.resolve();
    const next = previous.catch(() => {}).then(() => action(this.get(key)));
    this.#queues.set(key, next);
    const forget = () => {
      if (this.#queues.get(key) === next) this.#queues.delete(key);
    };
    next.then(forget, forget);
    return next;
  }

  /** Leaves all containers running. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const timer of this.#restarts.values()) clearTimeout(timer);
    for (const id of this.#health.keys()) this.#stopHealth(id);
    this.#ended.destroy();
    await this.logs.stop();
  }

  /** Removes the parent cgroups, where no container is left. */
  async removeGroups(): Promise<void> {
    if (this.list().length > 0) return;
    for (let attempt = 0; attempt < 40 && !this.#shims.remove(); attempt++) await sleep(25); // the last shim is ending
    this.cgroups.removeParent();
  }
}

export function isRunning(record: ContainerRecord): boolean {
  return record.state.status === "running" || record.state.status === "paused";
}

/** The anonymous volumes of a container, by where they are mounted. */
function anonymousVolumesOf({ config, anonymousVolumes }: ContainerRecord): Record<string, string> {
  const own = config.mounts.flatMap((mount) =>
    mount.type === "volume" && anonymousVolumes.includes(mount.source) ? [[mount.target, mount.source]] : [],
  );
  return Object.fromEntries(own);
}

/** Published ports of one container, aimed at its first address. */
export function portsOf(record: ContainerRecord): PublishedPort[] {
  const target = record.endpoints[0]?.address;
  if (!target) return [];
  return record.state.boundPorts.map((port) => ({ ...port, target, container: record.config.name }));
}

async function within(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, milliseconds, false);
  });
  const result = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return result;
}

/** A group empties a moment after its last process was reaped. */
async function removeSoon(cgroup: Cgroup): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (cgroup.remove()) return;
    cgroup.kill();
    await sleep(Math.min(5 * (attempt + 1), 50));
  }
}
