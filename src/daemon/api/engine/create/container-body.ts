/**
 * The body of `POST /containers/create` (Docker Engine API 1.47, ContainerCreate). Every field of the API is listed. One that
 * bay does not support accepts only values that request nothing, so that no setting is ignored.
 */

import { z } from "zod";
import { LIMITS } from "../../../../core/limits.ts";

const LONGEST_TEXT = LIMITS.stack.text;
const MOST = LIMITS.request.entries;

const text = z.string().max(4096);
const long = z.string().max(LONGEST_TEXT);
const texts = z.array(text).max(MOST);
const words = z.union([z.array(long).max(MOST), long.transform((word) => [word])]);
const map = <T extends z.ZodType>(value: T) => z.record(z.string().max(4096), value);
const keys = map(z.looseObject({}).nullable());
const whole = (least: number, most = Number.MAX_SAFE_INTEGER) => z.number().int().min(least).max(most);
const bytes = whole(-1);
const nanoseconds = whole(0);

/** A field that bay does not support: 0, an empty value and false request nothing. */
const unsupported = z
  .union([z.literal(0), z.literal(""), z.literal(false), z.array(z.unknown()).max(0), z.strictObject({})], {
    error: "it is not supported",
  })
  .optional();

/** Options of which none is supported. */
const nothing = z.record(z.string(), z.never({ error: "it is not supported" })).optional();

/** Docker masks paths of /proc and /sys, and a client can only set other ones. */
const absent = z.never({ error: "it is not supported: bay always masks the same paths" }).optional();

/** A field that only describes the client, or that has a meaning only on Windows. */
const informative = z.unknown().optional();

const rates = z.array(z.object({ Path: text, Rate: whole(0) })).max(MOST);

const mount = z.strictObject({
  Target: text,
  Source: text.optional(),
  Type: z.enum(["bind", "volume", "tmpfs", "image"], { error: "expected bind, volume, tmpfs or image" }),
  ReadOnly: z.boolean().optional(),
  Consistency: informative,
  BindOptions: z
    .strictObject({
      Propagation: text.optional(),
      NonRecursive: z.boolean().optional(),
      CreateMountpoint: z.boolean().optional(),
      ReadOnlyNonRecursive: unsupported,
      ReadOnlyForceRecursive: z.boolean().optional(),
    })
    .optional(),
  VolumeOptions: z
    .strictObject({
      NoCopy: z.boolean().optional(),
      Labels: map(long).optional(),
      Subpath: text.optional(),
      DriverConfig: z.strictObject({ Name: text.optional(), Options: map(text).optional() }).optional(),
    })
    .optional(),
  ImageOptions: z.strictObject({ Subpath: text.optional() }).optional(),
  TmpfsOptions: z
    .strictObject({ SizeBytes: whole(0).optional(), Mode: whole(0, 0o7777).optional(), Options: unsupported })
    .optional(),
});

export const endpointSettings = z.looseObject({
  IPAMConfig: z
    .strictObject({
      IPv4Address: text.optional(),
      IPv6Address: text.optional(),
      LinkLocalIPs: unsupported,
    })
    .optional(),
  Links: texts.optional(),
  Aliases: texts.optional(),
  MacAddress: text.optional(),
  DriverOpts: map(text).optional(),
  GwPriority: whole(-1_000_000, 1_000_000).optional(),
});

const hostConfig = z.strictObject({
  Binds: texts.optional(),
  ContainerIDFile: informative,
  LogConfig: z.strictObject({ Type: text.optional(), Config: map(text).optional() }).optional(),
  NetworkMode: text.optional(),
  PortBindings: map(
    z
      .array(z.strictObject({ HostIp: text.optional(), HostPort: text.optional() }))
      .max(MOST)
      .nullable(),
  ).optional(),
  RestartPolicy: z
    .strictObject({
      Name: z.enum(["", "no", "always", "on-failure", "unless-stopped"]).optional(),
      MaximumRetryCount: whole(0, 1_000_000).optional(),
    })
    .optional(),
  AutoRemove: z.boolean().optional(),
  VolumeDriver: z.enum(["", "local"], { error: "the only volume driver is local" }).optional(),
  VolumesFrom: texts.optional(),
  Mounts: z.array(mount).max(MOST).optional(),
  ConsoleSize: z.tuple([whole(0, 65_535), whole(0, 65_535)]).optional(),
  Annotations: map(long).optional(),
  CapAdd: texts.optional(),
  CapDrop: texts.optional(),
  CgroupnsMode: z.enum(["", "private", "host"]).optional(),
  Dns: texts.optional(),
  DnsOptions: texts.optional(),
  DnsSearch: texts.optional(),
  ExtraHosts: texts.optional(),
  GroupAdd: texts.optional(),
  IpcMode: text.optional(),
  Cgroup: unsupported,
  Links: texts.optional(),
  OomScoreAdj: whole(-1000, 1000).optional(),
  PidMode: text.optional(),
  Privileged: z.boolean().optional(),
  PublishAllPorts: z.boolean().optional(),
  ReadonlyRootfs: z.boolean().optional(),
  SecurityOpt: z.array(long).max(64).optional(),
  StorageOpt: nothing,
  Tmpfs: map(text).optional(),
  UTSMode: z.enum(["", "host"]).optional(),
  UsernsMode: z.enum(["", "host"], { error: "bay does not map users" }).optional(),
  ShmSize: whole(0).optional(),
  Sysctls: map(text).optional(),
  Runtime: text.optional(),
  Isolation: z.enum(["", "default"], { error: "the only isolation on Linux is default" }).optional(),
  MaskedPaths: absent,
  ReadonlyPaths: absent,
  CpuShares: whole(0, 262_144).optional(),
  Memory: whole(0).optional(),
  NanoCpus: whole(0).optional(),
  CgroupParent: text.optional(),
  BlkioWeight: whole(0, 1000).optional(),
  BlkioWeightDevice: z
    .array(z.object({ Path: text, Weight: whole(0, 1000) }))
    .max(MOST)
    .optional(),
  BlkioDeviceReadBps: rates.optional(),
  BlkioDeviceWriteBps: rates.optional(),
  BlkioDeviceReadIOps: rates.optional(),
  BlkioDeviceWriteIOps: rates.optional(),
  CpuPeriod: whole(0, 1_000_000).optional(),
  CpuQuota: whole(-1).optional(),
  CpuRealtimePeriod: unsupported,
  CpuRealtimeRuntime: unsupported,
  CpusetCpus: text.optional(),
  CpusetMems: unsupported,
  Devices: z
    .array(
      z.strictObject({
        PathOnHost: text,
        PathInContainer: text.optional(),
        CgroupPermissions: text.optional(),
      }),
    )
    .max(MOST)
    .optional(),
  DeviceCgroupRules: texts.optional(),
  DeviceRequests: z
    .array(z.unknown())
    .max(0, "bay does not support GPUs and other devices of drivers")
    .optional(),
  KernelMemory: unsupported,
  KernelMemoryTCP: unsupported,
  MemoryReservation: whole(0).optional(),
  MemorySwap: bytes.optional(),
  MemorySwappiness: whole(-1, 100).optional(),
  OomKillDisable: z.boolean().optional(),
  Init: z.boolean().optional(),
  PidsLimit: whole(-1, 4_194_304).optional(),
  Ulimits: z
    .array(z.strictObject({ Name: z.string().max(64), Soft: bytes, Hard: bytes }))
    .max(64)
    .optional(),
  CpuCount: unsupported,
  CpuPercent: unsupported,
  IOMaximumIOps: unsupported,
  IOMaximumBandwidth: unsupported,
});

export const createBody = z.strictObject({
  Hostname: text.optional(),
  Domainname: text.optional(),
  User: text.optional(),
  AttachStdin: informative,
  AttachStdout: informative,
  AttachStderr: informative,
  ExposedPorts: keys.optional(),
  Tty: z.boolean().optional(),
  OpenStdin: z.boolean().optional(),
  StdinOnce: z.boolean().optional(),
  Env: z.array(long).max(MOST).optional(),
  Cmd: words.optional(),
  Entrypoint: words.optional(),
  Healthcheck: z
    .strictObject({
      Test: z.array(long).max(1000).optional(),
      Interval: nanoseconds.optional(),
      Timeout: nanoseconds.optional(),
      StartPeriod: nanoseconds.optional(),
      StartInterval: nanoseconds.optional(),
      Retries: whole(0, 1_000_000).optional(),
    })
    .optional(),
  ArgsEscaped: informative,
  Image: text.min(1, "expected the name of an image"),
  Volumes: keys.optional(),
  WorkingDir: text.optional(),
  NetworkDisabled: z.boolean().optional(),
  MacAddress: text.optional(),
  OnBuild: unsupported,
  Labels: map(long).optional(),
  StopSignal: text.optional(),
  StopTimeout: whole(-1, 2_000_000).optional(),
  Shell: unsupported,
  VolumesFrom: unsupported, // API 1.17 and older; dockerode sends an empty list
  // docker-modem repeats the query's parameters in the body
  name: informative,
  platform: informative,
  HostConfig: hostConfig.optional(),
  NetworkingConfig: z
    .strictObject({ EndpointsConfig: map(endpointSettings.nullable()).optional() })
    .optional(),
});

export type CreateBody = z.output<typeof createBody>;
export type HostConfig = z.output<typeof hostConfig>;
export type EndpointSettings = z.output<typeof endpointSettings>;
