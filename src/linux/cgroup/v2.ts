/** cgroup v2 (the kernel's admin-guide/cgroup-v2): one tree with every controller. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import type { SpecBlockIo, SpecResources } from "../spec.ts";
import {
  type Cgroup,
  type CgroupManager,
  type CgroupStats,
  groupPath,
  type ProcessGroup,
  withAncestors,
} from "./cgroup.ts";
import { attachDeviceFilter } from "./device-filter.ts";
import {
  groupNames,
  killAll,
  killUntilNoneIsNew,
  readKey,
  readNumber,
  readPidsBelow,
  readText,
  removeGroup,
  removeGroups,
  setLimit,
} from "./files.ts";

const THROTTLES = [
  { key: "throttleReadBpsDevice", unit: "rbps", name: "device_read_bps" },
  { key: "throttleWriteBpsDevice", unit: "wbps", name: "device_write_bps" },
  { key: "throttleReadIOPSDevice", unit: "riops", name: "device_read_iops" },
  { key: "throttleWriteIOPSDevice", unit: "wiops", name: "device_write_iops" },
] as const;
const WANTED = ["cpu", "memory", "pids", "cpuset", "io"];

/** The error for a limit that only cgroup v1 has. */
const missing = (name: string) =>
  new BayError("CGROUP_LIMIT", `cgroup v2 does not support ${name}`, { hint: "remove it on this host" });

/** Converts OCI shares (2 to 262144) to a weight (1 to 10000), with the mapping that runc uses. */
export function sharesToWeight(shares: number): number {
  return shares <= 0 ? 100 : Math.max(1, Math.min(10000, Math.floor(1 + ((shares - 2) * 9999) / 262142)));
}

/** The inverse of `sharesToWeight`, as near as integers allow. */
export function weightToShares(weight: number): number {
  return Math.ceil(2 + ((weight - 1) * 262142) / 9999);
}

export class CgroupV2Manager implements CgroupManager {
  readonly version = 2;
  readonly view = "v2";

  constructor(
    readonly parent: string,
    readonly root: string,
  ) {}

  group(name: string, under?: string): Cgroup {
    return new CgroupV2(groupPath(this.parent, name, under), this.root);
  }

  missingGroups(path: string): string[] {
    return withAncestors(path)
      .map((each) => join(this.root, each))
      .filter((directory) => !existsSync(directory));
  }

  makeGroup(path: string): void {
    mkdirSync(join(this.root, path), { recursive: true });
  }

  list(): string[] {
    const directory = join(this.root, this.parent);
    if (!existsSync(directory)) return [];
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  }

  removeParent(): void {
    removeGroup(join(this.root, this.parent));
  }
}

class CgroupV2 implements Cgroup {
  readonly #directory: string;

  constructor(
    readonly path: string,
    readonly root: string,
  ) {
    this.#directory = join(root, path);
  }

  joinFiles(): string[] {
    return [join(this.#directory, "cgroup.procs")];
  }

  create(): boolean {
    const [, ...above] = withAncestors(this.path);
    mkdirSync(join(this.root, above[0] ?? ""), { recursive: true });
    for (const directory of ["", ...above.reverse()]) this.#delegate(join(this.root, directory));
    return mkdirSync(this.#directory, { recursive: true }) !== undefined;
  }

  /** Enables the available controllers for the cgroups below. */
  #delegate(directory: string): void {
    const available = readText(join(directory, "cgroup.controllers"))?.split(" ") ?? [];
    const enabled = new Set(readText(join(directory, "cgroup.subtree_control"))?.split(" "));
    for (const controller of WANTED) {
      if (!available.includes(controller) || enabled.has(controller)) continue;
      try {
        writeFileSync(join(directory, "cgroup.subtree_control"), `+${controller}`);
      } catch {
        // setting a limit that needs it reports the error
      }
    }
  }

  exists(): boolean {
    return existsSync(this.#directory);
  }

  apply(resources: SpecResources): void {
    const { memory, cpu, pids, blockIO, devices } = resources;
    const set = (file: string, value: string | number, name: string) =>
      setLimit(join(this.#directory, file), value, name);
    if (memory?.limit !== undefined) {
      set("memory.max", memory.limit > 0 ? memory.limit : "max", "mem_limit");
      const swap =
        memory.swap !== undefined && memory.swap > 0 && memory.limit > 0 ? memory.swap - memory.limit : "max";
      if (existsSync(join(this.#directory, "memory.swap.max"))) set("memory.swap.max", swap, "memswap_limit");
    }
    if (memory?.reservation !== undefined)
      set("memory.low", Math.max(memory.reservation, 0), "mem_reservation");
    if (cpu?.shares !== undefined) set("cpu.weight", sharesToWeight(cpu.shares), "cpu_shares");
    if (cpu?.quota !== undefined)
      set("cpu.max", `${cpu.quota > 0 ? cpu.quota : "max"} ${cpu.period ?? 100000}`, "cpus");
    if (cpu?.cpus !== undefined) set("cpuset.cpus", cpu.cpus || "\n", "cpuset");
    if (cpu?.mems !== undefined) set("cpuset.mems", cpu.mems || "\n", "cpuset mems");
    if (pids) set("pids.max", pids.limit > 0 ? pids.limit : "max", "pids_limit");
    if (memory?.swappiness !== undefined) throw missing("mem_swappiness");
    if (memory?.disableOOMKiller) throw missing("oom_kill_disable");
    if (blockIO) this.#applyBlockIo(blockIO);
    if (devices && !devices.some(({ allow, type }) => allow && (type === "a" || !type))) {
      attachDeviceFilter(this.#directory, devices);
    }
  }

  #applyBlockIo(limits: SpecBlockIo): void {
    const set = (file: string, value: string | number, name: string) =>
      setLimit(join(this.#directory, file), value, `blkio_config.${name}`);
    if (limits.weight) set("io.bfq.weight", limits.weight, "weight");
    for (const { major, minor, weight } of limits.weightDevice ?? [])
      set("io.bfq.weight", `${major}:${minor} ${weight}`, "weight_device");
    for (const { key, unit, name } of THROTTLES)
      for (const { major, minor, rate } of limits[key] ?? [])
        set("io.max", `${major}:${minor} ${unit}=${rate}`, name);
  }

  read(): SpecResources {
    const number = (file: string) => readNumber(join(this.#directory, file));
    const limit = number("memory.max");
    const swap = number("memory.swap.max");
    const [quota, period] = (readText(join(this.#directory, "cpu.max")) ?? "max 100000").split(" ");
    const weight = number("cpu.weight");
    const pids = number("pids.max");
    return {
      memory: {
        limit,
        reservation: number("memory.low") || undefined,
        swap: limit !== undefined && swap !== undefined ? limit + swap : undefined,
      },
      cpu: {
        quota: quota === "max" ? undefined : Number(quota),
        period: Number(period),
        shares: weight === undefined || weight === 100 ? undefined : weightToShares(weight),
        cpus: readText(join(this.#directory, "cpuset.cpus")) || undefined,
      },
      pids: pids === undefined ? undefined : { limit: pids },
    };
  }

  stats(): CgroupStats {
    const bytes = (key: string) =>
      [
        ...(readText(join(this.#directory, "io.stat")) ?? "").matchAll(new RegExp(`${key}=(\\d+)`, "g")),
      ].reduce((sum, match) => sum + Number(match[1]), 0);
    const cpu = (key: string) => readKey(join(this.#directory, "cpu.stat"), key);
    return {
      memoryBytes: readNumber(join(this.#directory, "memory.current")) ?? 0,
      memoryLimitBytes: readNumber(join(this.#directory, "memory.max")),
      inactiveFileBytes: readKey(join(this.#directory, "memory.stat"), "inactive_file"),
      cpuNanoseconds: cpu("usage_usec") * 1000,
      cpuUserNanoseconds: cpu("user_usec") * 1000,
      cpuKernelNanoseconds: cpu("system_usec") * 1000,
      cpuPeriods: cpu("nr_periods"),
      cpuThrottledPeriods: cpu("nr_throttled"),
      cpuThrottledNanoseconds: cpu("throttled_usec") * 1000,
      pids: readNumber(join(this.#directory, "pids.current")) ?? 0,
      readBytes: bytes("rbytes"),
      writeBytes: bytes("wbytes"),
    };
  }

  pids(): number[] {
    return readPidsBelow(this.#directory);
  }

  oomKills(): number {
    return readKey(join(this.#directory, "memory.events"), "oom_kill");
  }

  freeze(frozen: boolean): void {
    setLimit(join(this.#directory, "cgroup.freeze"), frozen ? 1 : 0, "cgroup.freeze");
  }

  isFrozen(): boolean {
    return readText(join(this.#directory, "cgroup.freeze")) === "1";
  }

  kill(): void {
    if (existsSync(join(this.#directory, "cgroup.kill")))
      setLimit(join(this.#directory, "cgroup.kill"), 1, "cgroup.kill");
    else killAll(this.pids());
  }

  remove(): boolean {
    return removeGroups(this.#directory);
  }

  below(name: string): ProcessGroup {
    return new ProcessGroupV2(join(this.#directory, name));
  }

  groupsBelow(): string[] {
    return groupNames(this.#directory);
  }
}

/** A cgroup without controllers, so that the container's own cgroup may contain processes, too. */
class ProcessGroupV2 implements ProcessGroup {
  constructor(readonly directory: string) {}

  joinFiles(): string[] {
    return [join(this.directory, "cgroup.procs")];
  }

  create(): void {
    mkdirSync(this.directory);
  }

  kill(): void {
    // Linux before 5.14 has no cgroup.kill: SIGKILL also ends a frozen process, and a frozen one cannot start others
    if (this.#write("cgroup.kill", "1")) return;
    if (this.#write("cgroup.freeze", "1")) killUntilNoneIsNew(this.directory);
  }

  /** False if the file does not exist. */
  #write(file: string, value: string): boolean {
    try {
      writeFileSync(join(this.directory, file), value);
      return true;
    } catch {
      return false;
    }
  }

  remove(): boolean {
    return removeGroup(this.directory);
  }
}
