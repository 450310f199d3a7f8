/**
 * Converts a container's config, with everything resolved, to an OCI runtime spec. Uses Docker's defaults for what is not
 * set.
 */
import { lstatSync, readdirSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { BayError } from "../../core/errors.ts";
import { sysctlProblem } from "../../core/sysctls.ts";
import { DEFAULT_PATH } from "../../image/index.ts";
import {
  hardLimit,
  resolveCapabilities,
  type Spec,
  type SpecDevice,
  type SpecDeviceRule,
  type SpecImage,
  type SpecMount,
  type SpecResources,
  type SpecSeccomp,
} from "../../linux/index.ts";
import type {
  BlockIoConfig,
  ContainerConfig,
  DeviceLimit,
  ImageMount,
  KernelConfig,
  ResourceConfig,
} from "../model/config.ts";
import { defaultSeccomp } from "./default-seccomp.ts";
import type { Account } from "./user.ts";

const MASKED = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];
const READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
const CPU_PERIOD = 100_000;

/** Devices that every container may use. It may create these nodes itself, and no others. */
const DEVICE_RULES: SpecDeviceRule[] = [
  { allow: false, type: "a", access: "rwm" },
  ...[3, 5, 7, 8, 9].map((minor) => ({ allow: true, type: "c" as const, major: 1, minor, access: "rwm" })),
  { allow: true, type: "c", major: 5, minor: 0, access: "rwm" }, // tty
  { allow: true, type: "c", major: 5, minor: 1, access: "rwm" }, // console
  { allow: true, type: "c", major: 5, minor: 2, access: "rwm" }, // ptmx
  { allow: true, type: "c", major: 136, access: "rwm" }, // pts
];

export interface ResolvedParts {
  account: Account;
  rootfs: string;
  /** Maps the source path of a bind to the path that is mounted. */
  hostPath: (path: string) => string;
  /** Host directories of the volumes, by name. */
  volumePath: (name: string) => string;
  /** Files that bay generated, by their path in the container. */
  etc: { target: string; file: string; readOnly?: boolean }[];
  /** Returns the layers of a mounted image; absent if no image is mounted. */
  imageLayers?: (mount: ImageMount) => SpecImage;
  networkNamespace: string | undefined;
  /** The namespace of the container whose processes this one shares. */
  pidNamespace?: string | undefined;
  /** The PID of the first process of the container whose shared memory this one uses. */
  ipcOwner?: number | undefined;
  apparmorProfile?: string | undefined;
  cgroupsPath: string;
}

/** Throws BayError for a missing device, an unknown capability, or a malformed seccomp profile. */
export function toSpec(config: ContainerConfig, parts: ResolvedParts): Spec {
  for (const [name, value] of Object.entries(config.sysctls)) {
    const problem = sysctlProblem(name, value, config);
    if (problem) throw new BayError("BAD_SYSCTL", `${config.name}: the sysctl ${name} ${problem}`);
  }
  const devices = config.privileged ? hostDevices() : config.devices.filter(mayMake).map(oneDevice);
  const capabilities = config.privileged
    ? resolveCapabilities(["ALL"], [])
    : resolveCapabilities(config.capAdd, config.capDrop);
  return {
    ociVersion: "1.1.0",
    process: {
      terminal: config.tty,
      ...(config.tty && config.consoleSize ? { consoleSize: config.consoleSize } : {}),
      user: { uid: parts.account.uid, gid: parts.account.gid, additionalGids: parts.account.groups },
      args: config.args,
      env: processEnvironment(config, parts.account),
      cwd: config.workdir || "/",
      capabilities: {
        bounding: capabilities,
        effective: capabilities,
        permitted: capabilities,
        inheritable: [],
        ambient: [],
      },
      rlimits: Object.entries(withDefaultLimits(config.ulimits)).map(([type, { soft, hard }]) => ({
        type: `RLIMIT_${type.toUpperCase()}`,
        soft,
        hard,
      })),
      noNewPrivileges: config.noNewPrivileges,
      oomScoreAdj: config.oomScoreAdj,
      ...(parts.apparmorProfile === undefined ? {} : { apparmorProfile: parts.apparmorProfile }),
    },
    root: { path: parts.rootfs, readonly: config.readOnly },
    // a container must not set the host's names
    ...(config.kernel?.utsMode === "host" ? {} : namesOf(config)),
    mounts: allMounts(config, parts),
    annotations: config.annotations,
    linux: {
      namespaces: namespaces(config, parts),
      devices,
      cgroupsPath: parts.cgroupsPath,
      resources: {
        ...toResources(config.resources, config.kernel),
        devices: config.privileged
          ? [{ allow: true, type: "a", access: "rwm" }]
          : [
              ...DEVICE_RULES,
              ...config.devices.map(deviceRule),
              ...(config.kernel?.deviceRules ?? []).map(writtenRule),
            ],
      },
      seccomp: seccompOf(config, capabilities),
      sysctl: config.sysctls,
      maskedPaths: config.privileged ? [] : MASKED,
      readonlyPaths: config.privileged ? [] : READ_ONLY,
    },
  };
}

const namesOf = ({ hostname, domainname }: ContainerConfig) => ({
  hostname,
  ...(domainname ? { domainname } : {}),
});

/** Always sets a limit of open files: a container must not inherit bayd's. */
function withDefaultLimits(ulimits: ContainerConfig["ulimits"]): ContainerConfig["ulimits"] {
  return { nofile: { soft: 1024, hard: Math.min(524288, hardLimit("nofile")) }, ...ulimits };
}

/** Converts limits to those of the cgroup room. Memory without memswap allows as much swap again, as in Docker. */
export function toResources(limits: ResourceConfig, kernel: KernelConfig = {}): SpecResources {
  const swap = limits.memorySwap ?? (limits.memory ? limits.memory * 2 : undefined);
  return {
    memory: {
      limit: limits.memory ?? 0,
      swap: swap ?? 0,
      reservation: limits.memoryReservation ?? 0,
      ...(kernel.swappiness === undefined ? {} : { swappiness: kernel.swappiness }),
      ...(kernel.oomKillDisable ? { disableOOMKiller: true } : {}),
    },
    cpu: {
      quota: limits.cpus ? Math.round(limits.cpus * CPU_PERIOD) : 0,
      period: CPU_PERIOD,
      shares: limits.cpuShares ?? 0,
      ...(limits.cpuset ? { cpus: limits.cpuset } : {}),
    },
    pids: { limit: limits.pids && limits.pids > 0 ? limits.pids : 0 },
    ...(kernel.blockIo ? { blockIO: toBlockIo(kernel.blockIo) } : {}),
  };
}

/** Throws NO_DEVICE. */
function toBlockIo(given: BlockIoConfig): NonNullable<SpecResources["blockIO"]> {
  const numbered = <K extends string>(limits: readonly DeviceLimit[], key: K) =>
    limits.map(({ device, value }) => {
      const { major = 0, minor = 0, type } = deviceAt(device, device);
      if (type !== "b") throw new BayError("NO_DEVICE", `blkio_config: ${device} is not a block device`);
      return { major, minor, [key]: value } as { major: number; minor: number } & Record<K, number>;
    });
  return {
    ...(given.weight === undefined ? {} : { weight: given.weight }),
    weightDevice: numbered(given.weights, "weight"),
    throttleReadBpsDevice: numbered(given.readBps, "rate"),
    throttleWriteBpsDevice: numbered(given.writeBps, "rate"),
    throttleReadIOPSDevice: numbered(given.readIops, "rate"),
    throttleWriteIOPSDevice: numbered(given.writeIops, "rate"),
  };
}

/** Only the limits that differ from a new cgroup, which has none: each other one would be a file to open and write. */
export function onlyLimits({ memory, cpu, pids, ...rest }: SpecResources): SpecResources {
  return {
    ...rest,
    ...(memory && hasAny({ ...memory }) ? { memory } : {}),
    ...(cpu && hasAny({ ...cpu, period: 0 }) ? { cpu } : {}),
    ...(pids && pids.limit > 0 ? { pids } : {}),
  };
}

const hasAny = (values: Record<string, unknown>) => Object.values(values).some(Boolean);

function processEnvironment(config: ContainerConfig, account: Account): string[] {
  const has = (name: string) => config.env.some((entry) => entry.startsWith(`${name}=`));
  return [
    ...(has("PATH") ? [] : [DEFAULT_PATH]),
    ...(has("HOSTNAME") ? [] : [`HOSTNAME=${config.hostname}`]),
    ...(config.tty && !has("TERM") ? ["TERM=xterm"] : []),
    ...config.env,
    ...(has("HOME") ? [] : [`HOME=${account.home}`]),
  ];
}

function namespaces(
  config: ContainerConfig,
  { networkNamespace, pidNamespace, ipcOwner }: ResolvedParts,
): Spec["linux"]["namespaces"] {
  const list: Spec["linux"]["namespaces"] = [{ type: "mount" }];
  if (config.kernel?.utsMode !== "host") list.push({ type: "uts" });
  if (config.kernel?.cgroupMode !== "host") list.push({ type: "cgroup" });
  if (config.pidMode !== "host") list.push({ type: "pid", ...(pidNamespace ? { path: pidNamespace } : {}) });
  if (config.ipcMode !== "host")
    list.push({ type: "ipc", ...(ipcOwner ? { path: `/proc/${ipcOwner}/ns/ipc` } : {}) });
  if (config.networkMode !== "host")
    list.push({ type: "network", ...(networkNamespace ? { path: networkNamespace } : {}) });
  return list;
}

function allMounts(config: ContainerConfig, parts: ResolvedParts): SpecMount[] {
  const kernel = ["nosuid", "noexec", "nodev"];
  const access = config.privileged ? "rw" : "ro";
  const isHostIpc = config.ipcMode === "host";
  const standard: SpecMount[] = [
    { destination: "/proc", type: "proc", options: kernel },
    { destination: "/dev", type: "tmpfs", options: ["nosuid", "mode=755", "size=65536k"] },
    {
      destination: "/dev/pts",
      type: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/sys", type: "sysfs", options: [...kernel, access] },
    { destination: "/sys/fs/cgroup", type: "cgroup", options: [...kernel, access] },
    isHostIpc
      ? { destination: "/dev/mqueue", type: "bind", source: "/dev/mqueue", options: ["bind"] }
      : { destination: "/dev/mqueue", type: "mqueue", options: kernel },
    isHostIpc
      ? { destination: "/dev/shm", type: "bind", source: "/dev/shm", options: ["bind"] }
      : parts.ipcOwner
        ? {
            destination: "/dev/shm",
            type: "bind",
            source: "dev/shm",
            mountNamespace: `/proc/${parts.ipcOwner}/ns/mnt`,
            options: ["bind"],
          }
        : {
            destination: "/dev/shm",
            type: "tmpfs",
            options: [...kernel, "mode=1777", `size=${config.shmSize}`],
          },
  ];
  const bound = config.privileged ? [] : config.devices.filter((device) => !mayMake(device));
  const own = [
    ...config.mounts.map((mount) => oneMount(mount, parts)),
    ...bound.map(({ source, target }) => boundDevice(source, target)),
  ];
  const targets = new Set(own.map(({ destination }) => destination));
  const etc: SpecMount[] = parts.etc
    .filter(({ target }) => !targets.has(target))
    .map(({ target, file, readOnly }) => ({
      destination: target,
      type: "bind",
      source: file,
      options: ["bind", ...(config.readOnly || readOnly ? ["ro"] : [])],
    }));
  const depth = (mount: SpecMount) => mount.destination.split("/").length;
  // as in Docker, a mount at /dev replaces the default /dev/pts, /dev/shm and /dev/mqueue
  const isCovered = ({ destination }: SpecMount) => targets.has("/dev") && destination.startsWith("/dev/");
  const usable = standard
    .filter((mount) => !targets.has(mount.destination) && !isCovered(mount))
    .filter((mount) => !(isHostIpc && mount.type === "bind" && !exists(mount.source!)));
  return [...usable, ...[...etc, ...own].sort((a, b) => depth(a) - depth(b))];
}

function boundDevice(source: string, target: string): SpecMount {
  deviceAt(source, target); // throws if it is not a device
  return { destination: target, type: "bind", source, options: ["bind"] };
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function oneMount(mount: ContainerConfig["mounts"][number], parts: ResolvedParts): SpecMount {
  const destination = posix.normalize(mount.target).replace(/(.)\/$/, "$1");
  if (mount.type === "tmpfs")
    return {
      destination,
      type: "tmpfs",
      options: ["nosuid", "nodev", "noexec", ...mount.options].filter(isEffective),
    };
  if (mount.type === "image")
    return {
      destination,
      type: "image",
      ...(parts.imageLayers ? { image: parts.imageLayers(mount) } : {}),
      ...(mount.subpath ? { subpath: mount.subpath } : {}),
      options: ["ro"],
    };
  const source = mount.type === "bind" ? parts.hostPath(mount.source) : parts.volumePath(mount.source);
  const bind = mount.type === "bind" && mount.recursive ? "rbind" : "bind";
  const propagation = mount.type === "bind" && mount.propagation ? [`r${mount.propagation}`] : [];
  const options = [bind, ...(mount.readOnly ? ["ro"] : []), ...propagation];
  const subpath = mount.type === "volume" && mount.subpath ? { subpath: mount.subpath } : {};
  return { destination, type: "bind", source, ...subpath, options };
}

/** A later `exec` cancels a `noexec`. */
function isEffective(option: string, _index: number, options: string[]): boolean {
  const undone: Record<string, string> = { noexec: "exec", nosuid: "suid", nodev: "dev" };
  return (
    !(option in undone && options.includes(undone[option]!)) && !["exec", "suid", "dev"].includes(option)
  );
}

/** A device node of the host by number; the node is created in the container. */
function deviceAt(source: string, target: string): SpecDevice {
  const stat = statSync(source, { throwIfNoEntry: false });
  if (!stat || !(stat.isBlockDevice() || stat.isCharacterDevice())) {
    throw new BayError("NO_DEVICE", `${source} is not a device of this host`);
  }
  const major = ((stat.rdev >> 8) & 0xfff) | 0;
  const minor = (stat.rdev & 0xff) | ((stat.rdev >> 12) & 0xfff00);
  return {
    path: target,
    type: stat.isBlockDevice() ? "b" : "c",
    major,
    minor,
    fileMode: stat.mode & 0o777,
    uid: stat.uid,
    gid: stat.gid,
  };
}

/** A container creates nodes itself if it may; otherwise the host's node is bound into it. */
const mayMake = ({ access }: ContainerConfig["devices"][number]) => access.includes("m");

const oneDevice = (device: ContainerConfig["devices"][number]) => deviceAt(device.source, device.target);

function deviceRule(device: ContainerConfig["devices"][number]): SpecDeviceRule {
  const { type, major, minor } = oneDevice(device);
  return { allow: true, type: type as "b" | "c", major: major!, minor: minor!, access: device.access };
}

/** Parses `c 1:3 rwm`, with `*` for any number; the stack file's parser has checked it. */
function writtenRule(text: string): SpecDeviceRule {
  const [, type, major, minor, access] = /^([abc]) (\d+|\*):(\d+|\*) ([rwm]+)$/.exec(text) ?? [];
  if (access === undefined)
    throw new BayError("BAD_DEVICE_RULE", `invalid device rule ${JSON.stringify(text)}`);
  return {
    allow: true,
    type: type as "a" | "b" | "c",
    ...(major === "*" ? {} : { major: Number(major) }),
    ...(minor === "*" ? {} : { minor: Number(minor) }),
    access,
  };
}

const OWN_DEVICES = new Set([
  "null",
  "zero",
  "full",
  "random",
  "urandom",
  "tty",
  "console",
  "ptmx",
  "pts",
  "shm",
  "mqueue",
  "fd",
  "stdin",
  "stdout",
  "stderr",
  "core",
]);

/** Every device of the host's /dev, for a privileged container. */
function hostDevices(): SpecDevice[] {
  const found: SpecDevice[] = [];
  const walk = (directory: string) => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (directory === "/dev" && OWN_DEVICES.has(entry.name)) continue;
      const path = join(directory, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (entry.isBlockDevice() || entry.isCharacterDevice()) found.push(deviceAt(path, path));
    }
  };
  walk("/dev");
  return found;
}

function seccompOf(config: ContainerConfig, capabilities: readonly string[]): SpecSeccomp | undefined {
  if (config.privileged || config.seccomp === "unconfined") return undefined;
  if (config.seccomp === "default") return defaultSeccomp(capabilities);
  try {
    return JSON.parse(config.seccomp) as SpecSeccomp;
  } catch (cause) {
    throw new BayError("BAD_SECCOMP", "the seccomp profile is not JSON", { cause });
  }
}
