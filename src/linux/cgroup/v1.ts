/** cgroup v1 (cgroups(7)): one hierarchy per controller. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { mountTable } from "../mount-table.ts";
import type { SpecBlockIo, SpecDeviceRule, SpecResources } from "../spec.ts";
import {
  type Cgroup,
  type CgroupManager,
  type CgroupStats,
  groupPath,
  type ProcessGroup,
  withAncestors,
} from "./cgroup.ts";
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
  setLimits,
} from "./files.ts";

const CONTROLLERS = ["memory", "cpu", "cpuacct", "pids", "freezer", "devices", "blkio"] as const;
const THROTTLES = [
  { key: "throttleReadBpsDevice", file: "read_bps_device", name: "device_read_bps" },
  { key: "throttleWriteBpsDevice", file: "write_bps_device", name: "device_write_bps" },
  { key: "throttleReadIOPSDevice", file: "read_iops_device", name: "device_read_iops" },
  { key: "throttleWriteIOPSDevice", file: "write_iops_device", name: "device_write_iops" },
] as const;
const UNLIMITED = 2 ** 62;

/** Mount points by controller. */
const hierarchies = (): Map<string, string> =>
  new Map(
    mountTable("self")
      .filter(({ type }) => type === "cgroup")
      .flatMap(({ point, options }) => options.map((option) => [option, point])),
  );

export class CgroupV1Manager implements CgroupManager {
  readonly version = 1;
  readonly view: string[];
  readonly #mounts: Map<string, string>;

  /** `mounts`: the mount points by controller, by default those of this process. */
  constructor(
    readonly parent: string,
    mounts: ReadonlyMap<string, string> = hierarchies(),
  ) {
    this.#mounts = new Map(mounts);
    this.view = CONTROLLERS.filter((controller) => this.#mounts.has(controller));
  }

  group(name: string, under?: string): Cgroup {
    return new CgroupV1(groupPath(this.parent, name, under), this.#mounts);
  }

  missingGroups(path: string): string[] {
    return [...new Set(this.#mounts.values())].flatMap((mount) =>
      withAncestors(path)
        .map((each) => join(mount, each))
        .filter((directory) => !existsSync(directory)),
    );
  }

  makeGroup(path: string): void {
    for (const mount of new Set(this.#mounts.values())) mkdirSync(join(mount, path), { recursive: true });
  }

  list(): string[] {
    const names = new Set<string>();
    for (const mount of new Set(this.#mounts.values())) {
      const directory = join(mount, this.parent);
      if (!existsSync(directory)) continue;
      for (const entry of readdirSync(directory, { withFileTypes: true }))
        if (entry.isDirectory()) names.add(entry.name);
    }
    return [...names];
  }

  removeParent(): void {
    for (const mount of new Set(this.#mounts.values())) removeGroup(join(mount, this.parent));
  }
}

class CgroupV1 implements Cgroup {
  constructor(
    readonly path: string,
    readonly mounts: Map<string, string>,
  ) {}

  #directory(controller: string): string {
    return join(this.mounts.get(controller) ?? `/sys/fs/cgroup/${controller}`, this.path);
  }

  #used(): string[] {
    return CONTROLLERS.filter((controller) => this.mounts.has(controller));
  }

  /** `tasks`, not cgroup.procs: moving the caller's only thread does not take the kernel's global thread lock. */
  joinFiles(): string[] {
    const files = this.#used().map((controller) => join(this.#directory(controller), "tasks"));
    return existsSync(this.#directory("cpuset"))
      ? [...files, join(this.#directory("cpuset"), "tasks")]
      : files;
  }

  create(): boolean {
    const made = this.#used().map((controller) =>
      mkdirSync(this.#directory(controller), { recursive: true }),
    );
    return made.every((first) => first !== undefined);
  }

  exists(): boolean {
    return existsSync(this.#directory("pids"));
  }

  apply(resources: SpecResources): void {
    const { memory, cpu, pids, blockIO, devices } = resources;
    if (memory) this.#applyMemory(memory);
    if (cpu?.shares !== undefined)
      setLimit(join(this.#directory("cpu"), "cpu.shares"), cpu.shares || 1024, "cpu_shares");
    if (cpu?.quota !== undefined) {
      const directory = this.#directory("cpu");
      setLimit(join(directory, "cpu.cfs_period_us"), cpu.period ?? 100000, "cpu_period");
      setLimit(join(directory, "cpu.cfs_quota_us"), cpu.quota || -1, "cpus");
    }
    if (cpu?.cpus !== undefined || cpu?.mems !== undefined) this.#applyCpuset(cpu.cpus ?? "", cpu.mems ?? "");
    if (pids)
      setLimit(join(this.#directory("pids"), "pids.max"), pids.limit > 0 ? pids.limit : "max", "pids_limit");
    if (blockIO) this.#applyBlockIo(blockIO);
    if (devices) this.#applyDevices(devices);
  }

  #applyMemory(memory: NonNullable<SpecResources["memory"]>): void {
    const directory = this.#directory("memory");
    const limit = join(directory, "memory.limit_in_bytes");
    const swap = join(directory, "memory.memsw.limit_in_bytes");
    if (memory.limit !== undefined) {
      const bytes = memory.limit > 0 ? memory.limit : -1;
      const total = memory.swap === undefined || memory.swap <= 0 ? -1 : memory.swap;
      // memory must not exceed memory plus swap, so the order depends on the direction
      const steps: [string, number, string][] = [
        [swap, total, "memswap_limit"],
        [limit, bytes, "mem_limit"],
      ];
      const now = readNumber(limit) ?? UNLIMITED;
      if (!existsSync(swap)) steps.shift();
      if (bytes !== -1 && bytes < now) steps.reverse();
      for (const [path, value, name] of steps) setLimit(path, value, name);
    }
    if (memory.reservation !== undefined) {
      setLimit(
        join(directory, "memory.soft_limit_in_bytes"),
        memory.reservation > 0 ? memory.reservation : -1,
        "mem_reservation",
      );
    }
    if (memory.swappiness !== undefined)
      setLimit(join(directory, "memory.swappiness"), memory.swappiness, "mem_swappiness");
    if (memory.disableOOMKiller) setLimit(join(directory, "memory.oom_control"), 1, "oom_kill_disable");
  }

  #applyBlockIo(limits: SpecBlockIo): void {
    const set = (file: string, value: string | number, name: string) =>
      setLimit(join(this.#directory("blkio"), `blkio.${file}`), value, `blkio_config.${name}`);
    if (limits.weight) set("bfq.weight", limits.weight, "weight");
    for (const { major, minor, weight } of limits.weightDevice ?? [])
      set("bfq.weight_device", `${major}:${minor} ${weight}`, "weight_device");
    for (const { key, file, name } of THROTTLES)
      for (const { major, minor, rate } of limits[key] ?? [])
        set(`throttle.${file}`, `${major}:${minor} ${rate}`, name);
  }

  /** A cpuset must be complete before a process joins, so it is created only if it is used. */
  #applyCpuset(cpus: string, mems: string): void {
    const root = this.mounts.get("cpuset") ?? "/sys/fs/cgroup/cpuset";
    const directory = join(root, this.path);
    if (!cpus && !mems && !existsSync(directory)) return;
    mkdirSync(directory, { recursive: true });
    const whole = (file: string) => readText(join(root, file)) ?? "0";
    // a cpuset can have only CPUs of its ancestors, which are empty at first
    for (const above of withAncestors(this.path).slice(1).reverse())
      for (const file of ["cpuset.cpus", "cpuset.mems"].map((name) => join(root, above, name)))
        if (!readText(file)) writeFileSync(file, whole(basename(file)));
    setLimit(join(directory, "cpuset.cpus"), cpus || whole("cpuset.cpus"), "cpuset");
    setLimit(join(directory, "cpuset.mems"), mems || whole("cpuset.mems"), "cpuset mems");
    for (const pid of this.pids()) {
      try {
        writeFileSync(join(directory, "cgroup.procs"), String(pid));
      } catch {
        // it ended by itself
      }
    }
  }

  #applyDevices(rules: SpecDeviceRule[]): void {
    const directory = this.#directory("devices");
    const number = (value: number | undefined) => (value === undefined || value < 0 ? "*" : String(value));
    for (const { allow, rules: alike } of inRuns(rules)) {
      const texts = alike.map(({ type, major, minor, access }) =>
        type === "a" || !type ? "a" : `${type} ${number(major)}:${number(minor)} ${access ?? "rwm"}`,
      );
      setLimits(join(directory, allow ? "devices.allow" : "devices.deny"), texts, "devices");
    }
  }

  read(): SpecResources {
    const memory = this.#directory("memory");
    const cpu = this.#directory("cpu");
    const finite = (value: number | undefined) =>
      value === undefined || value > 2 ** 52 ? undefined : value;
    const quota = Number(readText(join(cpu, "cpu.cfs_quota_us")) ?? -1);
    const shares = readNumber(join(cpu, "cpu.shares"));
    const pids = readNumber(join(this.#directory("pids"), "pids.max"));
    const cpus = readText(join(this.#directory("cpuset"), "cpuset.cpus"));
    return {
      memory: {
        limit: finite(readNumber(join(memory, "memory.limit_in_bytes"))),
        reservation: finite(readNumber(join(memory, "memory.soft_limit_in_bytes"))),
        swap: finite(readNumber(join(memory, "memory.memsw.limit_in_bytes"))),
      },
      cpu: {
        quota: quota > 0 ? quota : undefined,
        period: readNumber(join(cpu, "cpu.cfs_period_us")),
        shares: shares === 1024 ? undefined : shares,
        cpus: cpus || undefined,
      },
      pids: pids === undefined ? undefined : { limit: pids },
    };
  }

  stats(): CgroupStats {
    const memory = this.#directory("memory");
    const bytes = (operation: string) =>
      (readText(join(this.#directory("blkio"), "blkio.throttle.io_service_bytes_recursive")) ?? "")
        .split("\n")
        .filter((line) => line.includes(` ${operation} `))
        .reduce((sum, line) => sum + Number(line.split(" ")[2] ?? 0), 0);
    const used = (file: string) => readNumber(join(this.#directory("cpuacct"), file)) ?? 0;
    const throttling = (key: string) => readKey(join(this.#directory("cpu"), "cpu.stat"), key);
    return {
      memoryBytes: readNumber(join(memory, "memory.usage_in_bytes")) ?? 0,
      memoryLimitBytes: this.read().memory?.limit,
      inactiveFileBytes: readKey(join(memory, "memory.stat"), "total_inactive_file"),
      cpuNanoseconds: used("cpuacct.usage"),
      cpuUserNanoseconds: used("cpuacct.usage_user"),
      cpuKernelNanoseconds: used("cpuacct.usage_sys"),
      cpuPeriods: throttling("nr_periods"),
      cpuThrottledPeriods: throttling("nr_throttled"),
      cpuThrottledNanoseconds: throttling("throttled_time"),
      pids: readNumber(join(this.#directory("pids"), "pids.current")) ?? 0,
      readBytes: bytes("Read"),
      writeBytes: bytes("Write"),
    };
  }

  pids(): number[] {
    return readPidsBelow(this.#directory("pids"));
  }

  oomKills(): number {
    return readKey(join(this.#directory("memory"), "memory.oom_control"), "oom_kill");
  }

  freeze(frozen: boolean): void {
    setLimit(
      join(this.#directory("freezer"), "freezer.state"),
      frozen ? "FROZEN" : "THAWED",
      "freezer.state",
    );
  }

  isFrozen(): boolean {
    return (readText(join(this.#directory("freezer"), "freezer.state")) ?? "THAWED") !== "THAWED";
  }

  kill(): void {
    killAll(this.pids());
    if (this.isFrozen()) this.freeze(false);
  }

  remove(): boolean {
    return [...this.#used(), "cpuset"]
      .map((controller) => removeGroups(this.#directory(controller)))
      .every(Boolean);
  }

  below(name: string): ProcessGroup {
    const pids = this.#directory("pids");
    const own = this.joinFiles().filter((file) => file !== join(pids, "tasks"));
    return new ProcessGroupV1(join(pids, name), own);
  }

  groupsBelow(): string[] {
    return groupNames(this.#directory("pids"));
  }
}

/** It exists only in the hierarchy of the pids controller, which can prevent new processes. */
class ProcessGroupV1 implements ProcessGroup {
  constructor(
    readonly directory: string,
    /** Files to join the container's cgroups of the other controllers. */
    readonly otherJoinFiles: string[],
  ) {}

  joinFiles(): string[] {
    return [...this.otherJoinFiles, join(this.directory, "tasks")];
  }

  create(): void {
    mkdirSync(this.directory);
  }

  kill(): void {
    try {
      writeFileSync(join(this.directory, "pids.max"), "0");
    } catch {
      return; // it was removed meanwhile
    }
    killUntilNoneIsNew(this.directory);
  }

  remove(): boolean {
    return removeGroup(this.directory);
  }
}

/** Consecutive rules of the same kind (allow or deny) together, so that a file is opened once for each run of them. */
function inRuns(rules: readonly SpecDeviceRule[]): { allow: boolean; rules: SpecDeviceRule[] }[] {
  const runs: { allow: boolean; rules: SpecDeviceRule[] }[] = [];
  for (const rule of rules) {
    const last = runs.at(-1);
    if (last?.allow === rule.allow) last.rules.push(rule);
    else runs.push({ allow: rule.allow, rules: [rule] });
  }
  return runs;
}
