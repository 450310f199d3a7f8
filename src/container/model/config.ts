/** What a container should be: the flat, comparable description that is planned, recorded and run. */
import type { BindMount, ImageMount as ImageMountShape, TmpfsMount, VolumeMount } from "../../core/mounts.ts";
import type { ResourceLimits } from "../../core/resource-limits.ts";

export interface HealthConfig {
  /** ["CMD", …] or ["CMD-SHELL", "…"]. */
  test: string[];
  intervalMs: number;
  timeoutMs: number;
  startPeriodMs: number;
  startIntervalMs: number;
  retries: number;
}

/** A mount of an image. */
export interface ImageMount extends ImageMountShape {
  /** The ID of the image that the name resolved to. */
  imageId: string;
}

export type MountConfig =
  | BindMount
  | (VolumeMount & {
      /** The path of the volume, if bay does not store it itself. */
      device?: string;
      /** The container whose anonymous volume it is. */
      from?: string;
      /** The image declares it, so a volume of another container takes precedence. */
      isOfImage?: true;
    })
  | ImageMount
  | TmpfsMount;

/** A file that bay provides to a container; its content is stored by digest (secret-files.ts). */
export interface FileConfig {
  kind: "secret" | "config";
  /** The name in the stack. */
  name: string;
  target: string;
  /** sha256, in hex. */
  digest: string;
  /** Absent for the user that the container runs as. */
  uid?: number;
  gid?: number;
  mode: number;
}

export interface PortConfig {
  hostAddress: string;
  /** Undefined to choose a free one at start. */
  hostPort: number | undefined;
  /** The last port of a range that begins with `hostPort`; the first free one is chosen at start. */
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
  /** The default route uses the network with the highest priority. */
  gatewayPriority?: number | undefined;
  /** The container may send from addresses that are not its own. */
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
  /** Undefined for the container's user. */
  user: string | undefined;
  workdir: string | undefined;
  privileged: boolean;
}

/** Less common kernel options; absent for the defaults. */
export interface KernelConfig {
  utsMode?: "host";
  cgroupMode?: "host";
  /** The parent cgroup, as a path from the root; absent for bay's own. */
  cgroupParent?: string;
  /** `c 1:3 rwm`, in addition to those of the devices. */
  deviceRules?: string[];
  swappiness?: number;
  oomKillDisable?: true;
  /** What /proc says of memory and processors; absent for bayd's setting. */
  procView?: "host" | "limits";
  blockIo?: BlockIoConfig;
}

/** Limits of block devices, by path. */
export interface BlockIoConfig {
  weight?: number | undefined;
  weights: DeviceLimit[];
  /** Bytes or operations per second. */
  readBps: DeviceLimit[];
  writeBps: DeviceLimit[];
  readIops: DeviceLimit[];
  writeIops: DeviceLimit[];
}

export interface DeviceLimit {
  device: string;
  value: number;
}

/** Limits that can change while the container runs. 0 or absent means no limit. */
export interface ContainerConfig {
  name: string;
  image: string;
  imageId: string;
  /** Entry point and command together. */
  args: string[];
  env: string[];
  workdir: string;
  user: string;
  groups: string[];
  hostname: string;
  domainname: string;
  mounts: MountConfig[];
  /** Containers whose anonymous volumes are mounted, unless the container has a mount at the same path. */
  volumesFrom?: { container: string; readOnly: boolean }[];
  /** Secrets and configs. */
  files?: FileConfig[];
  ports: PortConfig[];
  /** Other containers or services, by names that only this container can resolve. */
  externalLinks?: Record<string, string>;
  exposed: string[];
  /** bridge: the networks below; `container:NAME` shares another container's network. */
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
  /** The name of an AppArmor profile, or "unconfined"; absent for bay's own. */
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
  resources: ResourceLimits;
  tty: boolean;
  /** The initial size of its terminal; 24 lines of 80 columns if absent. */
  consoleSize?: { height: number; width: number };
  stdinOpen: boolean;
  /** The end of the client's input closes the container's: `run` without a terminal. */
  stdinOnce: boolean;
  /** Remove it moments after its end: `run --rm`. */
  autoRemove?: boolean;
  log: {
    driver: "json-file" | "local" | "none" | "syslog" | "journald";
    maxSize: number | undefined;
    maxFiles: number | undefined;
    /** For syslog and journald, with Docker's names. */
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

/** Names of the volumes that a container uses. */
export const volumesOf = ({ mounts }: Pick<ContainerConfig, "mounts">): string[] =>
  mounts.flatMap((mount) => (mount.type === "volume" ? [mount.source] : []));

/** IDs of the image that a container runs and of those that it mounts. */
export const imagesOf = ({ imageId, mounts }: Pick<ContainerConfig, "imageId" | "mounts">): string[] => [
  imageId,
  ...mounts.flatMap((mount) => (mount.type === "image" ? [mount.imageId] : [])),
];

/** Mounts as they were requested, where anonymous volumes have no names. */
export function withoutAnonymousNames(
  mounts: readonly MountConfig[],
  anonymousVolumes: readonly string[],
): MountConfig[] {
  const own = mounts.filter((mount) => mount.type !== "volume" || mount.from === undefined);
  return own.map((mount) =>
    mount.type === "volume" && anonymousVolumes.includes(mount.source) ? { ...mount, source: "" } : mount,
  );
}
