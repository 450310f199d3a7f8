/** Cgroups in memory; they pass the contract of cgroups. A frozen process keeps its signals until it is thawed. */
import type { Cgroup, CgroupManager, ProcessGroup } from "../../src/linux/index.ts";
import type { SpecResources } from "../../src/linux/spec.ts";

type Stats = ReturnType<Cgroup["stats"]>;

/** What the groups need to know of processes. */
export interface GroupProcesses {
  /** Sends SIGKILL. */
  kill(pid: number): void;
  /** Called when the group's members may run again. */
  thawed(pids: readonly number[]): void;
}

interface Node {
  limits: SpecResources;
  isFrozen: boolean;
  oomKills: number;
  members: Set<number>;
}

const NO_STATS: Stats = {
  memoryBytes: 0,
  memoryLimitBytes: undefined,
  inactiveFileBytes: 0,
  cpuNanoseconds: 0,
  cpuUserNanoseconds: 0,
  cpuKernelNanoseconds: 0,
  cpuPeriods: 0,
  cpuThrottledPeriods: 0,
  cpuThrottledNanoseconds: 0,
  pids: 0,
  readBytes: 0,
  writeBytes: 0,
};

/** All cgroups of a host. */
export class FakeCgroups {
  readonly #nodes = new Map<string, Node>();
  /** Figures that the next `stats` of a path shows. */
  readonly stats = new Map<string, Partial<Stats>>();
  /** Limits that this host refuses, with the error. */
  refusal: ((resources: SpecResources) => Error | undefined) | undefined;

  constructor(readonly processes: GroupProcesses) {}

  manager(parent: string): CgroupManager {
    return {
      version: 2,
      view: "v2",
      group: (name, under) =>
        this.#group(under === undefined ? `${parent}/${name}` : `${under}${parent}-${name}`),
      missingGroups: (path) => this.#ancestors(path).filter((each) => !this.#nodes.has(each)),
      makeGroup: (path) => this.#make(path),
      list: () => this.#below(parent),
      removeParent: () => void this.#remove(parent),
    };
  }

  /** The process writes 0 to these files. */
  join(pid: number, files: readonly string[]): void {
    for (const file of files) {
      const path = file.replace(/\/cgroup\.procs$/, "");
      const node = this.#nodes.get(path);
      if (!node) throw Object.assign(new Error(`ENOENT: ${file}`), { code: "ENOENT" });
      for (const each of this.#nodes.values()) each.members.delete(pid);
      node.members.add(pid);
    }
  }

  leave(pid: number): void {
    for (const node of this.#nodes.values()) node.members.delete(pid);
  }

  isFrozen(pid: number): boolean {
    return [...this.#nodes].some(([path, { isFrozen }]) => isFrozen && this.#members(path).includes(pid));
  }

  /** The kernel killed a process for want of memory. */
  oomKill(path: string): void {
    this.#nodes.get(path)!.oomKills += 1;
  }

  paths(): string[] {
    return [...this.#nodes.keys()].sort();
  }

  #ancestors(path: string): string[] {
    const parts = path.split("/").filter(Boolean);
    return parts.map((_, index) => `/${parts.slice(0, parts.length - index).join("/")}`);
  }

  #make(path: string): boolean {
    const isNew = !this.#nodes.has(path);
    for (const each of this.#ancestors(path))
      if (!this.#nodes.has(each))
        this.#nodes.set(each, { limits: {}, isFrozen: false, oomKills: 0, members: new Set() });
    return isNew;
  }

  #below(path: string): string[] {
    return [...this.#nodes.keys()]
      .filter((each) => each.startsWith(`${path}/`) && !each.slice(path.length + 1).includes("/"))
      .map((each) => each.slice(path.length + 1));
  }

  #members(path: string): number[] {
    return [...this.#nodes]
      .filter(([each]) => each === path || each.startsWith(`${path}/`))
      .flatMap(([, { members }]) => [...members]);
  }

  #remove(path: string): boolean {
    if (this.#members(path).length > 0) return false;
    for (const each of [...this.#nodes.keys()])
      if (each === path || each.startsWith(`${path}/`)) this.#nodes.delete(each);
    return true;
  }

  #kill(path: string): void {
    for (const pid of this.#members(path)) this.processes.kill(pid);
  }

  #need(path: string): Node {
    const node = this.#nodes.get(path);
    if (!node) throw Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
    return node;
  }

  #freeze(path: string, isFrozen: boolean): void {
    this.#need(path).isFrozen = isFrozen;
    if (!isFrozen) this.processes.thawed(this.#members(path));
  }

  #processGroup(path: string): ProcessGroup {
    return {
      joinFiles: () => [`${path}/cgroup.procs`],
      create: () => {
        this.#need(path.slice(0, path.lastIndexOf("/")));
        this.#make(path);
      },
      kill: () => this.#kill(path),
      remove: () => this.#remove(path),
    };
  }

  #group(path: string): Cgroup {
    return {
      path,
      joinFiles: () => [`${path}/cgroup.procs`],
      create: () => this.#make(path),
      apply: (resources) => {
        const error = this.refusal?.(resources);
        if (error) throw error;
        const node = this.#need(path);
        const { memory, cpu, pids } = resources;
        const finite = (value: number | undefined) => (value !== undefined && value > 0 ? value : undefined);
        if (memory) {
          const before = node.limits.memory ?? {};
          const limit = "limit" in memory && memory.limit !== undefined ? finite(memory.limit) : before.limit;
          const swap = memory.limit === undefined ? before.swap : finite(memory.swap);
          const reservation =
            memory.reservation === undefined ? before.reservation : finite(memory.reservation);
          node.limits.memory = { limit, swap, reservation };
        }
        if (cpu) {
          const before = node.limits.cpu ?? {};
          node.limits.cpu = {
            quota: cpu.quota === undefined ? before.quota : finite(cpu.quota),
            period: cpu.period ?? before.period ?? 100_000,
            shares: cpu.shares === undefined ? before.shares : finite(cpu.shares),
            cpus: cpu.cpus === undefined ? before.cpus : cpu.cpus || undefined,
          };
        }
        if (pids) node.limits.pids = pids.limit > 0 ? { limit: pids.limit } : undefined;
      },
      read: () => {
        const { memory, cpu, pids } = this.#nodes.get(path)?.limits ?? {};
        return structuredClone({ memory: memory ?? {}, cpu: cpu ?? {}, pids });
      },
      stats: () => ({
        ...NO_STATS,
        memoryLimitBytes: this.#nodes.get(path)?.limits.memory?.limit,
        pids: this.#members(path).length,
        ...this.stats.get(path),
      }),
      pids: () => this.#members(path),
      oomKills: () => this.#nodes.get(path)?.oomKills ?? 0,
      freeze: (isFrozen) => this.#freeze(path, isFrozen),
      isFrozen: () => this.#nodes.get(path)?.isFrozen ?? false,
      exists: () => this.#nodes.has(path),
      kill: () => {
        this.#kill(path);
        if (this.#nodes.get(path)?.isFrozen) this.#freeze(path, false);
      },
      remove: () => this.#remove(path),
      below: (name) => this.#processGroup(`${path}/${name}`),
      groupsBelow: () => this.#below(path),
    };
  }
}
