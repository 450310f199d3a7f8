/** A stack as its files describe it: normalised, in final units, with nothing left to look up but images. */
import type { BridgeOptions } from "../../core/bridge-options.ts";
import type { PortMapping } from "../normalise/ports.ts";

export interface Stack {
  name: string;
  directory: string;
  files: string[];
  services: Record<string, Service>;
  /** Services of the file whose profiles are off. */
  disabled: string[];
  networks: Record<string, StackNetwork>;
  volumes: Record<string, StackVolume>;
  images: Record<string, StackImage>;
  secrets: Record<string, GivenContent>;
  configs: Record<string, GivenContent>;
}

/** Where a secret or a config comes from. What a secret says is shown nowhere. */
export type GivenContent = (
  | { file: string }
  | { environment: string; value: string | undefined }
  | { content: string }
) & {
  /** sha256 of the content, in hex; empty where it could not be read, which a build may do without. */
  digest: string;
};

/** A secret or a config in a service's containers. */
export interface ServiceFile {
  kind: "secret" | "config";
  source: string;
  /** Absolute. */
  target: string;
  /** Absent: those of the user that the container runs as. */
  uid?: number;
  gid?: number;
  mode: number;
}

/** A service's place in a network. */
export interface ServiceNetwork {
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

export type Condition = "service_started" | "service_healthy" | "service_completed_successfully";

export interface Healthcheck {
  test: string[] | undefined;
  intervalMs: number | undefined;
  timeoutMs: number | undefined;
  startPeriodMs: number | undefined;
  startIntervalMs: number | undefined;
  retries: number | undefined;
}

export type ServiceMount =
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
  /** `source` is a key of the stack's volumes, or empty for an anonymous volume. */
  | {
      type: "volume";
      source: string;
      target: string;
      readOnly: boolean;
      noCopy: boolean;
      selinux?: "z" | "Z";
      /** The part of the volume that is mounted. */
      subpath?: string;
    }
  /** What an image has, read-only. */
  | { type: "image"; source: string; target: string; readOnly: true; subpath?: string }
  | { type: "tmpfs"; target: string; options: string[] };

export interface StackBuild {
  /** An absolute path, or a URL. */
  context: string;
  /** As it is written, relative to the folder; undefined where the text is given. */
  dockerfile: string | undefined;
  inline: string | undefined;
  args: Record<string, string>;
  target: string | undefined;
  /** Files and images by name: an absolute path, a URL, `docker-image://NAME`, or `service:NAME`. */
  contexts: Record<string, string>;
  cacheFrom: string[];
  cacheTo: string[];
  noCache: boolean;
  noCacheFilter: string[];
  pull: boolean;
  labels: Record<string, string>;
  /** Names of the stack's secrets, by the ID that RUN --mount has. */
  secrets: Record<string, string>;
  network: "bridge" | "host" | "none";
  shmSize: number | undefined;
  extraHosts: string[];
  /** Agents' sockets by ID. */
  ssh: Record<string, string>;
  tags: string[];
  platform: string | undefined;
  ulimits: Record<string, { soft: number; hard: number }>;
  insecure: boolean;
  hostNetwork: boolean;
}

/** When an image of a registry is pulled; `refresh` where the last pull is longer ago than `afterMs`. */
export type PullPolicy =
  /** `build`: built each time, and never pulled. */
  { when: "missing" | "always" | "never" | "build" } | { when: "refresh"; afterMs: number };

/** A limit of one block device, which is named by its path. */
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

/** A command in a container after its start, or before its stop. */
export interface Hook {
  command: string[];
  environment: Record<string, string>;
  user: string | undefined;
  workdir: string | undefined;
  privileged: boolean;
}

/** How a service's containers are replaced by new ones (Compose Deploy specification, update_config). */
export interface UpdatePolicy {
  /** Whether the new container is there before the old one stops. */
  order: "start-first" | "stop-first";
  /** Containers at once; 0 for all. */
  parallelism: number;
  /** Between one group of containers and the next. */
  delayMs: number;
  /** How long a new container is watched before it counts as good. */
  monitorMs: number;
  /** What becomes of the others once one has failed. */
  failureAction: "pause" | "continue" | "rollback";
  /** The part of the containers that may fail before that, 0 to 1. */
  maxFailureRatio: number;
}

export interface KernelOptions {
  utsMode: "private" | "host";
  cgroupMode: "private" | "host";
  /** The control group that the container's is put below, from the root. */
  cgroupParent?: string;
  /** `c 1:3 rwm`. */
  deviceRules: string[];
  /** 0 to 100. */
  swappiness: number | undefined;
  oomKillDisable: boolean;
  blockIo: BlockIo | undefined;
}

/** What a service asks for and this host cannot give: the file can be read, and the service not be run. */
export interface Unavailable {
  key: "gpus" | "runtime" | "platform" | "devices";
  value: unknown;
  /** With the place in the file. */
  message: string;
}

export interface ContainerVolumes {
  /** A name or an ID. */
  container: string;
  isReadOnly: boolean;
  /** `bay.yaml:4:7`, where the file has it; the service whose volumes_from says it may be another. */
  where: string;
  /** Targets that the service between has itself, where the volumes come by another service. */
  covered?: string[];
}

/** A driver of networks, addresses or volumes that this host lacks: the file can be read, and no service use it. */
export interface MissingDriver {
  /** Absent where it is the usual one, and that of the addresses is missing. */
  driver?: string;
  ipamDriver?: string;
  options: Record<string, string>;
  /** With the place in the file. */
  message: string;
}

export interface Service {
  name: string;
  /** Absent where there is nothing. */
  unavailable?: Unavailable[];
  files: ServiceFile[];
  image: string;
  pullPolicy: PullPolicy;
  /** How the image is built, where it is. */
  build: StackBuild | undefined;
  /** Undefined where the image decides. */
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
  /** Services whose anonymous volumes it has too; their other mounts are among its own. */
  volumesFrom?: { service: string; isReadOnly: boolean }[];
  /** Containers of this host, of whatever stack, whose mounts it has too; read when the plan is made. */
  containerVolumes?: ContainerVolumes[];
  /** Other services' names as this one knows them. */
  links: { service: string; name: string }[];
  /** Containers of others, by the names that this service has for them. */
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
  /** A profile's name, or unconfined; undefined for bay's own. */
  apparmor: string | undefined;
  devices: { source: string; target: string; access: string }[];
  ulimits: Record<string, { soft: number; hard: number }>;
  sysctls: Record<string, string>;
  shmSize: number;
  kernel: KernelOptions;
  hooks: { postStart: Hook[]; preStop: Hook[] };
  /** Undefined where the file does not say. */
  update: UpdatePolicy | undefined;
  rollback: UpdatePolicy | undefined;
  pidMode: "private" | "host" | `service:${string}` | `container:${string}`;
  ipcMode: "private" | "host" | `service:${string}` | `container:${string}`;
  oomScoreAdj: number;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  resources: {
    cpus: number | undefined;
    cpuShares: number | undefined;
    cpuset: string | undefined;
    memory: number | undefined;
    memoryReservation: number | undefined;
    memorySwap: number | undefined;
    pids: number | undefined;
  };
  replicas: number;
  containerName: string | undefined;
  tty: boolean;
  stdinOpen: boolean;
  log: {
    driver: "json-file" | "local" | "none" | "syslog" | "journald";
    maxSize: number | undefined;
    maxFiles: number | undefined;
    /** Of syslog and journald, by Docker's names. */
    options?: Record<string, string>;
  };
  profiles: string[];
  attach: boolean;
}

export interface StackSubnet {
  subnet: string | undefined;
  gateway: string | undefined;
  /** The part of the subnet that containers get addresses from. */
  range?: string;
  /** Addresses of others, by name. */
  reserved?: Record<string, string>;
}

/** The subnet of `StackSubnet` is the first one of IPv4. */
export interface StackNetwork extends StackSubnet {
  /** The name on the host. */
  name: string;
  external: boolean;
  internal: boolean;
  /** Whether containers have an IPv6 address too. */
  ipv6?: boolean;
  /** More subnets of IPv4, and those of IPv6. */
  further?: StackSubnet[];
  options?: BridgeOptions;
  missingDriver?: MissingDriver;
  mtu: number | undefined;
  labels: Record<string, string>;
}

export interface StackVolume {
  name: string;
  external: boolean;
  /** A folder of the host that is the volume; absent where bay keeps it. */
  device?: string | undefined;
  /** A file system that is the volume, as mount(8) takes it. */
  mount?: { type: string; device: string; options: string } | undefined;
  missingDriver?: MissingDriver;
  labels: Record<string, string>;
}

export interface StackImage {
  source:
    | { kind: "host"; entries: string[]; users: string[] }
    | { kind: "rootfs"; path: string }
    | { kind: "archive"; path: string; reference: string | undefined }
    | {
        kind: "apt";
        suite: string;
        components: string[];
        packages: string[];
        mirror: string | undefined;
        snapshot: string | undefined;
        keep: ("docs" | "man" | "locales" | "lists")[];
      };
  base: string;
  config: {
    Entrypoint?: string[];
    Cmd?: string[];
    Env?: string[];
    WorkingDir?: string;
    User?: string;
    ExposedPorts?: Record<string, object>;
    Volumes?: Record<string, object>;
    Labels?: Record<string, string>;
    StopSignal?: string;
    Healthcheck?: {
      Test?: string[] | undefined;
      Interval?: number | undefined;
      Timeout?: number | undefined;
      StartPeriod?: number | undefined;
      StartInterval?: number | undefined;
      Retries?: number | undefined;
    };
  };
}
