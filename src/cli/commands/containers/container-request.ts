/** From the options of `bay container run` and `create`, which are those of docker run, to the body of the Engine API. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseDuration } from "../../../core/durations.ts";
import { BayError } from "../../../core/errors.ts";
import { namedValues, withValues } from "../../options.ts";

export interface ContainerOptions {
  detach?: boolean;
  interactive?: boolean;
  tty?: boolean;
  rm?: boolean;
  name?: string;
  pull: "always" | "missing" | "never";
  platform?: string;
  cidfile?: string;
  detachKeys?: string;
  env?: string[];
  envFile?: string[];
  label?: string[];
  user?: string;
  workdir?: string;
  entrypoint?: string;
  hostname?: string;
  domainname?: string;
  init?: boolean;
  publish?: string[];
  publishAll?: boolean;
  expose?: string[];
  volume?: string[];
  mount?: string[];
  tmpfs?: string[];
  volumesFrom?: string[];
  network?: string[];
  networkAlias?: string[];
  ip?: string;
  ip6?: string;
  macAddress?: string;
  link?: string[];
  addHost?: string[];
  dns?: string[];
  dnsSearch?: string[];
  dnsOption?: string[];
  restart?: string;
  stopSignal?: string;
  stopTimeout?: number;
  memory?: string;
  memoryReservation?: string;
  memorySwap?: string;
  cpus?: string;
  cpuShares?: number;
  cpusetCpus?: string;
  pidsLimit?: string;
  shmSize?: string;
  ulimit?: string[];
  sysctl?: string[];
  oomScoreAdj?: string;
  capAdd?: string[];
  capDrop?: string[];
  securityOpt?: string[];
  privileged?: boolean;
  readOnly?: boolean;
  device?: string[];
  deviceCgroupRule?: string[];
  groupAdd?: string[];
  pid?: string;
  ipc?: string;
  uts?: string;
  cgroupns?: string;
  cgroupParent?: string;
  healthCmd?: string;
  healthInterval?: string;
  healthTimeout?: string;
  healthStartPeriod?: string;
  healthRetries?: number;
  healthcheck?: boolean;
  logDriver?: string;
  logOpt?: string[];
  annotation?: string[];
  quiet?: boolean;
  labelFile?: string[];
  net?: string[];
  netAlias?: string[];
  dnsOpt?: string[];
  attach?: string[];
  sigProxy?: string;
  volumeDriver?: string;
  userns?: string;
  runtime?: string;
  memorySwappiness?: string;
  oomKillDisable?: boolean;
  cpuPeriod?: number;
  cpuQuota?: number;
  blkioWeight?: number;
  blkioWeightDevice?: string[];
  deviceReadBps?: string[];
  deviceWriteBps?: string[];
  deviceReadIops?: string[];
  deviceWriteIops?: string[];
  healthStartInterval?: string;
}

/** Bytes of a size such as 64m; -1 for no limit. Throws BAD_OPTION. */
type Bytes = (option: string, text: string | undefined) => number | undefined;

/** Throws BAD_OPTION and NO_FILE. What the options mean is checked by bayd. */
export async function containerRequest(
  image: string,
  command: readonly string[],
  options: ContainerOptions,
  tty: boolean,
): Promise<Record<string, unknown>> {
  const { parsePort, parseBytes } = await import("../../../stack/query.ts");
  const bytes: Bytes = (name, text) => {
    if (text === undefined || text === "-1") return text === undefined ? undefined : -1;
    const size = parseBytes(text);
    if (size === undefined) throw bad(name, "a size such as 64m", text);
    return size;
  };
  const ports = (options.publish ?? []).flatMap((text) => {
    const parsed = parsePort(text);
    if (typeof parsed === "string") throw new BayError("BAD_OPTION", `--publish: ${parsed}`);
    return parsed;
  });
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { hostAddress, hostPort, hostPortEnd, containerPort, protocol } of ports) {
    const published = [hostPort ?? "", ...(hostPortEnd === undefined ? [] : [hostPortEnd])].join("-");
    const key = `${containerPort}/${protocol}`;
    bindings[key] = [...(bindings[key] ?? []), { HostIp: hostAddress, HostPort: published }];
  }
  const exposed = (options.expose ?? []).map((port) => (port.includes("/") ? port : `${port}/tcp`));
  const [first, ...further] = networksOf(options);
  return {
    Image: image,
    Cmd: command.length > 0 ? command : undefined,
    Entrypoint: options.entrypoint === undefined ? undefined : [options.entrypoint],
    Env: [...variablesOf(options.envFile), ...withValues(options.env)],
    Labels: namedValues("--label", [...linesOf("--label-file", options.labelFile), ...(options.label ?? [])]),
    User: options.user,
    WorkingDir: options.workdir,
    Hostname: options.hostname,
    Domainname: options.domainname,
    Tty: tty,
    OpenStdin: options.interactive ?? false,
    StdinOnce: (options.interactive ?? false) && !options.detach,
    ExposedPorts: Object.fromEntries([...exposed, ...Object.keys(bindings)].map((port) => [port, {}])),
    Volumes: Object.fromEntries(
      (options.volume ?? []).filter((text) => !text.includes(":")).map((at) => [at, {}]),
    ),
    StopSignal: options.stopSignal,
    StopTimeout: options.stopTimeout,
    Healthcheck: healthOf(options),
    HostConfig: {
      AutoRemove: options.rm,
      Init: options.init,
      Binds: (options.volume ?? []).filter((text) => text.includes(":")).map(absolute),
      Mounts: (options.mount ?? []).map((text) => mountOf(text, bytes)),
      Tmpfs: Object.fromEntries(
        (options.tmpfs ?? []).map((text) => [text.split(":")[0]!, text.split(":")[1] ?? ""]),
      ),
      VolumesFrom: options.volumesFrom,
      PortBindings: bindings,
      PublishAllPorts: options.publishAll,
      NetworkMode: first?.name,
      Links: options.link,
      ExtraHosts: options.addHost,
      Dns: options.dns,
      DnsSearch: options.dnsSearch,
      DnsOptions: joined(options.dnsOption, options.dnsOpt),
      RestartPolicy: restartOf(options.restart),
      Memory: bytes("--memory", options.memory),
      MemoryReservation: bytes("--memory-reservation", options.memoryReservation),
      MemorySwap: bytes("--memory-swap", options.memorySwap),
      NanoCpus: options.cpus === undefined ? undefined : Math.round(number("--cpus", options.cpus) * 1e9),
      CpuShares: options.cpuShares,
      CpuPeriod: options.cpuPeriod,
      CpuQuota: options.cpuQuota,
      MemorySwappiness:
        options.memorySwappiness === undefined
          ? undefined
          : number("--memory-swappiness", options.memorySwappiness),
      OomKillDisable: options.oomKillDisable,
      BlkioWeight: options.blkioWeight,
      BlkioWeightDevice: weightsOf(options.blkioWeightDevice),
      BlkioDeviceReadBps: ratesOf("--device-read-bps", options.deviceReadBps, bytes),
      BlkioDeviceWriteBps: ratesOf("--device-write-bps", options.deviceWriteBps, bytes),
      BlkioDeviceReadIOps: ratesOf("--device-read-iops", options.deviceReadIops),
      BlkioDeviceWriteIOps: ratesOf("--device-write-iops", options.deviceWriteIops),
      VolumeDriver: options.volumeDriver,
      UsernsMode: options.userns,
      Runtime: options.runtime,
      CpusetCpus: options.cpusetCpus,
      PidsLimit: options.pidsLimit === undefined ? undefined : number("--pids-limit", options.pidsLimit),
      ShmSize: bytes("--shm-size", options.shmSize),
      Ulimits: (options.ulimit ?? []).map(ulimitOf),
      Sysctls: namedValues("--sysctl", options.sysctl),
      OomScoreAdj:
        options.oomScoreAdj === undefined ? undefined : number("--oom-score-adj", options.oomScoreAdj),
      CapAdd: options.capAdd,
      CapDrop: options.capDrop,
      SecurityOpt: (options.securityOpt ?? []).map(withProfile),
      Privileged: options.privileged,
      ReadonlyRootfs: options.readOnly,
      Devices: (options.device ?? []).map(deviceOf),
      DeviceCgroupRules: options.deviceCgroupRule,
      GroupAdd: options.groupAdd,
      PidMode: options.pid,
      IpcMode: options.ipc,
      UTSMode: options.uts,
      CgroupnsMode: options.cgroupns,
      CgroupParent: options.cgroupParent,
      LogConfig:
        options.logDriver || options.logOpt
          ? { Type: options.logDriver ?? "json-file", Config: namedValues("--log-opt", options.logOpt) }
          : undefined,
      Annotations: namedValues("--annotation", options.annotation),
    },
    NetworkingConfig:
      first === undefined
        ? undefined
        : {
            EndpointsConfig: Object.fromEntries(
              [first, ...further]
                .filter(({ name }) => !isShared(name))
                .map(({ name, settings }) => [name, settings]),
            ),
          },
  };
}

/** The body of an update: the options that are given. Throws BAD_OPTION. */
export async function updateRequest(options: ContainerOptions): Promise<Record<string, unknown>> {
  const { HostConfig: host } = (await containerRequest("", [], options, false)) as {
    HostConfig: Record<string, unknown>;
  };
  const keys = [
    ...["Memory", "MemoryReservation", "MemorySwap", "NanoCpus", "CpuShares", "CpuPeriod", "CpuQuota"],
    ...["CpusetCpus", "PidsLimit", "RestartPolicy"],
  ];
  return Object.fromEntries(keys.map((key) => [key, host[key]]));
}

const bad = (option: string, expected: string, got: string) =>
  new BayError("BAD_OPTION", `${option}: expected ${expected}, got ${JSON.stringify(got)}`);

function number(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw bad(option, "a number", text);
  return value;
}

/** As docker run reads them: NAME=VALUE without quotes, NAME for a value of this environment, # before a comment. */
const variablesOf = (files?: readonly string[]): string[] => withValues(linesOf("--env-file", files));

/** The lines of files without comments and empty ones. Throws NO_FILE. */
function linesOf(option: string, files: readonly string[] = []): string[] {
  return files.flatMap((file) => {
    if (!existsSync(file)) throw new BayError("NO_FILE", `${option}: ${file} does not exist`);
    const lines = readFileSync(file, "utf8").split(/\r?\n/);
    return lines.map((line) => line.trimStart()).filter((line) => line !== "" && !line.startsWith("#"));
  });
}

/** The values of an option and of its other name; undefined if neither is given. */
const joined = (...lists: (readonly string[] | undefined)[]): string[] | undefined =>
  lists.some((list) => list !== undefined) ? lists.flatMap((list) => list ?? []) : undefined;

/** `/dev/sda:100`. Throws BAD_OPTION. */
function weightsOf(texts: readonly string[] = []): { Path: string; Weight: number }[] {
  return texts.map((text) => {
    const [, Path, weight] = /^(\/.+):(\d+)$/.exec(text) ?? [];
    if (Path === undefined) throw bad("--blkio-weight-device", "DEVICE:WEIGHT", text);
    return { Path, Weight: Number(weight) };
  });
}

/** `/dev/sda:1mb`, or operations per second without `bytes`. Throws BAD_OPTION. */
function ratesOf(
  option: string,
  texts: readonly string[] = [],
  bytes: Bytes = (name, text) => number(name, text ?? ""),
): { Path: string; Rate: number | undefined }[] {
  return texts.map((text) => {
    const [, Path, rate] = /^(\/.+):([^:]+)$/.exec(text) ?? [];
    if (Path === undefined) throw bad(option, "DEVICE:RATE", text);
    return { Path, Rate: bytes(option, rate) };
  });
}

/** A relative path is one of the current directory. */
function absolute(volume: string): string {
  const [source = "", ...rest] = volume.split(":");
  return [/^\.{1,2}(\/|$)/.test(source) ? resolve(source) : source, ...rest].join(":");
}

/** `type=bind,source=/srv,target=/data,readonly`. Throws BAD_OPTION. */
function mountOf(text: string, bytes: Bytes): Record<string, unknown> {
  const mount: Record<string, unknown> = { Type: "volume" };
  const options: Record<string, Record<string, unknown>> = {};
  const set = (group: string, key: string, value: unknown) => {
    options[group] = { ...options[group], [key]: value };
  };
  const isOn = (value: string) => value === "" || value === "true" || value === "1";
  for (const part of text.split(",")) {
    const [key = "", value = ""] = part.split(/=(.*)/s);
    if (key === "type") mount.Type = value;
    else if (key === "source" || key === "src") mount.Source = value;
    else if (key === "target" || key === "dst" || key === "destination") mount.Target = value;
    else if (key === "readonly" || key === "ro") mount.ReadOnly = isOn(value);
    else if (key === "bind-propagation") set("BindOptions", "Propagation", value);
    else if (key === "bind-recursive") set("BindOptions", "NonRecursive", value === "disabled");
    else if (key === "volume-nocopy") set("VolumeOptions", "NoCopy", isOn(value));
    else if (key === "volume-subpath") set("VolumeOptions", "Subpath", value);
    else if (key === "image-subpath") set("ImageOptions", "Subpath", value);
    else if (key === "tmpfs-mode") set("TmpfsOptions", "Mode", Number.parseInt(value, 8));
    else if (key === "tmpfs-size") set("TmpfsOptions", "SizeBytes", bytes("--mount tmpfs-size", value));
    else throw new BayError("BAD_OPTION", `--mount: unknown key ${JSON.stringify(key)} in ${text}`);
  }
  if (mount.Target === undefined) throw bad("--mount", "a target", text);
  if (mount.Type === "bind" && typeof mount.Source === "string") mount.Source = resolve(mount.Source);
  return { ...mount, ...options };
}

/** `nofile=1024:2048`. */
function ulimitOf(text: string): { Name: string; Soft: number; Hard: number } {
  const [, name, soft, hard = soft] = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? [];
  if (name === undefined) throw bad("--ulimit", "NAME=SOFT[:HARD]", text);
  return { Name: name, Soft: Number(soft), Hard: Number(hard) };
}

/** `/dev/sda[:/dev/xvda[:rwm]]`. */
function deviceOf(text: string): Record<string, string> {
  const [source = "", target, access] = text.split(":");
  const isAccess = target !== undefined && /^[rwm]{1,3}$/.test(target);
  return {
    PathOnHost: source,
    PathInContainer: target === undefined || isAccess ? source : target,
    CgroupPermissions: access ?? (isAccess ? target : "rwm"),
  };
}

/** The profile itself is sent: bayd may run on another host. Throws NO_FILE. */
function withProfile(option: string): string {
  const [, file] = /^seccomp[:=](.*)$/s.exec(option) ?? [];
  if (file === undefined || ["unconfined", "builtin"].includes(file)) return option;
  if (!existsSync(file)) throw new BayError("NO_FILE", `--security-opt: ${file} does not exist`);
  return `seccomp=${readFileSync(file, "utf8")}`;
}

/** `no`, `always`, `unless-stopped`, `on-failure[:N]`. */
function restartOf(text: string | undefined): Record<string, unknown> | undefined {
  if (text === undefined) return undefined;
  const [name = "", count] = text.split(":");
  if (
    !["no", "always", "unless-stopped", "on-failure"].includes(name) ||
    (count !== undefined && !/^\d+$/.test(count))
  )
    throw bad("--restart", "no, always, unless-stopped or on-failure[:N]", text);
  return { Name: name, MaximumRetryCount: Number(count ?? 0) };
}

function healthOf(options: ContainerOptions): Record<string, unknown> | undefined {
  if (options.healthcheck === false) return { Test: ["NONE"] };
  const time = (option: string, text: string | undefined) => {
    if (text === undefined) return undefined;
    const milliseconds = parseDuration(text);
    if (milliseconds === undefined) throw bad(option, "a duration such as 10s", text);
    return Math.round(milliseconds * 1e6);
  };
  const health = {
    Test: options.healthCmd === undefined ? undefined : ["CMD-SHELL", options.healthCmd],
    Interval: time("--health-interval", options.healthInterval),
    Timeout: time("--health-timeout", options.healthTimeout),
    StartPeriod: time("--health-start-period", options.healthStartPeriod),
    StartInterval: time("--health-start-interval", options.healthStartInterval),
    Retries: options.healthRetries,
  };
  return Object.values(health).some((value) => value !== undefined) ? health : undefined;
}

const isShared = (mode: string) => ["host", "none"].includes(mode) || mode.startsWith("container:");

/** `NETWORK`, or `name=NETWORK,alias=NAME,ip=ADDRESS`. The other options of networks belong to the first one. Throws BAD_OPTION. */
function networksOf(options: ContainerOptions): { name: string; settings: Record<string, unknown> }[] {
  const given = (joined(options.network, options.net) ?? []).map((text) => {
    if (!text.includes("=")) return { name: text, settings: {} as Record<string, unknown> };
    let name = "";
    const settings: Record<string, unknown> = {};
    const ipam: Record<string, string> = {};
    const aliases: string[] = [];
    for (const part of text.split(",")) {
      const [key = "", value = ""] = part.split(/=(.*)/s);
      if (key === "name") name = value;
      else if (key === "alias") aliases.push(value);
      else if (key === "ip") ipam.IPv4Address = value;
      else if (key === "ip6") ipam.IPv6Address = value;
      else if (key === "mac-address") settings.MacAddress = value;
      else if (key === "gw-priority") settings.GwPriority = number("--network gw-priority", value);
      else throw new BayError("BAD_OPTION", `--network: unknown key ${JSON.stringify(key)} in ${text}`);
    }
    if (name === "") throw bad("--network", "name=NETWORK", text);
    return { name, settings: { ...settings, IPAMConfig: ipam, Aliases: aliases } };
  });
  const { ip, ip6, macAddress } = options;
  const networkAlias = joined(options.networkAlias, options.netAlias);
  if (!networkAlias && !ip && !ip6 && !macAddress) return given;
  const [first = { name: "default", settings: {} }, ...others] = given;
  const settings = {
    ...first.settings,
    ...(networkAlias ? { Aliases: networkAlias } : {}),
    ...(macAddress ? { MacAddress: macAddress } : {}),
    ...(ip || ip6
      ? { IPAMConfig: { ...(ip ? { IPv4Address: ip } : {}), ...(ip6 ? { IPv6Address: ip6 } : {}) } }
      : {}),
  };
  return [{ name: first.name, settings }, ...others];
}
