/**
 * The stack file as zod schemas: Compose's keys that bay supports, and bay's own top-level `images`. The JSON
 * Schema for editors is generated from these. Keys of Compose that are not here yet are listed in unsupported.ts.
 */
import { z } from "zod";
import { hostChoice, hostsSchema } from "./hosts.ts";

const stringOrNumber = z.union([z.string(), z.number()]);
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const boolean = z.union([z.boolean(), z.enum(["true", "false", "yes", "no", "on", "off"])], {
  error: "expected true or false",
});
const integer = z.union(
  [z.number().int(), z.string().regex(/^-?\d+$/, { error: "expected a whole number" })],
  {
    error: "expected a whole number",
  },
);
const number = z.union([z.number(), z.string().regex(/^\d+(\.\d+)?$/, { error: "expected a number" })], {
  error: "expected a number",
});
const bytes = z
  .union([z.number(), z.string()], { error: "expected a size such as 64m" })
  .describe("A size in bytes, or with a unit: 512k, 64m, 1g");
const duration = z
  .union([z.string(), z.number()], { error: "expected a duration such as 10s" })
  .describe("A duration: 500ms, 10s, 1m30s");
const strings = z.union([z.string(), z.array(stringOrNumber)], {
  error: "expected a string or a list of strings",
});
const list = z.array(stringOrNumber, { error: "expected a list" });
const listOrMap = z.union([list, z.record(z.string(), scalar)], {
  error: "expected a list of NAME=value or a mapping",
});
const command = z.union([z.string(), z.array(stringOrNumber), z.null()], {
  error: "expected a string or a list of strings",
});

const healthcheck = z.strictObject({
  test: z
    .union([z.string(), z.array(z.string())], { error: "expected a command as a string or list" })
    .optional(),
  interval: duration.optional(),
  timeout: duration.optional(),
  retries: integer.optional(),
  start_period: duration.optional(),
  start_interval: duration.optional(),
  disable: boolean.optional(),
});

const longPort = z.strictObject({
  target: integer,
  published: stringOrNumber.optional(),
  host_ip: z.string().optional(),
  protocol: z.enum(["tcp", "udp"]).optional(),
  mode: z.enum(["host", "ingress"]).optional(),
  name: z.string().optional(),
  app_protocol: z.string().optional(),
});

const longVolume = z.strictObject({
  type: z.enum(["bind", "volume", "tmpfs", "image"]),
  source: z.string().optional(),
  target: z.string(),
  read_only: boolean.optional(),
  bind: z
    .strictObject({
      create_host_path: boolean.optional(),
      recursive: z.enum(["enabled", "disabled"]).optional(),
      propagation: z.enum(["private", "rprivate", "slave", "rslave", "shared", "rshared"]).optional(),
      selinux: z.enum(["z", "Z"]).optional(),
    })
    .optional(),
  consistency: z.string().optional().describe("For Docker Desktop; no effect in bay"),
  volume: z
    .strictObject({
      nocopy: boolean.optional(),
      labels: listOrMap.optional(),
      subpath: z.string().optional().describe("A path inside the volume to mount; it must exist"),
    })
    .optional(),
  tmpfs: z.strictObject({ size: bytes.optional(), mode: integer.optional() }).optional(),
  image: z
    .strictObject({
      subpath: z.string().optional().describe("A path inside the image to mount; it must exist"),
    })
    .optional(),
});

const dependency = z.strictObject({
  condition: z.enum(["service_started", "service_healthy", "service_completed_successfully"]).optional(),
  required: boolean.optional(),
  restart: boolean.optional(),
});

const attachment = z.union(
  [
    z.strictObject({
      aliases: list.optional(),
      ipv4_address: z.string().optional(),
      ipv6_address: z.string().optional(),
      priority: number.optional(),
      mac_address: z.string().optional(),
      interface_name: z
        .string()
        .regex(/^[a-zA-Z0-9_.-]{1,15}$/, { error: "expected at most 15 letters, digits, _ . -" })
        .optional(),
      gw_priority: number
        .optional()
        .describe("The network with the highest value provides the default route"),
      "x-bay-rate": stringOrNumber
        .optional()
        .describe("Maximum rate at which a container sends and receives: 512kbit, 10mbit, 1gbit"),
    }),
    z.null(),
  ],
  { error: "expected a mapping with aliases, ipv4_address, priority" },
);

const limits = z.strictObject({
  cpus: number.optional(),
  memory: bytes.optional(),
  pids: integer.optional(),
});

const updateConfig = z.strictObject({
  parallelism: integer.optional().describe("Number of containers replaced at the same time; 0 for all"),
  delay: duration.optional().describe("Delay between groups of containers"),
  failure_action: z
    .enum(["pause", "continue", "rollback"], { error: "expected pause, continue or rollback" })
    .optional()
    .describe("The action if a container fails"),
  monitor: duration
    .optional()
    .describe("How long a new container is monitored before it counts as successful"),
  max_failure_ratio: number.optional().describe("The ratio of containers that may fail, 0 to 1"),
  order: z
    .enum(["start-first", "stop-first"], { error: "expected start-first or stop-first" })
    .optional()
    .describe("start-first: the new container becomes healthy before the old one stops"),
});

/** A device that a driver finds, such as a GPU. */
const deviceRequest = z.strictObject({
  capabilities: z.array(z.string()).optional().describe("Required capabilities of the device: gpu, tpu"),
  driver: z.string().optional(),
  count: z.union([z.string(), z.number().int()]).optional().describe("How many devices, or all"),
  device_ids: z.array(z.string()).optional().describe("IDs of the devices"),
  options: listOrMap.optional().describe("Options of the driver"),
});

const deploy = z.strictObject({
  update_config: updateConfig.optional().describe("The update policy"),
  rollback_config: updateConfig.optional().describe("The rollback policy"),
  mode: z.enum(["replicated", "global"]).optional().describe("global runs one container per host"),
  replicas: integer.optional(),
  labels: listOrMap.optional().describe("Labels of the service, not of its containers"),
  endpoint_mode: z.enum(["vip", "dnsrr"]).optional(),
  placement: z
    .strictObject({
      constraints: list.optional(),
      preferences: z.array(z.strictObject({ spread: z.string().optional() })).optional(),
      max_replicas_per_node: integer.optional(),
    })
    .optional(),
  restart_policy: z
    .strictObject({
      condition: z
        .enum(["none", "no", "on-failure", "any", "always", "unless-stopped"], {
          error: "expected none, on-failure or any",
        })
        .optional(),
      delay: duration.optional(),
      max_attempts: integer.optional(),
      window: duration.optional(),
    })
    .optional()
    .describe("Used if restart is not set"),
  resources: z
    .strictObject({
      limits: limits.optional(),
      reservations: z
        .strictObject({
          cpus: number.optional(),
          memory: bytes.optional(),
          devices: z
            .array(deviceRequest)
            .optional()
            .describe("Not supported yet: bay up rejects the service"),
        })
        .optional(),
    })
    .optional(),
});

const envFile = z.union(
  [
    z.string(),
    z.array(
      z.union([
        z.string(),
        z.strictObject({
          path: z.string(),
          required: boolean.optional(),
          format: z.enum(["raw"]).optional(),
        }),
      ]),
    ),
  ],
  { error: "expected a path or a list of paths" },
);

const ulimit = z.union([integer, z.strictObject({ soft: integer, hard: integer })], {
  error: "expected a number, or soft and hard",
});

const hook = z.strictObject({
  command: z.union([z.string(), z.array(stringOrNumber)]),
  user: stringOrNumber.optional(),
  privileged: boolean.optional(),
  working_dir: z.string().optional(),
  environment: listOrMap.optional(),
});
const hooks = z.array(hook);

/** The configuration of `bay watch`; `up` without --watch ignores it. */
const develop = z.strictObject({
  watch: z
    .array(
      z.strictObject({
        path: z.string(),
        action: z.enum(["rebuild", "sync", "restart", "sync+restart", "sync+exec"]),
        target: z.string().optional(),
        ignore: strings.optional(),
        include: strings.optional(),
        initial_sync: boolean.optional(),
        exec: hook.optional(),
      }),
    )
    .optional(),
});

const deviceRates = z.array(z.strictObject({ path: z.string(), rate: stringOrNumber }));

/** A service's or a build's use of a secret. */
const secretUse = z.union(
  [
    z.string(),
    z.strictObject({
      source: z.string(),
      target: z.string().optional(),
      uid: stringOrNumber.optional(),
      gid: stringOrNumber.optional(),
      mode: stringOrNumber.optional(),
    }),
  ],
  { error: "expected the name of a secret, or a mapping with source" },
);

const external = z
  .union([boolean, z.strictObject({ name: z.string().optional() })], { error: "expected true or false" })
  .optional()
  .describe("It exists outside of the stack, which neither creates nor removes it");

const givenFile = {
  name: z.string().optional(),
  file: z.string().optional().describe("Path of the file with the content"),
  environment: z.string().optional().describe("Environment variable with the content"),
  external,
  labels: listOrMap.optional(),
};
const secretSchema = z.strictObject(givenFile);
const configSchema = z.strictObject({
  ...givenFile,
  content: z.string().optional().describe("The content, in which variables are replaced"),
});

const buildSchema = z.strictObject({
  context: z
    .string()
    .optional()
    .describe("The directory with the build's files, or an archive, a git repository or a URL"),
  dockerfile: z.string().optional(),
  dockerfile_inline: z.string().optional().describe("The text of the Dockerfile"),
  args: listOrMap.optional(),
  target: z.string().optional(),
  additional_contexts: listOrMap.optional(),
  cache_from: z.array(z.string()).optional().describe("Build caches to import"),
  cache_to: z.array(z.string()).optional().describe("Destinations of the exported build cache"),
  no_cache: boolean.optional(),
  no_cache_filter: strings.optional().describe("Stages that do not use the cache"),
  pull: boolean.optional(),
  labels: listOrMap.optional(),
  network: z.string().optional(),
  secrets: z.array(secretUse).optional().describe("Secrets for RUN --mount=type=secret"),
  shm_size: stringOrNumber.optional(),
  extra_hosts: z.union([list, z.record(z.string(), strings)]).optional(),
  ssh: listOrMap.optional(),
  tags: z.array(z.string()).optional(),
  platforms: z.array(z.string()).optional(),
  ulimits: z.record(z.string(), ulimit).optional(),
  privileged: boolean.optional(),
  entitlements: z.array(z.string()).optional(),
});

/** Resolved before the rest is checked. */
export const extendsSchema = z.union([
  z.string(),
  z.strictObject({ service: z.string(), file: z.string().optional() }),
]);
const paths = z.union([z.string(), z.array(z.string()).min(1)]);
export const includedSchema = z.union([
  z.string(),
  z.strictObject({
    path: paths,
    project_directory: z.string().optional(),
    env_file: paths.optional(),
  }),
]);
export const includeSchema = z.array(includedSchema);

export const serviceSchema = z.strictObject({
  "x-bay": z
    .strictObject({
      spoofing: z
        .enum(["allow", "deny"], { error: "expected allow or deny" })
        .optional()
        .describe("allow: containers may send packets with other source addresses, as a router does"),
      host: hostChoice.optional().describe("The same as host, for files that Docker Compose reads too"),
    })
    .optional()
    .describe("Extensions of bay"),
  host: hostChoice
    .optional()
    .describe("The host that the containers run on, or several hosts: names under the top-level hosts"),
  extends: extendsSchema.optional().describe("A service of this or another file to inherit from"),
  build: z
    .union([z.string(), buildSchema], { error: "expected a directory, or a mapping with context" })
    .optional()
    .describe("How to build the image; its name is image, or STACK-SERVICE"),
  image: z
    .string()
    .optional()
    .describe("The image: a name under the top-level images, or a reference to a registry"),
  command: command.optional(),
  entrypoint: command.optional(),
  secrets: z.array(secretUse).optional().describe("Secrets, mounted as files below /run/secrets"),
  configs: z.array(secretUse).optional().describe("Configs, mounted as files; default target: below /"),
  environment: listOrMap.optional(),
  env_file: envFile.optional(),
  working_dir: z.string().optional(),
  user: stringOrNumber.optional(),
  group_add: list.optional(),
  hostname: z.string().optional(),
  domainname: z.string().optional(),
  volumes: z
    .array(
      z.union([z.string(), longVolume], {
        error: "expected SOURCE:TARGET or a mapping with type and target",
      }),
    )
    .optional(),
  tmpfs: strings.optional(),
  ports: z
    .array(
      z.union([stringOrNumber, longPort], { error: "expected PUBLISHED:TARGET or a mapping with target" }),
    )
    .optional(),
  expose: list.optional(),
  networks: z
    .union([list, z.record(z.string(), attachment)], { error: "expected a list or mapping of networks" })
    .optional(),
  network_mode: z.string().optional(),
  dns: strings.optional(),
  dns_search: strings.optional(),
  dns_opt: list.optional(),
  extra_hosts: z.union([list, z.record(z.string(), z.union([z.string(), list]))]).optional(),
  external_links: z
    .array(z.string())
    .optional()
    .describe("CONTAINER or CONTAINER:NAME of another stack, on a shared network"),
  links: z
    .array(z.string())
    .optional()
    .describe("SERVICE or SERVICE:NAME: started first, and reachable by this name"),
  depends_on: z
    .union([z.array(z.string()), z.record(z.string(), dependency)], {
      error: "expected a list of services, or a mapping with conditions",
    })
    .optional(),
  healthcheck: healthcheck.optional(),
  post_start: hooks.optional().describe("Commands to run in the container after each start"),
  pre_stop: hooks.optional().describe("Commands to run in the container before it stops"),
  restart: z
    .string()
    .regex(/^(no|always|unless-stopped|on-failure(:\d+)?)$/, {
      error: "expected no, always, unless-stopped, on-failure or on-failure:N",
    })
    .optional(),
  stop_signal: stringOrNumber.optional(),
  stop_grace_period: duration.optional(),
  gpus: z
    .union([z.enum(["all"]), z.array(deviceRequest)], { error: "expected all, or a list of devices" })
    .optional()
    .describe("Not supported yet: bay up rejects the service"),
  runtime: z
    .string()
    .optional()
    .describe("bay has its own runtime: bay up rejects a service with another one"),
  init: boolean.optional(),
  read_only: boolean.optional(),
  cap_add: list.optional(),
  cap_drop: list.optional(),
  privileged: boolean.optional(),
  security_opt: list.optional(),
  devices: z
    .array(
      z.union([
        z.string(),
        z.strictObject({
          source: z.string(),
          target: z.string().optional(),
          permissions: z.string().optional(),
        }),
      ]),
      { error: "expected a list" },
    )
    .optional(),
  ulimits: z.record(z.string(), ulimit).optional(),
  sysctls: listOrMap.optional(),
  shm_size: bytes.optional(),
  pid: z
    .string()
    .regex(/^(host|(service|container):.+)$/, { error: "expected host, service:NAME or container:NAME" })
    .nullable()
    .optional(),
  ipc: z
    .string()
    .regex(/^(host|private|shareable|(service|container):.+)$/, {
      error: "expected private, shareable, host, service:NAME or container:NAME",
    })
    .optional(),
  uts: z.enum(["host", ""], { error: "expected host" }).optional(),
  cgroup: z.enum(["host", "private"]).optional(),
  cgroup_parent: z.string().optional(),
  userns_mode: z.string().optional(),
  isolation: z.string().optional(),
  mac_address: z.string().optional().describe("The MAC address on the first network"),
  device_cgroup_rules: list.optional(),
  mem_swappiness: integer.optional(),
  oom_kill_disable: boolean.optional(),
  blkio_config: z
    .strictObject({
      weight: integer.optional(),
      weight_device: z.array(z.strictObject({ path: z.string(), weight: integer })).optional(),
      device_read_bps: deviceRates.optional(),
      device_write_bps: deviceRates.optional(),
      device_read_iops: deviceRates.optional(),
      device_write_iops: deviceRates.optional(),
    })
    .optional(),
  volumes_from: z
    .array(z.string())
    .optional()
    .describe("Mounts of another service or container: SERVICE, SERVICE:ro or container:NAME[:ro]"),
  oom_score_adj: integer.optional(),
  labels: listOrMap.optional(),
  label_file: strings.optional().describe("Files with NAME=VALUE lines; labels takes precedence"),
  annotations: listOrMap.optional(),
  cpus: number.optional(),
  cpu_period: duration.optional().describe("Microseconds; default: 100000"),
  cpu_quota: stringOrNumber.optional().describe("Microseconds per period; cpus has the same meaning"),
  cpu_shares: integer.optional(),
  cpuset: stringOrNumber.optional(),
  mem_limit: bytes.optional(),
  mem_reservation: bytes.optional(),
  memswap_limit: bytes.optional(),
  pids_limit: integer.optional(),
  deploy: deploy.optional(),
  develop: develop.optional().describe("Files that bay watch synchronises with the containers"),
  scale: integer.optional(),
  container_name: z
    .string()
    .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/, { error: "expected letters, digits, _ . -" })
    .optional(),
  tty: boolean.optional(),
  stdin_open: boolean.optional(),
  logging: z
    .strictObject({
      driver: z.enum(["json-file", "local", "none", "syslog", "journald"]).optional(),
      options: z.record(z.string(), scalar).optional(),
    })
    .optional(),
  profiles: z.array(z.string()).optional(),
  platform: z.string().optional(),
  pull_policy: z
    .string()
    .describe("When the image is pulled: missing (the default), always, never, daily, weekly, every_12h")
    .optional(),
  pull_refresh_after: duration
    .optional()
    .describe("How long a pulled image stays current, with pull_policy: refresh"),
  attach: boolean.optional(),
});

const address = z.strictObject({
  subnet: z.string().optional(),
  gateway: z.string().optional(),
  ip_range: z.string().optional().describe("The part of the subnet used for container addresses"),
  aux_addresses: z
    .record(z.string(), z.string())
    .optional()
    .describe("Addresses reserved for other devices, by name"),
});

export const networkSchema = z.strictObject({
  name: z.string().optional(),
  driver: z
    .string()
    .optional()
    .describe(
      "bridge, or overlay in a stack with hosts; plan and up refuse a service on a network of another driver",
    ),
  driver_opts: z.record(z.string(), scalar).optional(),
  internal: boolean.optional(),
  enable_ipv4: boolean
    .refine((value) => value === true || ["true", "yes", "on"].includes(String(value)), {
      error: "a network without IPv4 is not supported",
    })
    .optional(),
  enable_ipv6: boolean.optional(),
  external,
  attachable: boolean.optional(),
  labels: listOrMap.optional(),
  ipam: z
    .strictObject({
      driver: z
        .string()
        .optional()
        .describe("default; plan and up refuse a service on a network with another"),
      config: z.array(address).optional(),
    })
    .optional(),
});

export const volumeSchema = z.strictObject({
  name: z.string().optional(),
  driver: z
    .string()
    .optional()
    .describe("local; plan and up refuse a service with a volume of another driver"),
  driver_opts: z
    .record(z.string(), scalar)
    .optional()
    .describe("type: none, o: bind and device: DIRECTORY use a directory of the host as the volume"),
  external,
  labels: listOrMap.optional(),
});

const NAME = /^[a-z0-9][a-zA-Z0-9.+-]*$/;
/** A package, with =VERSION for a specific version. */
const PACKAGE = /^[a-z0-9][a-z0-9.+-]+(:[a-z0-9]+)?(=[a-zA-Z0-9.+~:-]+)?$/;

const imageConfig = z.strictObject({
  entrypoint: strings.optional(),
  command: strings.optional(),
  cmd: strings.optional().describe("Same as command"),
  environment: listOrMap.optional(),
  env: listOrMap.optional().describe("The same as environment"),
  working_dir: z.string().optional(),
  user: stringOrNumber.optional(),
  expose: list.optional(),
  ports: list.optional().describe("The same as expose"),
  volumes: z.array(z.string()).optional(),
  labels: listOrMap.optional(),
  stop_signal: stringOrNumber.optional(),
  healthcheck: healthcheck.optional(),
});

export const imageSchema = z.strictObject({
  host: z
    .union(
      [
        z.array(z.string()),
        z.strictObject({
          commands: z.array(z.string()).optional(),
          files: z.array(z.string()).optional(),
          users: z.array(z.string()).optional(),
        }),
      ],
      {
        error: "expected a list of commands and files, or a mapping with commands, files and users",
      },
    )
    .optional()
    .describe("Commands and files of this host, packed with their libraries"),
  rootfs: z.string().optional().describe("A directory or tar file with a root file system"),
  archive: z
    .union([z.string(), z.strictObject({ path: z.string(), reference: z.string().optional() })])
    .optional()
    .describe("An archive of docker save, or an OCI layout, as a tar file or directory"),
  apt: z
    .strictObject({
      suite: z.string().regex(NAME, { error: "expected the name of a suite such as bookworm" }),
      components: z.array(z.string().regex(NAME, { error: "expected main, contrib …" })).optional(),
      packages: z.array(z.string().regex(PACKAGE, { error: "expected names of Debian packages" })).min(1),
      mirror: z
        .string()
        .regex(/^(https?|file|copy):\/\/?\S+$/, { error: "expected the URL of a Debian mirror" })
        .optional(),
      snapshot: z
        .string()
        .regex(/^\d{8}T\d{6}Z$/, { error: "expected a timestamp such as 20260101T000000Z" })
        .optional(),
      keep: z.array(z.enum(["docs", "man", "locales", "lists"])).optional(),
    })
    .optional()
    .describe("Debian packages, including the essential ones, installed by mmdebstrap"),
  config: imageConfig.optional(),
});

/** A user-chosen name of a service, network, volume, secret or config. */
const key = z.string().regex(/^[a-zA-Z0-9._-]+$/);

export const fileSchema = z.strictObject({
  version: z.unknown().optional().describe("Accepted and ignored"),
  name: z
    .string()
    .regex(/^[a-zA-Z0-9][a-zA-Z0-9_-]*$/, { error: "expected lower case letters, digits, _ and -" })
    .optional(),
  include: includeSchema
    .optional()
    .describe("Stack files to include, each read relative to its own directory"),
  services: z.record(key, serviceSchema).optional(),
  networks: z.record(key, networkSchema.nullable()).optional(),
  volumes: z.record(key, volumeSchema.nullable()).optional(),
  secrets: z.record(key, secretSchema).optional(),
  configs: z.record(key, configSchema).optional(),
  images: z.record(z.string(), imageSchema).optional(),
  hosts: hostsSchema.optional(),
  "x-bay-hosts": hostsSchema
    .optional()
    .describe("The same as hosts, for files that Docker Compose reads too"),
});

export type ServiceInput = z.infer<typeof serviceSchema>;
export type FileInput = z.infer<typeof fileSchema>;
export type ImageInput = z.infer<typeof imageSchema>;
