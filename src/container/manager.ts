/** The containers of one bay, and all actions on them. Actions on one container run one at a time. */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { join } from "node:path";
import { type DaemonSettings, DEFAULT_SETTINGS } from "../core/daemon-settings.ts";
import type { HostPort } from "../core/published-ports.ts";
import type { Roots } from "../core/roots.ts";
import { ImageStore } from "../image/index.ts";
import { type Cgroup, type CgroupManager, removeLastGroup } from "../linux/index.ts";
import { type ContainerEndpoint, type EndpointDirectory, NetworkManager } from "../network/index.ts";
import type { Store } from "../store/index.ts";
import { VolumeStore } from "../volume/index.ts";
import { RunningExecs } from "./exec/running-execs.ts";
import { FileTurns } from "./files/file-turns.ts";
import { closeWorkerPipes } from "./files/worker-pipes.ts";
import { AttachedSessions } from "./lifecycle/attached-sessions.ts";
import { Groups } from "./lifecycle/cgroups.ts";
import { ContainerPorts } from "./lifecycle/container-ports.ts";
import { listenForExits } from "./lifecycle/exit-fifo.ts";
import { FileWaits } from "./lifecycle/file-waits.ts";
import { forwardEvents } from "./lifecycle/forward-events.ts";
import { Ingress } from "./lifecycle/ingress.ts";
import { Lifecycle } from "./lifecycle/lifecycle.ts";
import { NameService } from "./lifecycle/name-service.ts";
import { Replacement } from "./lifecycle/replacement.ts";
import { exitFifo, logDirectory } from "./lifecycle/start.ts";
import { Tasks } from "./lifecycle/tasks.ts";
import { LogCollector } from "./logs/collector.ts";
import { Forwarders } from "./logs/forwarders.ts";
import type { ContainerConfig } from "./model/config.ts";
import { EventLog } from "./model/events.ts";
import type { Host } from "./model/host.ts";
import type { RemoteNames } from "./model/names.ts";
import type { ContainerRecord, HealthStatus } from "./model/record.ts";
import { isRunning, Records } from "./model/records.ts";
import { SecretFiles } from "./spec/secret-files.ts";

/**
 * Emits `changed` (ID), `peers` (other hosts or their containers changed), `end:ID` (exit code), `output:ID` (bytes of a
 * terminal) and `warning` (text).
 */
export class ContainerManager extends EventEmitter implements Host, EndpointDirectory {
  readonly #warn = (text: string): void => void this.emit("warning", text);
  readonly images: ImageStore;
  readonly volumes: VolumeStore;
  readonly networks: NetworkManager;
  readonly groups: Groups;
  readonly cgroups: CgroupManager;
  readonly shimJoinFiles: string[];
  readonly records: Records;
  readonly secretFiles: SecretFiles;
  readonly events = new EventLog();
  /** Containers of other hosts of the cluster, whose names this host's containers can resolve. */
  remoteContainers: () => readonly RemoteNames[] = () => [];
  readonly logs = new LogCollector();
  readonly forwarders = new Forwarders((id) => logDirectory(this, id), this.#warn);
  readonly fileTurns = new FileTurns();
  readonly execs = new RunningExecs();
  readonly sessions: AttachedSessions;
  readonly ports: ContainerPorts;
  readonly names: NameService;
  /** Ports that this host passes on to containers of any host. */
  readonly ingress: Ingress;
  readonly tasks: Tasks;
  readonly replacement: Replacement;
  /** Set by watch sessions. */
  beforeStart: Host["beforeStart"];
  readonly waitingForFiles = new FileWaits();
  readonly #lifecycle: Lifecycle;
  readonly #exits: Socket;

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
    this.groups = new Groups(roots);
    this.cgroups = this.groups.all;
    const shims = this.cgroups.group("shims");
    shims.create();
    this.shimJoinFiles = shims.joinFiles();
    this.records = new Records(store);
    this.secretFiles = new SecretFiles(join(roots.root, "given"), () => this.records.contents());
    this.networks = new NetworkManager(roots, store, this, this.#warn, () => this.settings);
    this.sessions = new AttachedSessions(this, {
      health: (record, status) => this.#healthChanged(record, status),
      output: (record, bytes) => this.#showOutput(record, bytes),
    });
    this.ports = new ContainerPorts(this, this.records);
    this.names = new NameService(this, this.records, () => this.remoteContainers());
    this.ingress = new Ingress(this, () => this.remoteContainers(), this.#warn);
    for (const event of ["changed", "peers"]) this.on(event, () => this.ingress.changed());
    this.tasks = new Tasks(this);
    this.replacement = new Replacement(this, this.records);
    this.#lifecycle = new Lifecycle(this, this.records, this.sessions, this.tasks);
    forwardEvents(this, this.#lifecycle);
    this.#exits = listenForExits(exitFifo(this), (token) => this.#announced(token));
  }

  #healthChanged(record: ContainerRecord, status: HealthStatus): void {
    this.events.ofContainer(record, `health_status: ${status}`);
    this.emit("changed", record.id);
  }

  #showOutput({ id }: ContainerRecord, bytes: Buffer): void {
    this.emit(`output:${id}`, bytes);
    this.logs.emit(`grew:${id}`);
  }

  #announced(token: string): void {
    if (this.execs.ended(token) || this.tasks.ended(token) || this.#lifecycle.leftExecs.ended(token)) return;
    const record = this.records.byToken(token);
    if (record) void this.#lifecycle.supervisor.settle(record);
  }

  // ---- reading

  list = (): ContainerRecord[] => this.records.list();

  /** By name, ID or unambiguous ID prefix. Throws CONTAINER_NOT_FOUND. */
  get = (nameOrId: string): ContainerRecord => this.records.get(nameOrId);
  find = (nameOrId: string): ContainerRecord | undefined => this.records.find(nameOrId);
  health = (id: string): HealthStatus => this.sessions.health(id)?.status ?? "none";
  cgroupOf = (id: string): Cgroup => this.groups.of(this.get(id));
  endpoints = (): ContainerEndpoint[] => [...this.records.endpoints(), ...this.tasks.endpoints()];
  publishedPorts = () => this.ports.list();
  // the networks ask for it before everything is constructed
  balancedPorts = () => this.ingress?.list() ?? [];

  // ---- verbs: each is in lifecycle/, with the errors that it throws

  create = (config: ContainerConfig): Promise<ContainerRecord> => this.#lifecycle.creation.create(config);

  /** Replaces a container by a new one; the old one is stopped and removed (Creation.replace). */
  async replace(
    id: string,
    config: ContainerConfig,
    options: { graceMs: number | undefined; renewVolumes: boolean },
  ): Promise<ContainerRecord> {
    await this.stop(id, options.graceMs);
    return this.#lifecycle.creation.replace(id, config, options.renewVolumes);
  }

  start = (id: string): Promise<void> => this.#lifecycle.startStop.start(id);

  /**
   * Stops a container: sends its stop signal or the given one, and SIGKILL after the grace period. Does nothing if it does
   * not run.
   */
  stop = (id: string, graceMs?: number, signal?: number): Promise<void> =>
    this.#lifecycle.startStop.stop(id, graceMs, signal);
  restart = (id: string, graceMs?: number, signal?: number): Promise<void> =>
    this.#lifecycle.startStop.restart(id, graceMs, signal);
  isBetweenStopAndStart = (id: string): boolean => this.#lifecycle.startStop.isBetweenStopAndStart(id);
  kill = (id: string, signal: number): void => this.#lifecycle.startStop.kill(id, signal);
  waitForEnd = (id: string): Promise<number> => this.#lifecycle.startStop.waitForEnd(id);
  pause = (id: string, isPaused: boolean): Promise<void> => this.#lifecycle.pausing.set(id, isPaused);
  holdStill = (id: string, isStill: boolean): Promise<void> => this.#lifecycle.pausing.holdStill(id, isStill);
  update = (id: string, config: ContainerConfig): Promise<void> =>
    this.#lifecycle.liveUpdate.update(id, config);
  repairLimits = (id: string): void => this.#lifecycle.liveUpdate.repairLimits(this.get(id));
  rename = (id: string, name: string): Promise<void> => this.#lifecycle.liveUpdate.rename(id, name);
  releasePorts = (id: string, given: readonly HostPort[]): Promise<void> =>
    this.ports.release(this.get(id), given);

  /** Removes a container, and its anonymous volumes with `volumes`. Throws IS_RUNNING, unless `force` is set. */
  async remove(id: string, options: { volumes: boolean; force?: boolean }): Promise<void> {
    if (options.force && isRunning(this.get(id))) await this.stop(id, 0);
    await this.#lifecycle.removal.remove(id, options.volumes);
  }

  removeUnlessStarted = (id: string): void => this.#lifecycle.removal.removeUnlessStarted(id);

  /**
   * Stops all containers when the host shuts down; a container stops before those that it depends on. The next bayd starts
   * those again whose restart policy is not `no`, because no user stopped them. Returns the names of those that were stopped;
   * calls `failed` for each that does not end.
   */
  shutDown = (graceMs: number | undefined, failed: (error: unknown) => void): Promise<string[]> =>
    this.#lifecycle.startStop.shutDown(graceMs, failed);

  // ---- supervision

  adopt = (): Promise<void> => this.#lifecycle.supervision.adopt();
  observe = (repair: boolean): Promise<string[]> => this.#lifecycle.supervision.observe(repair);

  /** Stops supervision. The containers keep running. */
  async close(): Promise<void> {
    closeWorkerPipes();
    this.#lifecycle.pausing.releaseAll();
    this.#lifecycle.supervisor.close();
    this.sessions.stopAll();
    this.#exits.destroy();
    this.networks.ports.kept.settle();
    await this.forwarders.stop();
    await this.logs.stop();
  }

  /** Removes the parent cgroups if there are no containers left. */
  async removeGroups(): Promise<void> {
    if (this.list().length === 0) await removeLastGroup(this.cgroups, "shims");
  }
}
