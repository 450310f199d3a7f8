/** The containers of one bay, and everything that can be done to them. One action at a time for each. */
import { EventEmitter } from "node:events";
import { readdirSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type DaemonSettings, DEFAULT_SETTINGS } from "../core/daemon-settings.ts";
import { BayError, messageOf } from "../core/errors.ts";
import { portsOverlap } from "../core/published-ports.ts";
import type { Roots } from "../core/roots.ts";
import { SIGNALS, signalNumber } from "../core/signals.ts";
import { ImageStore, removeTreeNow } from "../image/index.ts";
import {
  type Cgroup,
  type CgroupManager,
  removeLastGroup,
  signalProcess,
  startTime,
  unmount,
} from "../linux/index.ts";
import {
  addressesOf,
  type ContainerEndpoint,
  type DnsSockets,
  type Endpoint,
  type EndpointDirectory,
  hostNameServers,
  NetworkManager,
  type PublishedPort,
  portKey,
} from "../network/index.ts";
import type { Store } from "../store/index.ts";
import { VolumeStore } from "../volume/index.ts";
import type { Exec } from "./exec/exec.ts";
import { LeftExecs } from "./exec/left-execs.ts";
import { closeWorkerPipes } from "./files/worker-pipes.ts";
import type { HealthMonitor } from "./health/health.ts";
import { AttachedSessions } from "./lifecycle/attached-sessions.ts";
import { Groups } from "./lifecycle/cgroups.ts";
import { endProcesses } from "./lifecycle/end-processes.ts";
import { listenForExits } from "./lifecycle/exit-fifo.ts";
import { runHooks } from "./lifecycle/hooks.ts";
import { moveLinks, wantedEndpoints } from "./lifecycle/network-attachments.ts";
import { Replacement } from "./lifecycle/replacement.ts";
import { endOrder } from "./lifecycle/shutdown.ts";
import { containerDirectory, exitFifo, runDirectory } from "./lifecycle/start.ts";
import { ContainerSupervisor, portsOf } from "./lifecycle/supervisor.ts";
import { Task, type TaskConfig } from "./lifecycle/task.ts";
import { TaskNetworks } from "./lifecycle/task-networks.ts";
import { LogCollector } from "./logs/collector.ts";
import { Forwarders } from "./logs/forwarders.ts";
import { type ContainerConfig, type FileConfig, volumesOf } from "./model/config.ts";
import { EventLog } from "./model/events.ts";
import type { Host } from "./model/host.ts";
import { limitDrift, withDefaults } from "./model/limits.ts";
import { nameView } from "./model/names.ts";
import { anonymousVolumesOf, newRecord } from "./model/new-container.ts";
import type { ContainerRecord, HealthStatus } from "./model/record.ts";
import { isRunning, Records } from "./model/records.ts";
import { toResources } from "./spec/oci-spec.ts";
import { SecretFiles } from "./spec/secret-files.ts";

const ONE_OFF_KEPT = 2000;
/** Milliseconds in which a client starts its one-off container: it does so as soon as it is attached to it. */
const START_WITHIN = 60_000;
/** Execs that are remembered, running or not. */
const MOST_EXECS = 4096;
const ENOSPC = 28;

/** Emits `changed` (ID), `end:ID` (exit code), `output:ID` (bytes of a terminal) and `warning` (text). */
export class ContainerManager extends EventEmitter implements Host, EndpointDirectory {
  readonly images: ImageStore;
  readonly volumes: VolumeStore;
  readonly networks: NetworkManager;
  readonly cgroups: CgroupManager;
  readonly groups: Groups;
  readonly logs = new LogCollector();
  readonly forwarders = new Forwarders(
    (id) => join(containerDirectory(this, id), "logs"),
    (text) => this.emit("warning", text),
  );
  readonly events = new EventLog();
  readonly secretFiles: SecretFiles;
  readonly shimJoinFiles: string[];
  readonly #records: Records;
  readonly #sessions: AttachedSessions;
  readonly #supervisor: ContainerSupervisor;
  readonly #execs = new Map<string, Exec>();
  readonly #leftExecs = new LeftExecs(this);
  /** Containers whose hooks run just now. */
  readonly #hooking = new Set<string>();
  /** Containers that a client has restarted just now. */
  readonly #restarting = new Set<string>();
  readonly #tasks = new Map<string, Task>();
  readonly #taskNetworks: TaskNetworks;
  readonly #ended: Socket;
  /** Digests of contents whose containers are being made. */
  readonly #keptFiles: string[] = [];
  /** Digests of contents that are needed beyond the containers that have them. */
  neededContents: () => Iterable<string> = () => [];
  /** When an address was last given away by DNS. */
  readonly #toldAt = new Map<string, number>();
  readonly replacement: Replacement;

  constructor(
    readonly roots: Roots,
    readonly store: Store,
    public settings: DaemonSettings = DEFAULT_SETTINGS,
  ) {
    super();
    this.setMaxListeners(0);
    this.images = new ImageStore(roots.root, store);
    this.images.layers.sweep();
    this.images.apt.sweep();
    this.images.content.removeTemporary();
    this.volumes = new VolumeStore(roots.root, store);
    this.secretFiles = new SecretFiles(join(roots.root, "given"));
    this.groups = new Groups(roots);
    this.cgroups = this.groups.all;
    const shims = this.cgroups.group("shims");
    shims.create();
    this.shimJoinFiles = shims.joinFiles();
    this.#records = new Records(store);
    this.networks = new NetworkManager(
      roots,
      store,
      this,
      (text) => this.emit("warning", text),
      () => this.settings,
    );
    this.#taskNetworks = new TaskNetworks(this.networks);
    this.#sessions = new AttachedSessions(this, {
      health: (record, status) => {
        this.#publish(record, `health_status: ${status}`);
        this.emit("changed", record.id);
      },
      output: (record, bytes) => {
        this.emit(`output:${record.id}`, bytes);
        this.logs.emit(`grew:${record.id}`);
      },
    });
    this.#supervisor = new ContainerSupervisor(this, this.#records, this.#sessions);
    this.replacement = new Replacement(this, this.#records, this.#supervisor);
    this.#supervisor.on("action", (record, action, attributes) => this.#publish(record, action, attributes));
    this.#supervisor.on("changed", ({ id }) => this.emit("changed", id));
    this.#supervisor.on("ended", (record: ContainerRecord) => {
      this.forwarders.end(record.id);
      this.emit(`end:${record.id}`, record.state.exitCode);
      this.#removeOneOff(record);
    });
    this.#supervisor.on(
      "restarted",
      (record: ContainerRecord) => void this.#startHooks(record).catch(() => {}),
    );
    this.logs.on("grew", (id: string) => this.forwarders.grew(id));
    this.logs.on("failed", (id: string, errno: number) => {
      const name = this.#records.find(id)?.config.name ?? id;
      const why = errno === ENOSPC ? "the disk is full" : `error ${errno}`;
      this.emit("warning", `${name}: its output is lost, because the log cannot be written: ${why}`);
    });
    this.#supervisor.on("warning", (text) => this.emit("warning", text));
    this.#ended = listenForExits(exitFifo(this), (token) => this.#announced(token));
  }

  // ---- reading

  list(): ContainerRecord[] {
    return this.#records.list();
  }

  /** By name, ID or unambiguous ID prefix. Throws CONTAINER_NOT_FOUND. */
  get(nameOrId: string): ContainerRecord {
    return this.#records.get(nameOrId);
  }

  find(nameOrId: string): ContainerRecord | undefined {
    return this.#records.find(nameOrId);
  }

  findRunning(nameOrId: string): ContainerRecord | undefined {
    const record = this.find(nameOrId);
    return record && isRunning(record) ? record : undefined;
  }

  health(id: string): HealthStatus {
    return this.#sessions.health(id)?.status ?? "none";
  }

  healthDetail(id: string): HealthMonitor | undefined {
    return this.#sessions.health(id);
  }

  cgroupOf(id: string): Cgroup {
    return this.groups.of(this.get(id));
  }

  endpoints(): ContainerEndpoint[] {
    const ofContainers = this.list().flatMap((record) =>
      record.endpoints.map((endpoint) => ({
        container: record.config.name,
        id: record.id,
        isRunning: isRunning(record),
        endpoint,
      })),
    );
    return [...ofContainers, ...this.#taskNetworks.endpoints()];
  }

  publishedPorts(): PublishedPort[] {
    const all = this.list()
      .filter(isRunning)
      .flatMap((record) => portsOf(record));
    // two rules for one port would be refused, and with them all others
    return [...new Map(all.map((port) => [portKey(port), port])).values()];
  }

  /** Published ports of running containers that somebody else took while bayd was away. */
  lostPorts(): PublishedPort[] {
    return this.publishedPorts().filter((port) => !this.networks.ports.holds(port));
  }

  /**
   * Keeps contents of secrets and configs while containers that have them are made. Throws FILE_CHANGED. Gives what lets
   * them go: from then on they stay as long as a container has them.
   */
  keepFiles(files: readonly FileConfig[], read: (file: FileConfig) => Buffer): () => void {
    for (const file of files) this.#keptFiles.push(file.digest);
    const letGo = () => {
      for (const { digest } of files) this.#keptFiles.splice(this.#keptFiles.indexOf(digest), 1);
    };
    try {
      for (const file of files)
        this.secretFiles.keep(file.digest, () => read(file), `the ${file.kind} ${file.name}`);
      return letGo;
    } catch (error) {
      letGo();
      throw error;
    }
  }

  // ---- life

  /**
   * Makes a container. Throws NAME_TAKEN and what is wrong with its image, networks or mounts; nothing is left
   * then.
   */
  async create(config: ContainerConfig): Promise<ContainerRecord> {
    const { id } = await this.images.get(config.image, config.imageId || undefined);
    const record = newRecord(this, this.list(), { ...config, imageId: id }, {});
    this.#records.add(record);
    try {
      return await this.#prepareNew(record);
    } catch (error) {
      for (const volume of this.#ownVolumes(record)) this.volumes.remove(volume);
      this.#forget(record); // last, so that a kill of bayd leaves no volume without an owner
      throw error;
    }
  }

  /**
   * Puts a new container in the place of an old one, which is stopped and removed. The old one's anonymous
   * volumes are handed on, or removed where `renewVolumes`. The records change places at once, so that no kill of
   * bayd leaves the volumes without an owner. What fails after that leaves the new one, and its start tries again.
   */
  async replace(
    id: string,
    config: ContainerConfig,
    options: { graceMs: number | undefined; renewVolumes: boolean },
  ): Promise<ContainerRecord> {
    await this.stop(id, options.graceMs);
    const record = await this.#records.queue(id, async (old) => {
      const image = await this.images.get(config.image, config.imageId || undefined);
      await this.#supervisor.takeDown(old);
      const inherited = options.renewVolumes ? {} : anonymousVolumesOf(old);
      const fresh = newRecord(this, this.list(), { ...config, imageId: image.id }, inherited, old);
      this.#records.swap(old, fresh);
      this.#removeFiles(old.id);
      if (options.renewVolumes) for (const volume of this.#ownVolumes(old)) this.volumes.remove(volume);
      this.#publish(old, "destroy");
      return fresh;
    });
    return this.#prepareNew(record);
  }

  async #prepareNew(record: ContainerRecord): Promise<ContainerRecord> {
    await this.#supervisor.prepare(record);
    this.#publish(record, "create");
    return record;
  }

  /** Starts a container that does not run, or is paused, and runs its hooks. Throws what stopped it, and the record says so too. */
  async start(id: string): Promise<void> {
    await this.#records.queue(id, async (record) => {
      if (record.state.status === "paused") return this.#setPaused(record, false);
      if (isRunning(record)) return;
      this.#supervisor.cancelRestart(record.id);
      record.state.wanted = "running";
      record.state.restartCount = 0;
      try {
        await this.#supervisor.start(record);
      } catch (error) {
        this.#removeOneOff(record);
        throw error;
      }
    });
    await this.#startHooks(this.get(id));
  }

  /** Hooks that have not run since the start; one that hangs keeps no stop waiting. Throws HOOK_FAILED, and the record says so too. */
  async #startHooks(record: ContainerRecord): Promise<void> {
    const { state } = record;
    if (!state.hasHooksLeft || !isRunning(record) || this.#hooking.has(record.id)) return;
    this.#hooking.add(record.id);
    try {
      await runHooks(this, record, "postStart");
    } catch (error) {
      if (!isRunning(record)) return; // it was stopped meanwhile
      state.error = messageOf(error);
      throw error;
    } finally {
      this.#hooking.delete(record.id);
      state.hasHooksLeft = false;
      if (this.#records.has(record.id)) this.#records.save(record);
    }
  }

  /** What they do is a service to the container: it is stopped all the same where they fail, or take longer than its stop may. */
  async #stopHooks(record: ContainerRecord, graceMs: number): Promise<void> {
    if (!record.config.hooks?.preStop.length || record.state.status !== "running") return;
    try {
      await runHooks(this, record, "preStop", graceMs);
    } catch (error) {
      this.emit("warning", messageOf(error));
    }
  }

  /**
   * Stops a container: its stop signal or the given one, and SIGKILL after the grace period. One that does not run is
   * left as it is.
   */
  stop(id: string, graceMs?: number, ownSignal?: number): Promise<void> {
    const record = this.get(id);
    record.state.wanted = "stopped";
    return this.#end(record, graceMs, ownSignal);
  }

  /**
   * Stops all containers for the end of the host, those first that depend on others. The next bayd starts those again
   * whose restart policy is not `no`: a user did not stop them. Gives the names of those that were stopped; `failed`
   * is told of each that does not end.
   */
  async shutDown(graceMs: number | undefined, failed: (error: unknown) => void): Promise<string[]> {
    this.#supervisor.holdRestarts();
    const ends = new Map<ContainerRecord, Promise<void>>();
    const running = this.list().filter(isRunning);
    for (const { record, after } of endOrder(running))
      ends.set(
        record,
        Promise.all(after.map((other) => ends.get(other))).then(() =>
          this.#endForNow(record, graceMs, failed),
        ),
      );
    await Promise.all(ends.values());
    return running.filter((record) => !isRunning(record)).map(({ config }) => config.name);
  }

  async #endForNow(record: ContainerRecord, graceMs: number | undefined, failed: (error: unknown) => void) {
    const { state, config } = record;
    const { restartCount } = state;
    try {
      await this.#end(record, graceMs);
    } catch (error) {
      return failed(error);
    }
    if (config.restart.policy === "no" || state.wanted !== "running" || !this.#records.has(record.id)) return;
    Object.assign(state, { status: "restarting", restartCount });
    this.#records.save(record);
  }

  #end(record: ContainerRecord, graceMs?: number, ownSignal?: number): Promise<void> {
    const { id } = record;
    this.#supervisor.cancelRestart(record.id);
    if (graceMs === 0 && isRunning(record)) this.#hasten(record, ownSignal);
    return this.#records.queue(id, async (current) => {
      if (current.state.status === "restarting") current.state.status = "exited";
      if (!isRunning(current)) return this.#records.save(current);
      if (current.state.status === "paused") this.cgroupOf(current.id).freeze(false);
      const ended = this.waitForEnd(current.id);
      const grace = graceMs ?? current.config.stopGraceMs;
      if (grace > 0) await this.#stopHooks(current, grace);
      if (!isRunning(current)) return this.#records.save(current);
      const signal = ownSignal ?? stopSignalOf(current);
      this.#publish(current, "kill", { signal: String(signal) });
      this.#signal(current, signal);
      if (!(await within(ended, grace))) {
        this.#signal(current, 9);
        if (!(await within(ended, 2000))) this.cgroupOf(current.id).kill();
        if (!(await within(ended, 8000)))
          throw new BayError("STOP_FAILED", `${current.config.name} does not end, not even by SIGKILL`);
      }
      this.#publish(current, "stop");
    });
  }

  /** A stop without grace does not wait behind one that gives some. */
  #hasten(record: ContainerRecord, ownSignal?: number): void {
    if (record.state.status === "paused") this.cgroupOf(record.id).freeze(false);
    this.#signal(record, ownSignal ?? stopSignalOf(record));
    this.#signal(record, 9);
  }

  /** Sends a signal. Throws NOT_RUNNING. A signal that ends the container counts as a wish to stop it. */
  kill(id: string, signal: number): void {
    const record = this.#requireRunning(this.get(id));
    if (signal === 9 || signal === signalNumber(record.config.stopSignal)) {
      record.state.wanted = "stopped";
      this.#records.save(record);
    }
    this.#publish(record, "kill", { signal: String(signal) });
    this.#signal(record, signal);
    if (signal === 9 && record.state.status === "paused") this.cgroupOf(record.id).freeze(false);
  }

  #signal(record: ContainerRecord, signal: number): void {
    if (!signalProcess(record.state.pid, record.state.start, signal)) void this.#supervisor.settle(record);
  }

  async restart(id: string, graceMs?: number, ownSignal?: number): Promise<void> {
    const record = this.get(id);
    this.#restarting.add(record.id);
    try {
      await this.stop(id, graceMs, ownSignal);
      await this.start(id);
    } finally {
      this.#restarting.delete(record.id);
    }
    this.#publish(this.get(id), "restart");
  }

  /** True from the stop to the start of a restart that a client asked for. */
  isBetweenStopAndStart(id: string): boolean {
    return this.#restarting.has(id);
  }

  pause(id: string, paused: boolean): Promise<void> {
    return this.#records.queue(id, (record) => this.#setPaused(this.#requireRunning(record), paused));
  }

  /** Pauses a container that runs for a while of bayd's own: no end or kill of bayd leaves it paused. */
  holdStill(id: string, still: boolean): Promise<void> {
    return this.#records.queue(id, (record) => {
      const { status, isHeldStill } = record.state;
      if (still ? status === "running" : status === "paused" && isHeldStill)
        this.#setPaused(record, still, still);
    });
  }

  /** Lets go what bayd itself paused. */
  #letGoOn(): void {
    for (const record of this.list())
      if (record.state.isHeldStill && record.state.status === "paused") this.#setPaused(record, false);
  }

  #setPaused(record: ContainerRecord, paused: boolean, isHeldStill = false): void {
    this.cgroupOf(record.id).freeze(paused);
    record.state.status = paused ? "paused" : "running";
    record.state.isHeldStill = isHeldStill || undefined;
    this.#records.save(record);
    if (paused) this.#sessions.stopHealth(record.id);
    else this.#supervisor.watchHealth(record);
    this.#publish(record, paused ? "pause" : "unpause");
    this.emit("changed", record.id);
  }

  /** Changes what can change on the live container: limits, networks, ports, labels, restart and stop. */
  update(id: string, config: ContainerConfig): Promise<void> {
    return this.#records.queue(id, async (record) => {
      const before = record.config;
      const isLive = isRunning(record);
      const differs = (key: keyof ContainerConfig) =>
        JSON.stringify(before[key]) !== JSON.stringify(config[key]);
      const { mounts, imageId, hostname } = before;
      const { endpoints } = record;
      record.config = { ...config, mounts, imageId, hostname };
      try {
        if (isLive && differs("resources")) this.repairLimits(record.id);
        if (differs("networks")) record.endpoints = wantedEndpoints(this, record);
        if (isLive && (differs("ports") || differs("networks"))) {
          this.networks.ports.releaseOf(before.name);
          await this.#supervisor.holdPorts(record);
        }
        if (isLive && differs("networks")) moveLinks(this, record, endpoints);
      } catch (error) {
        const wanted = record.endpoints;
        record.config = before;
        record.endpoints = endpoints;
        if (isLive && wanted !== endpoints) this.#backToOldLinks(record, wanted);
        if (isLive) await this.#backToOldPorts(record);
        throw error;
      }
      this.#records.save(record);
      if (isLive) {
        await this.networks.firewall.sync();
        if (differs("health")) this.#supervisor.watchHealth(record);
      }
      this.#publish(record, "update");
    });
  }

  /** After a failure half-way. A port that another one took meanwhile is no longer its own. */
  async #backToOldPorts(record: ContainerRecord): Promise<void> {
    await this.#supervisor.holdPorts(record).catch(() => {});
    const { state, config } = record;
    state.boundPorts = state.boundPorts.filter((port) =>
      this.networks.ports.holds({ ...port, container: config.name }),
    );
    this.#records.save(record);
    await this.networks.firewall.sync();
  }

  /** Gives up published ports that another container of the plan will have, and this one will not. */
  async releasePorts(
    id: string,
    given: readonly { hostAddress: string; hostPort: number; protocol: "tcp" | "udp" }[],
  ): Promise<void> {
    const record = this.get(id);
    const isGiven = (port: (typeof given)[number]) => given.some((other) => portsOverlap(other, port));
    for (const port of portsOf(record).filter(isGiven)) this.networks.ports.release(port);
    record.state.boundPorts = record.state.boundPorts.filter((port) => !isGiven(port));
    this.#records.save(record);
    await this.networks.firewall.sync();
  }

  /** After a failure half-way. What cannot be put back shows as drift. */
  #backToOldLinks(record: ContainerRecord, wanted: readonly Endpoint[]): void {
    try {
      moveLinks(this, record, wanted);
    } catch (error) {
      this.emit("warning", `${record.config.name}: ${messageOf(error)}`);
    }
  }

  /** Sets the kernel's limits to what the record says. */
  repairLimits(id: string): void {
    const record = this.get(id);
    if (isRunning(record))
      this.cgroupOf(record.id).apply(
        toResources(withDefaults(record.config.resources, this.settings), record.config.kernel),
      );
  }

  rename(id: string, name: string): Promise<void> {
    return this.#records.queue(id, async (record) => {
      const clash = this.list().find((other) => other.config.name === name && other.id !== record.id);
      if (clash) throw new BayError("NAME_TAKEN", `the name ${name} is taken`);
      this.networks.ports.releaseOf(record.config.name);
      record.config.name = name;
      if (isRunning(record)) await this.#supervisor.holdPorts(record);
      this.#records.save(record);
      this.#publish(record, "rename");
    });
  }

  /** Removes a container that does not run, and its anonymous volumes where asked. Throws IS_RUNNING. */
  async remove(id: string, options: { volumes: boolean; force?: boolean }): Promise<void> {
    const known = this.get(id);
    if (options.force && isRunning(known)) await this.stop(id, 0);
    return this.#records.queue(id, async (record) => {
      if (isRunning(record)) {
        throw new BayError("IS_RUNNING", `the container ${record.config.name} is running`, {
          hint: "stop it first, or force",
        });
      }
      await this.#supervisor.takeDown(record);
      if (options.volumes && record.anonymousVolumes.length > 0) {
        record.isPrepared = false;
        this.#records.save(record);
        for (const volume of this.#ownVolumes(record)) this.volumes.remove(volume);
      }
      this.#forget(record);
      this.#publish(record, "destroy");
      this.emit("changed", record.id);
    });
  }

  /** Anonymous volumes that no other container has: one that takes its place may have them by now. */
  #ownVolumes({ id, anonymousVolumes }: ContainerRecord): string[] {
    const others = new Set(
      this.list().flatMap((other) =>
        other.id === id ? [] : [...other.anonymousVolumes, ...volumesOf(other.config)],
      ),
    );
    return anonymousVolumes.filter((volume) => !others.has(volume));
  }

  /** A moment later, so that who waits for it can read its last output and its code, and remove it himself. */
  #removeOneOff({ id, config }: ContainerRecord): void {
    if (!config.autoRemove) return;
    const remove = () => void this.remove(id, { volumes: true }).catch(() => {});
    setTimeout(remove, ONE_OFF_KEPT).unref();
  }

  /** Removes a one-off container later, unless it was started: its client may have been killed in between. */
  removeUnlessStarted(id: string): void {
    const remove = () => {
      if (this.find(id)?.state.status === "created") void this.remove(id, { volumes: true }).catch(() => {});
    };
    setTimeout(remove, START_WITHIN).unref();
  }

  /** The record goes first: files without a record are swept at the next start, a record needs its files. */
  #forget(record: ContainerRecord): void {
    this.forwarders.forget(record.id);
    this.#records.forget(record.id);
    this.#removeFiles(record.id);
  }

  /** Removes contents of secrets and configs that nobody needs any more. */
  sweepContents(): void {
    this.secretFiles.sweep(() => {
      const used = this.list().flatMap(({ config }) => (config.files ?? []).map(({ digest }) => digest));
      return new Set([...used, ...this.#keptFiles, ...this.neededContents()]);
    });
  }

  #removeFiles(id: string): void {
    this.sweepContents();
    removeTreeNow(containerDirectory(this, id));
    rmSync(runDirectory(this, id), { recursive: true, force: true });
  }

  #requireRunning(record: ContainerRecord): ContainerRecord {
    if (isRunning(record)) return record;
    throw new BayError("NOT_RUNNING", `the container ${record.config.name} is not running`);
  }

  /** Resolves with the exit code when the container ends next; at once where it does not run. */
  waitForEnd(id: string): Promise<number> {
    const record = this.get(id);
    if (!isRunning(record)) return Promise.resolve(record.state.exitCode);
    return new Promise((resolve) => this.once(`end:${record.id}`, resolve));
  }

  // ---- execs, terminals and input

  /** Throws TOO_MANY_EXECS where as many run already; others are forgotten, the oldest first. */
  trackExec(exec: Exec): void {
    if (this.#execs.size >= MOST_EXECS) {
      const oldest = [...this.#execs].find(([, { running }]) => !running);
      if (!oldest) throw new BayError("TOO_MANY_EXECS", `${MOST_EXECS} commands run in containers already`);
      this.#execs.delete(oldest[0]);
    }
    this.#execs.set(exec.id.slice(0, 16), exec);
    exec.once("end", () => setTimeout(() => this.#execs.delete(exec.id.slice(0, 16)), 300_000).unref());
  }

  findExec(id: string): Exec | undefined {
    return this.#execs.get(id.slice(0, 16));
  }

  /** Runs a command in a file system of its own, and gives its exit code. Throws START_FAILED, UNKNOWN_USER, ABORTED. */
  async runTask(config: TaskConfig): Promise<number> {
    const network = config.network === "bridge" ? await this.#taskNetworks.take() : undefined;
    const task = new Task(this, config, network);
    this.#tasks.set(task.id.slice(0, 16), task);
    try {
      return await task.run();
    } finally {
      this.#tasks.delete(task.id.slice(0, 16));
      if (network) this.#taskNetworks.giveBack(network);
    }
  }

  /** Takes the tasks' network away, where no task is left. */
  tidyTasks(): Promise<void> {
    return this.#taskNetworks.close();
  }

  #announced(token: string): void {
    const exec = this.#execs.get(token) ?? this.#tasks.get(token);
    if (exec) return void exec.ended();
    if (this.#leftExecs.ended(token)) return;
    const record = this.#records.byToken(token);
    if (record) void this.#supervisor.settle(record);
  }

  beforeLaunch(record: ContainerRecord, stdinFifo: string): void {
    if (record.config.stdinOpen && !record.config.tty) this.#sessions.openInput(record.id, stdinFifo);
  }

  /** Writes to a container's input. False where it has none. */
  writeInput(id: string, bytes: Buffer): boolean {
    return this.#sessions.writeInput(this.get(id), bytes);
  }

  /** Bytes of input that a container has not taken yet. */
  inputWaiting(id: string): number {
    return this.#sessions.inputWaiting(id);
  }

  /** Closes a container's input, where it was made for one client. */
  endInput(id: string): void {
    this.#sessions.endInput(this.get(id));
  }

  resize(id: string, rows: number, columns: number): void {
    this.#sessions.resize(this.get(id).id, rows, columns);
  }

  // ---- supervision

  /** At bayd's start: takes over what runs, notes what ended, starts what should run again. */
  async adopt(): Promise<void> {
    // before this bayd runs a command of its own
    this.#leftExecs.adopt(this.list().filter(isRunning));
    this.#endLostShims();
    const { kept } = this.networks.ports;
    kept.adopt();
    await Promise.all(this.list().map((record) => this.#supervisor.adopt(record)));
    this.#letGoOn();
    for (const record of this.list()) void this.#startHooks(record).catch(() => {});
    kept.settle();
    this.networks.firewall.apply();
    this.saveRules();
    this.#removeOrphans();
    this.#supervisor.detachVolumes(this.volumes.list().map(({ config }) => config.name));
    await this.tidyTasks();
    for (const record of this.list()) {
      this.#supervisor.resume(record);
      if (record.state.status === "exited" || record.state.status === "created") this.#removeOneOff(record);
    }
  }

  /** Removes what no record knows: groups and directories of containers whose record is gone. */
  #removeOrphans(): void {
    for (const id of readdirSync(join(this.roots.root, "containers")))
      if (!this.#records.has(id)) this.#removeFiles(id);
    const known = new Set(this.list().map(({ id }) => id.slice(0, 16)));
    this.networks.sweep(known);
    // of tasks that were running
    for (const name of readdirSync(join(this.roots.run, "containers")))
      if (!known.has(name))
        rmSync(join(this.roots.run, "containers", name), { recursive: true, force: true });
    for (const name of readdirSync(this.roots.run))
      if (name.startsWith("build-")) removeScratch(join(this.roots.run, name));
    for (const name of this.cgroups.list()) {
      if (name === "shims" || known.has(name)) continue;
      const group = this.cgroups.group(name);
      group.kill();
      void endProcesses(group);
    }
  }

  /** Shims of tasks and probes of a bayd that was killed, whose status will not be read. */
  #endLostShims(): void {
    const known = new Set([...this.list().map(({ state }) => state.shimPid), ...this.#leftExecs.shims()]);
    for (const pid of this.cgroups.group("shims").pids())
      if (!known.has(pid)) signalProcess(pid, startTime(pid) ?? 0, SIGNALS.SIGKILL);
  }

  /** The 2 s pass: ends that nobody announced, links and rules that someone took. Gives what was repaired. */
  async observe(repair: boolean): Promise<string[]> {
    for (const record of this.list())
      if (this.#supervisor.hasEnded(record)) await this.#supervisor.settle(record);
    this.#leftExecs.observe();
    if (!repair) return [];
    const repairs = this.networks.repair();
    this.saveRules();
    for (const port of this.lostPorts()) {
      const hold = this.networks.ports.hold(port).then(
        () => true,
        () => false, // somebody has it still
      );
      if (await hold) repairs.push(`container ${port.container}: port ${port.hostPort}/${port.protocol}`);
    }
    for (const record of this.list().filter(isRunning)) {
      if (limitDrift(record.config, this.cgroupOf(record.id)).length === 0) continue;
      this.repairLimits(record.id);
      repairs.push(`container ${record.config.name}: limits`);
    }
    return repairs;
  }

  /** Notes the rules that the table should have, for observers outside bayd. */
  saveRules(): void {
    this.networks.firewall.save();
    this.networks.spoofing.save();
  }

  serveDns(record: ContainerRecord, options: { isFresh?: boolean; kept?: DnsSockets | undefined }): void {
    const view = nameView(
      () => this.#records.find(record.id),
      () => this.list(),
      (addresses) => {
        for (const address of addresses) this.#toldAt.set(address, Date.now());
      },
    );
    const upstreams = () => {
      const isInternal = record.endpoints.every(({ network }) => this.networks.get(network)?.config.internal);
      return isInternal ? [] : record.config.dns.length > 0 ? record.config.dns : hostNameServers();
    };
    this.networks.serveDns(record.id, view, upstreams, options);
  }

  /** When an answer of DNS last gave one of its addresses away; 0 for never. */
  lastToldAt({ endpoints }: ContainerRecord): number {
    const addresses = endpoints.flatMap(addressesOf);
    return Math.max(0, ...addresses.map((address) => this.#toldAt.get(address) ?? 0));
  }

  /** Has a container's health probed at once, and often until it is healthy. */
  hurryHealth(id: string): void {
    this.#sessions.health(id)?.hurry();
  }

  #publish(record: ContainerRecord, action: string, extra: Record<string, string> = {}): void {
    const { labels, name, image } = record.config;
    this.events.publish("container", action, record.id, { ...labels, name, image, ...extra });
  }

  /** Leaves all containers running. */
  async close(): Promise<void> {
    closeWorkerPipes();
    this.#letGoOn();
    this.#supervisor.close();
    this.#sessions.stopAll();
    this.#ended.destroy();
    this.networks.ports.kept.settle();
    await this.forwarders.stop();
    await this.logs.stop();
  }

  /** Removes the parent cgroups, where no container is left. */
  async removeGroups(): Promise<void> {
    if (this.list().length === 0) await removeLastGroup(this.cgroups, "shims");
  }
}

/** What a build had mounted goes with it. */
function removeScratch(directory: string): void {
  for (const name of readdirSync(directory)) unmount(join(directory, name));
  rmSync(directory, { recursive: true, force: true });
}

function stopSignalOf({ config }: ContainerRecord): number {
  return signalNumber(config.stopSignal) ?? SIGNALS.SIGTERM;
}

async function within(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const abort = new AbortController();
  const late = sleep(milliseconds, false, { signal: abort.signal }).catch(() => false);
  const result = await Promise.race([promise.then(() => true), late]);
  abort.abort();
  return result;
}
