/** A container manager without a host: it notes what it is asked for, and its containers change state at once. */
import { EventEmitter } from "node:events";
import type { ContainerConfig, ContainerManager, ContainerRecord } from "../../src/container/index.ts";
import { FileWaits } from "../../src/container/lifecycle/file-waits.ts";
import { EventLog } from "../../src/container/model/events.ts";
import { initialState } from "../../src/container/model/record.ts";
import { Records } from "../../src/container/model/records.ts";
import { MemoryStore } from "./memory-store.ts";

export class FakeManager extends EventEmitter {
  readonly store = new MemoryStore();
  readonly records = new Records(this.store);
  readonly events = new EventLog();
  readonly waitingForFiles = new FileWaits();
  readonly roots = { root: "/nonexistent", run: "/nonexistent", tag: "fake" };
  /** Every call, as `verb argument…`. */
  readonly calls: string[] = [];
  /** Verbs that fail, with what they throw. */
  readonly failing = new Map<string, Error>();
  /** What becomes of a container by its start; `running` where nothing is said. */
  onStart: (record: ContainerRecord) => void = ({ state }) => {
    state.status = "running";
  };
  #serial = 0;

  /** As the code under test takes it. */
  get asManager(): ContainerManager {
    return this as unknown as ContainerManager;
  }

  #note(verb: string, ...values: unknown[]): void {
    this.calls.push([verb, ...values.map((value) => String(value))].join(" "));
    const error = this.failing.get(verb);
    if (error) throw error;
  }

  readonly networks = {
    overlays: { underlay: undefined },
    create: async (config: { name: string }) => this.#note("network.create", config.name),
    replace: async (config: { name: string }, users: string[]) =>
      this.#note("network.replace", config.name, ...users),
    relabel: (name: string, labels: object) => this.#note("network.relabel", name, JSON.stringify(labels)),
    remove: async (name: string) => this.#note("network.remove", name),
    links: { repair: () => this.#note("links.repair") },
  };
  readonly volumes = {
    create: (config: { name: string }) => this.#note("volume.create", config.name),
    change: (name: string) => this.#note("volume.change", name),
    remove: (name: string) => this.#note("volume.remove", name),
  };
  readonly images = { get: async (name: string) => this.#note("image.get", name) };
  readonly secretFiles = { hold: () => () => this.calls.push("files.release") };
  readonly sessions = { health: () => undefined };
  readonly names = { lastToldAt: () => 0 };
  readonly healths = new Map<string, string>();

  readonly replacement = {
    beside: (old: ContainerRecord, config: ContainerConfig) => {
      this.#note("beside", old.id);
      return this.add({ ...config, name: `aside_${config.name}` }, { role: "incoming" });
    },
    instead: (old: ContainerRecord, config: ContainerConfig) => {
      this.#note("instead", old.id);
      Object.assign(old, { role: "retiring", config: { ...old.config, name: `aside_${config.name}` } });
      return this.add(config);
    },
    promote: async (fresh: ContainerRecord, old: ContainerRecord, name: string) => {
      this.#note("promote", fresh.id);
      [old.config.name, fresh.config.name] = [fresh.config.name, name];
      old.role = "retiring";
      delete fresh.role;
    },
    demote: async (fresh: ContainerRecord, old: ContainerRecord, name: string) => {
      this.#note("demote", fresh.id);
      [fresh.config.name, old.config.name] = [old.config.name, name];
      fresh.role = "incoming";
      delete old.role;
    },
    restore: (old: ContainerRecord, name: string) => {
      this.#note("restore", old.id);
      old.config.name = name;
      delete old.role;
    },
  };

  /** Adds a container; its ID is `c1`, `c2` … */
  add(
    config: ContainerConfig,
    {
      role,
      status = "created",
    }: Partial<ContainerRecord> & { status?: ContainerRecord["state"]["status"] } = {},
  ): ContainerRecord {
    const record: ContainerRecord = {
      id: `c${++this.#serial}`,
      createdAt: "2026-01-02T03:04:05Z",
      config: structuredClone(config),
      endpoints: [],
      anonymousVolumes: [],
      isPrepared: true,
      state: { ...initialState(), status },
      ...(role ? { role } : {}),
    };
    this.records.add(record);
    return record;
  }

  list = () => this.records.list();
  remoteContainers = () => [];
  get = (id: string) => this.records.get(id);
  find = (id: string) => this.records.find(id);
  health = (id: string) => this.healths.get(id) ?? "none";

  async create(config: ContainerConfig): Promise<ContainerRecord> {
    this.#note("create", config.name);
    return this.add(config);
  }
  async replace(id: string, config: ContainerConfig, { renewVolumes }: { renewVolumes: boolean }) {
    this.#note("replace", id, renewVolumes ? "renewed" : "kept");
    this.records.forget(id);
    return this.add(config);
  }
  async start(id: string): Promise<void> {
    this.#note("start", id);
    this.onStart(this.get(id));
    this.emit("changed", id);
  }
  async stop(id: string, graceMs?: number): Promise<void> {
    this.#note("stop", id, graceMs);
    this.get(id).state.status = "exited";
    this.emit("changed", id);
  }
  async remove(id: string, { volumes }: { volumes: boolean }): Promise<void> {
    this.#note("remove", id, volumes ? "volumes" : "alone");
    this.records.forget(this.get(id).id);
  }
  async restart(id: string, graceMs?: number): Promise<void> {
    this.#note("restart", id, graceMs);
  }
  async update(id: string, config: ContainerConfig): Promise<void> {
    this.#note("update", id, config.name);
  }
  repairLimits(id: string): void {
    this.#note("repairLimits", id);
  }
  async releasePorts(id: string, ports: { hostPort: number }[]): Promise<void> {
    this.#note("releasePorts", id, ...ports.map(({ hostPort }) => hostPort));
  }
  kill(id: string, signal: number): void {
    this.#note("kill", id, signal);
  }
  async pause(id: string, isPaused: boolean): Promise<void> {
    this.#note("pause", id, isPaused);
  }
  async rename(id: string, name: string): Promise<void> {
    this.#note("rename", id, name);
  }
}
