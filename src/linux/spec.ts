/**
 * The part of the OCI runtime specification's config.json (opencontainers/runtime-spec, config.md and config-linux.md) that
 * bay launches. It is the interface between container/ and linux/.
 */

export interface SpecUser {
  uid: number;
  gid: number;
  additionalGids?: number[];
  umask?: number;
}

export interface SpecCapabilities {
  bounding: string[];
  effective: string[];
  permitted: string[];
  inheritable: string[];
  ambient: string[];
}

export interface SpecProcess {
  terminal?: boolean;
  consoleSize?: { height: number; width: number } | undefined;
  user: SpecUser;
  args: string[];
  env: string[];
  cwd: string;
  capabilities?: SpecCapabilities;
  rlimits?: { type: string; soft: number; hard: number }[];
  noNewPrivileges?: boolean;
  oomScoreAdj?: number;
  apparmorProfile?: string;
}

export interface SpecMount {
  destination: string;
  type?: string;
  source?: string;
  /** What the source is, if it must not be looked at before the start. */
  kind?: "file" | "directory";
  /** bay's extension: the part of the source that is mounted; it is resolved inside the source. */
  subpath?: string;
  /** bay's extension: the mount namespace in which the source is looked up, from its root, without following symlinks. */
  mountNamespace?: string;
  /** bay's extension: the layers of a mount with type `image`. */
  image?: SpecImage;
  options?: string[];
}

export interface SpecImage {
  layersDirectory: string;
  /** Names in that directory, the topmost first. */
  lower: readonly string[];
  /** Whether the subpath is a file. */
  isFile: boolean;
}

export interface SpecDeviceRule {
  allow: boolean;
  type?: "a" | "b" | "c";
  major?: number;
  minor?: number;
  access?: string;
}

export interface SpecDevice {
  path: string;
  type: "b" | "c" | "p";
  major?: number;
  minor?: number;
  fileMode?: number;
  uid?: number;
  gid?: number;
}

export interface SpecDeviceNumber {
  major: number;
  minor: number;
}

export interface SpecBlockIo {
  weight?: number;
  weightDevice?: (SpecDeviceNumber & { weight: number })[];
  throttleReadBpsDevice?: (SpecDeviceNumber & { rate: number })[];
  throttleWriteBpsDevice?: (SpecDeviceNumber & { rate: number })[];
  throttleReadIOPSDevice?: (SpecDeviceNumber & { rate: number })[];
  throttleWriteIOPSDevice?: (SpecDeviceNumber & { rate: number })[];
}

/** Limits, in the units of the specification: bytes, microseconds, CPU shares. */
export interface SpecResources {
  memory?: {
    limit?: number | undefined;
    reservation?: number | undefined;
    swap?: number | undefined;
    swappiness?: number;
    disableOOMKiller?: boolean;
  };
  cpu?: {
    shares?: number | undefined;
    quota?: number | undefined;
    period?: number | undefined;
    cpus?: string | undefined;
    mems?: string;
  };
  pids?: { limit: number } | undefined;
  blockIO?: SpecBlockIo;
  devices?: SpecDeviceRule[];
}

export interface SpecNamespace {
  type: "pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup";
  path?: string;
}

export interface SpecSeccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  syscalls?: SpecSeccompRule[];
}

export interface SpecSeccompRule {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: { index: number; value: number; valueTwo?: number; op: string }[];
}

export interface Spec {
  ociVersion: string;
  process: SpecProcess;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  domainname?: string;
  mounts: SpecMount[];
  annotations?: Record<string, string>;
  linux: {
    namespaces: SpecNamespace[];
    uidMappings?: { containerID: number; hostID: number; size: number }[];
    gidMappings?: { containerID: number; hostID: number; size: number }[];
    devices?: SpecDevice[];
    cgroupsPath?: string;
    resources?: SpecResources;
    seccomp?: SpecSeccomp | undefined;
    sysctl?: Record<string, string>;
    maskedPaths?: string[];
    readonlyPaths?: string[];
    rootfsPropagation?: string;
  };
}
