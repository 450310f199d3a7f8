/** A service of a stack: what its containers are, and how they are built, started, updated and watched. */
import type { BindMount, ImageMount, TmpfsMount, VolumeMount } from "../../core/mounts.ts";
import type { ResourceLimits } from "../../core/resource-limits.ts";
import type { PortMapping } from "../normalise/ports.ts";
import type { ServicePlacement } from "./placement.ts";
import type { StackBuild } from "./stack-build.ts";

export interface Service {
  name: string;
  /** Absent if there are none. */
  unavailable?: Unavailable[];
  files: ServiceFile[];
  image: string;
  pullPolicy: PullPolicy;
  /** How the image is built, if it has a build. */
  build: StackBuild | undefined;
  /** Undefined if the image decides. */
  command: string[] | undefined;
  entrypoint: string[] | undefined;
  environment: Record<string, string>;
  workdir: string | undefined;
  user: string | undefined;
  groups: string[];
  hostname: string | undefined;
  domainname: string;
  mounts: ServiceMount[];
  ports: PortMapping[];
  expose: string[];
  networkMode: "bridge" | "none" | "host" | `service:${string}` | `container:${string}`;
  /** By key of the stack's networks, in order of priority. */
  networks: Record<string, ServiceNetwork>;
  dns: string[];
  dnsSearch: string[];
  dnsOptions: string[];
  extraHosts: string[];
  /** Services whose anonymous volumes it shares; their other mounts are among its own. */
  volumesFrom?: { service: string; isReadOnly: boolean }[];
  /** Containers of this host, of any stack, whose mounts it shares; resolved when the plan is made. */
  containerVolumes?: ContainerVolumes[];
  /** The names by which this service knows other services. */
  links: { service: string; name: string }[];
  /** Containers outside the stack, by the names that this service uses for them. */
  externalLinks: Record<string, string>;
  dependsOn: Record<string, { condition: Condition; required: boolean; restart: boolean }>;
  healthcheck: Healthcheck | undefined;
  restart: { policy: "no" | "always" | "on-failure" | "unless-stopped"; maxRetries: number };
  stopSignal: string | undefined;
  stopGraceMs: number;
  init: boolean;
  readOnly: boolean;
  capAdd: string[];
  capDrop: string[];
  privileged: boolean;
  noNewPrivileges: boolean;
  seccomp: string;
  /** A profile's name, or unconfined; undefined for bay's default. */
  apparmor: string | undefined;
  devices: { source: string; target: string; access: string }[];
  ulimits: Record<string, { soft: number; hard: number }>;
  sysctls: Record<string, string>;
  shmSize: number;
  kernel: KernelOptions;
  hooks: { postStart: Hook[]; preStop: Hook[] };
  /** Undefined if the file does not set it. */
  update: UpdatePolicy | undefined;
  rollback: UpdatePolicy | undefined;
  pidMode: "private" | "host" | `service:${string}` | `container:${string}`;
  ipcMode: "private" | "host" | `service:${string}` | `container:${string}`;
  oomScoreAdj: number;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  resources: ResourceLimits;
  replicas: number;
  /**
   * The numbers of the containers on this host, ascending, of a stack that has other hosts too; `replicas` is their count.
   * A service with none is known to this host only by name. Absent if the numbers are those from 1 to `replicas`.
   */
  numbers?: number[];
  /** In the part of one host: containers of the service run on other hosts, and none here. */
  isElsewhere?: boolean;
  /** Absent if the stack has no hosts. */
  placement?: ServicePlacement;
  /** How the service's name resolves; absent if the file does not say, or if the stack has no hosts. */
  endpointMode?: "vip" | "dnsrr";
  /** Newer tags of the image that the stack uses while it follows a repository. */
  imageUpdate?: ImageUpdate;
  containerName: string | undefined;
  tty: boolean;
  stdinOpen: boolean;
  log: {
    driver: "json-file" | "local" | "none" | "syslog" | "journald";
    maxSize: number | undefined;
    maxFiles: number | undefined;
    /** Options of syslog and journald, by Docker's names. */
    options?: Record<string, string>;
  };
  /** As the file gives it; it never changes a container. */
  platform?: string;
  profiles: string[];
  attach: boolean;
  /** Absent if there are none. They never change a container. */
  watch?: WatchRule[];
}

/** A secret or a config in a service's containers. */
export interface ServiceFile {
  kind: "secret" | "config";
  source: string;
  /** Absolute. */
  target: string;
  /** If absent, the user and group that the container runs as. */
  uid?: number;
  gid?: number;
  mode: number;
}

/** A service's attachment to a network. */
export interface ServiceNetwork {
  aliases: string[];
  ipv4: string | undefined;
  ipv6?: string | undefined;
  mac?: string | undefined;
  /** Undefined for eth0, eth1 and so on. */
  interface?: string | undefined;
  /** The network with the highest priority has the default route. */
  gatewayPriority?: number | undefined;
  /** The container may send from addresses that are not its own. */
  maySpoof?: boolean | undefined;
  /** Bits a second that the container sends and receives at most. */
  rate?: number | undefined;
}

export type Condition = "service_started" | "service_healthy" | "service_completed_successfully";

export interface Healthcheck {
  test: string[] | undefined;
  intervalMs: number | undefined;
  timeoutMs: number | undefined;
  startPeriodMs: number | undefined;
  startIntervalMs: number | undefined;
  retries: number | undefined;
}

/** `source` of a volume is a key of the stack's volumes. */
export type ServiceMount = BindMount | VolumeMount | ImageMount | TmpfsMount;

/** When an image of a registry is pulled; `refresh` if the last pull is older than `afterMs`. */
export type PullPolicy =
  /** `build`: built each time, never pulled. */
  { when: "missing" | "always" | "never" | "build" } | { when: "refresh"; afterMs: number };

/** A limit of one block device, identified by its path. */
export interface DeviceLimit {
  device: string;
  value: number;
}

export interface BlockIo {
  /** 10 to 1000. */
  weight: number | undefined;
  weights: DeviceLimit[];
  /** Bytes or operations a second. */
  readBps: DeviceLimit[];
  writeBps: DeviceLimit[];
  readIops: DeviceLimit[];
  writeIops: DeviceLimit[];
}

/** A command that runs in a container after its start, or before its stop. */
export interface Hook {
  command: string[];
  environment: Record<string, string>;
  user: string | undefined;
  workdir: string | undefined;
  privileged: boolean;
}

/** How new containers replace a service's containers (Compose Deploy specification, update_config). */
export interface UpdatePolicy {
  /** Whether the new container starts before the old one stops. */
  order: "start-first" | "stop-first";
  /** How many containers are replaced at once; 0 for all. */
  parallelism: number;
  /** The pause between groups of containers. */
  delayMs: number;
  /** How long a new container is monitored for failure. */
  monitorMs: number;
  /** What happens to the other containers after a failure. */
  failureAction: "pause" | "continue" | "rollback";
  /** The fraction of containers that may fail before that, 0 to 1. */
  maxFailureRatio: number;
}

export interface KernelOptions {
  utsMode: "private" | "host";
  cgroupMode: "private" | "host";
  /** The parent cgroup of the container's cgroup, from the root. */
  cgroupParent?: string;
  /** Device rules such as `c 1:3 rwm`. */
  deviceRules: string[];
  /** 0 to 100. */
  swappiness: number | undefined;
  oomKillDisable: boolean;
  /** What /proc says of memory and processors: the host's, or the container's limits. Undefined for bayd's setting. */
  procView?: "host" | "limits";
  blockIo: BlockIo | undefined;
}

/** A feature that a service needs and this host lacks: the file loads, but the service cannot run. */
export interface Unavailable {
  key: "gpus" | "runtime" | "platform" | "devices";
  value: unknown;
  /** Includes the place in the file. */
  message: string;
}

export interface ContainerVolumes {
  /** A container's name or ID. */
  container: string;
  isReadOnly: boolean;
  /** `bay.yaml:4:7`, if known; it may be the place of another service's volumes_from. */
  where: string;
  /** Targets that the intermediate service mounts itself, if the volumes are inherited through another service. */
  covered?: string[];
}

/** A rule of `develop.watch`: which files of the host are watched, and what a change does. */
export interface WatchRule {
  /** `bay.yaml:4:7: services.web.develop.watch.0`, or without the place if it is not known. */
  where?: string;
  /** A file or directory of the host, as an absolute path. */
  path: string;
  action: "rebuild" | "sync" | "restart" | "sync+restart" | "sync+exec";
  /** The absolute path in the container; undefined for actions without sync. */
  target: string | undefined;
  /** Patterns in the syntax of .dockerignore, relative to the path. */
  ignore: string[];
  /** If not empty, only files that match a pattern count. */
  include: string[];
  initialSync: boolean;
  exec: Hook | undefined;
}

/** How newer tags are chosen: the highest version in a range, or the highest part in the place of `*`. */
export type ImageUpdate = ({ policy: "semver"; range: string } | { policy: "newest"; pattern: string }) & {
  intervalMs?: number | undefined;
};
