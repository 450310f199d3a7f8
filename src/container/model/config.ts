/** What a container should be: the flat, comparable description that is planned, recorded and run. */

export interface HealthConfig {
  /** ["CMD", …] or ["CMD-SHELL", "…"]. */
  test: string[];
  intervalMs: number;
  timeoutMs: number;
  startPeriodMs: number;
  startIntervalMs: number;
  retries: number;
}

/** What an image has. */
export interface ImageMount {
  type: "image";
  source: string;
  /** Which image of that name. */
  imageId: string;
  target: string;
  readOnly: true;
  subpath?: string;
}

export type MountConfig =
  | {
      type: "bind";
      source: string;
      target: string;
      readOnly: boolean;
      recursive: boolean;
      createSource: boolean;
      /** slave: mounts that come at the source later are seen; shared: and those of the container are seen at the source. */
      propagation?: "slave" | "shared" | undefined;
      /** Its files are labelled for all containers (z), or for this one (Z). */
      selinux?: "z" | "Z";
    }
  | {
      type: "volume";
      source: string;
      target: string;
      readOnly: boolean;
      noCopy: boolean;
      selinux?: "z" | "Z";
      /** The part of the volume that is mounted. */
      subpath?: string;
      /** Where the volume is, if bay does not keep it itself. */
      device?: string;
      /** The container whose anonymous volume it is. */
      from?: string;
      /** The image says it, so that a volume of another container comes before it. */
      isOfImage?: true;
    }
  | ImageMount
  | { type: "tmpfs"; target: string; options: string[] };

/** A file that bay gives a container; what it says is kept by its digest (secret-files.ts). */
export interface FileConfig {
  kind: "secret" | "config";
  /** In the stack. */
  name: string;
  target: string;
  /** sha256, in hex. */
  digest: string;
  /** Absent: those of the user that the container runs as. */
  uid?: number;
  gid?: number;
  mode: number;
}

export interface PortConfig {
  hostAddress: string;
  /** Undefined: one that is free is chosen at start. */
  hostPort: number | undefined;
  /** The last of a range from `hostPort` on, of which the first that is free is chosen at start. */
  hostPortEnd?: number;
  containerPort: number;
  protocol: "tcp" | "udp";
}

export interface AttachmentConfig {
  network: string;
  aliases: string[];
  ipv4: string | undefined;
  ipv6?: string | undefined;
  mac?: string | undefined;
  /** Undefined for eth0, eth1 … */
  interface?: string | undefined;
  /** The default route goes by the network of which this is highest. */
  gatewayPriority?: number | undefined;
  /** It may send from addresses that are not its own. */
  maySpoof?: boolean | undefined;
}

export interface DeviceConfig {
  source: string;
  target: string;
  access: string;
}

/** A command that runs in the container after its start, or before its stop. */
export interface HookConfig {
  args: string[];
  env: string[];
  /** Undefined for the container's own. */
  user: string | undefined;
  workdir: string | undefined;
  privileged: boolean;
}

/** Rarer options of the kernel; absent where they are as usual. */
export interface KernelConfig {
  utsMode?: "host";
  cgroupMode?: "host";
  /** The group that the container's is put below, from the root; bay's own where it is absent. */
  cgroupParent?: string;
  /** `c 1:3 rwm`, besides those of the devices. */
  deviceRules?: string[];
  swappiness?: number;
  oomKillDisable?: true;
  blockIo?: BlockIoConfig;
}

/** Limits of block devices, which are named by their paths. */
export interface BlockIoConfig {
  weight?: number | undefined;
  weights: DeviceLimit[];
  /** Bytes or operations a second. */
  readBps: DeviceLimit[];
  writeBps: DeviceLimit[];
  readIops: DeviceLimit[];
  writeIops: DeviceLimit[];
}

export interface DeviceLimit {
  device: string;
  value: number;
}

/** Limits that change on the live container. 0 or absent means none. */
export interface ResourceConfig {
  /** CPUs as a number: 0.5 is half of one. */
  cpus: number | undefined;
  cpuShares: number | undefined;
  cpuset: string | undefined;
  memory: number | undefined;
  memoryReservation: number | undefined;
  /** Memory plus swap; -1 for no limit of swap. */
  memorySwap: number | undefined;
  pids: number | undefined;
}

export interface ContainerConfig {
  name: string;
  image: string;
  imageId: string;
  /** Entry point and command, as they are executed. */
  args: string[];
  env: string[];
  workdir: string;
  user: string;
  groups: string[];
  hostname: string;
  domainname: string;
  mounts: MountConfig[];
  /** Containers whose anonymous volumes it has, where it has nothing itself. */
  volumesFrom?: { container: string; readOnly: boolean }[];
  /** Secrets and configs. */
  files?: FileConfig[];
  ports: PortConfig[];
  /** Other containers, or services, by the names that this one alone has for them. */
  externalLinks?: Record<string, string>;
  exposed: string[];
  /** bridge: the networks below; `container:NAME` shares another container's. */
  networkMode: "bridge" | "none" | "host" | `container:${string}`;
  networks: AttachmentConfig[];
  dns: string[];
  dnsSearch: string[];
  dnsOptions: string[];
  extraHosts: string[];
  health: HealthConfig | undefined;
  restart: { policy: "no" | "always" | "on-failure" | "unless-stopped"; maxRetries: number };
  stopSignal: string;
  stopGraceMs: number;
  init: boolean;
  readOnly: boolean;
  capAdd: string[];
  capDrop: string[];
  privileged: boolean;
  noNewPrivileges: boolean;
  /** "default", "unconfined", or a profile as JSON text. */
  seccomp: string;
  /** A profile of AppArmor, or unconfined; absent for bay's own. */
  apparmor?: string;
  devices: DeviceConfig[];
  ulimits: Record<string, { soft: number; hard: number }>;
  sysctls: Record<string, string>;
  shmSize: number;
  kernel?: KernelConfig;
  hooks?: { postStart: HookConfig[]; preStop: HookConfig[] };
  /** `container:NAME` shares another container's processes. */
  pidMode: "private" | "host" | `container:${string}`;
  ipcMode: "private" | "host" | `container:${string}`;
  oomScoreAdj: number;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  resources: ResourceConfig;
  tty: boolean;
  /** The size of its terminal at the start; 24 lines of 80 columns where it is absent. */
  consoleSize?: { height: number; width: number };
  stdinOpen: boolean;
  /** End of input is end of file for the container: `run` without a terminal. */
  stdinOnce: boolean;
  /** Remove it some moments after its end: `run --rm`. */
  autoRemove?: boolean;
  log: {
    driver: "json-file" | "local" | "none" | "syslog" | "journald";
    maxSize: number | undefined;
    maxFiles: number | undefined;
    /** Of syslog and journald, by Docker's names. */
    options?: Record<string, string>;
  };
}

export const LABELS = {
  stack: "com.docker.compose.project",
  service: "com.docker.compose.service",
  number: "com.docker.compose.container-number",
  oneOff: "com.docker.compose.oneoff",
  workingDirectory: "com.docker.compose.project.working_dir",
  configFiles: "com.docker.compose.project.config_files",
  network: "com.docker.compose.network",
  volume: "com.docker.compose.volume",
  version: "com.docker.compose.version",
  dependsOn: "com.docker.compose.depends_on",
  configHash: "com.docker.compose.config-hash",
} as const;

/** Names of the volumes that a container has. */
export const volumesOf = ({ mounts }: Pick<ContainerConfig, "mounts">): string[] =>
  mounts.flatMap((mount) => (mount.type === "volume" ? [mount.source] : []));

/** IDs of the images that a container runs and mounts. */
export const imagesOf = ({ imageId, mounts }: Pick<ContainerConfig, "imageId" | "mounts">): string[] => [
  imageId,
  ...mounts.flatMap((mount) => (mount.type === "image" ? [mount.imageId] : [])),
];

/** Mounts as they were asked for: anonymous volumes have no names then. */
export function withoutAnonymousNames(
  mounts: readonly MountConfig[],
  anonymousVolumes: readonly string[],
): MountConfig[] {
  const own = mounts.filter((mount) => mount.type !== "volume" || mount.from === undefined);
  return own.map((mount) =>
    mount.type === "volume" && anonymousVolumes.includes(mount.source) ? { ...mount, source: "" } : mount,
  );
}
