/** A service of the stack file. */
import { z } from "zod";
import { buildSchema, secretUse } from "./build.ts";
import { deploy, deviceRequest } from "./deploy.ts";
import { hostChoice } from "./hosts.ts";
import { imageUpdateSchema } from "./image-update.ts";
import { extendsSchema } from "./include.ts";
import { attachment, dependency, longPort, longVolume } from "./mounts-and-ports.ts";
import { develop, deviceRates, envFile, healthcheck, hooks, ulimit } from "./process.ts";
import {
  boolean,
  bytes,
  command,
  duration,
  integer,
  list,
  listOrMap,
  number,
  scalar,
  stringOrNumber,
  strings,
} from "./scalars.ts";

export const serviceSchema = z.strictObject({
  "x-bay": z
    .strictObject({
      spoofing: z
        .enum(["allow", "deny"], { error: "expected allow or deny" })
        .optional()
        .describe("allow: containers may send packets with other source addresses, as a router does"),
      proc: z
        .enum(["host", "limits"], { error: "expected host or limits" })
        .optional()
        .describe(
          "limits: /proc shows the container's own memory, processors, load and uptime (needs lxcfs)",
        ),
      host: hostChoice.optional().describe("The same as host, for files that Docker Compose reads too"),
    })
    .optional()
    .describe("Extensions of bay"),
  "x-bay-update": imageUpdateSchema
    .optional()
    .describe("Newer tags of the image that a stack uses while it follows a repository"),
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
