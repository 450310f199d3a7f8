/**
 * The body of `POST /containers/create` in the words of a Compose service, so that both are checked and run by the same code.
 * Pure.
 */

import { posix } from "node:path";
import { BayError } from "../../../../core/errors.ts";
import { LIMITS } from "../../../../core/limits.ts";
import type { CreateBody, EndpointSettings, HostConfig } from "./container-body.ts";

/** The key of the only service of the document. */
export const SERVICE = "container";

/** A Compose document with one service, and the networks and volumes that it uses. */
export interface ServiceDocument {
  services: { [SERVICE]: Record<string, unknown> };
  networks: Record<string, { name: string; external: true }>;
  volumes: Record<
    string,
    { name: string; driver_opts?: Record<string, string>; labels?: Record<string, string> }
  >;
}

/**
 * `attachments` are the networks of the container by name, `exposed` the ports that are published with PublishAllPorts.
 * Throws BAD_REQUEST for values that Compose has no word for.
 */
export function serviceDocument(
  body: CreateBody,
  attachments: ReadonlyMap<string, EndpointSettings>,
  exposed: readonly string[],
): ServiceDocument {
  const host = body.HostConfig ?? {};
  const mode = host.NetworkMode ?? "";
  const isShared = mode === "none" || mode === "host" || mode.startsWith("container:");
  return {
    services: {
      [SERVICE]: defined({
        ...processOf(body),
        ...limitsOf(host),
        ...securityOf(host),
        ...namesOf(body, host),
        volumes: [...Object.keys(body.Volumes ?? {}), ...bindsOf(host), ...mountsOf(host)],
        tmpfs: Object.entries(host.Tmpfs ?? {}).map(([target, options]) => `${target}:${options}`),
        volumes_from: host.VolumesFrom?.map((name) => `container:${name}`),
        ports: portsOf(host, exposed),
        expose: Object.keys(body.ExposedPorts ?? {}),
        ...(isShared ? { network_mode: mode } : { networks: attachmentsOf(attachments) }),
        mac_address: isShared ? undefined : body.MacAddress || undefined,
      }),
    },
    networks: Object.fromEntries([...attachments.keys()].map((name) => [name, { name, external: true }])),
    volumes: volumesOf(host),
  };
}

const defined = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

/** 0 and an empty text mean that the client sets nothing. */
const given = <T>(value: T | undefined): T | undefined => (value ? value : undefined);

function processOf(body: CreateBody): Record<string, unknown> {
  const { Entrypoint: entrypoint, StopTimeout: grace, HostConfig: host = {} } = body;
  const isReset = entrypoint?.length === 1 && entrypoint[0] === "";
  return {
    image: body.Image,
    // an empty list counts as absent, and a list of one empty text clears the image's entry point
    entrypoint: isReset ? [] : entrypoint?.length ? entrypoint : undefined,
    command: body.Cmd?.length ? body.Cmd : undefined,
    environment: body.Env,
    working_dir: given(body.WorkingDir),
    user: given(body.User),
    group_add: host.GroupAdd,
    tty: body.Tty,
    stdin_open: body.OpenStdin,
    healthcheck: healthOf(body.Healthcheck),
    stop_signal: given(body.StopSignal),
    stop_grace_period: grace === undefined ? undefined : `${grace === -1 ? LONGEST_GRACE : grace}s`,
    restart: restartOf(host),
    init: host.Init,
    labels: body.Labels,
    annotations: host.Annotations,
    logging: host.LogConfig?.Type
      ? { driver: host.LogConfig.Type, options: host.LogConfig.Config ?? {} }
      : undefined,
    runtime: given(host.Runtime),
  };
}

/** Seconds; a grace of -1 has no end in Docker. */
const LONGEST_GRACE = LIMITS.request.graceSeconds;

function restartOf({ RestartPolicy: policy, AutoRemove: isRemoved }: HostConfig): string | undefined {
  const { Name: name = "", MaximumRetryCount: retries = 0 } = policy ?? {};
  if (name === "" || name === "no") return undefined;
  if (isRemoved) throw new BayError("BAD_REQUEST", "can't create 'AutoRemove' container with restart policy");
  if (retries > 0 && name !== "on-failure")
    throw new BayError("BAD_REQUEST", "RestartPolicy: MaximumRetryCount needs the policy on-failure");
  return retries > 0 ? `${name}:${retries}` : name;
}

function healthOf(health: CreateBody["Healthcheck"]): Record<string, unknown> | undefined {
  if (!health) return undefined;
  const time = (nanoseconds: number | undefined) => (nanoseconds ? `${nanoseconds / 1e6}ms` : undefined);
  return defined({
    test: health.Test?.length ? health.Test : undefined,
    interval: time(health.Interval),
    timeout: time(health.Timeout),
    start_period: time(health.StartPeriod),
    start_interval: time(health.StartInterval),
    retries: given(health.Retries),
  });
}

function limitsOf(host: HostConfig): Record<string, unknown> {
  const { NanoCpus: nano, CpuQuota: quota } = host;
  if (nano && (quota || host.CpuPeriod))
    throw new BayError("BAD_REQUEST", "NanoCpus and CpuQuota with CpuPeriod cannot both be set");
  return {
    cpus: nano ? nano / 1e9 : undefined,
    cpu_quota: quota && quota > 0 ? quota : undefined,
    cpu_period: given(host.CpuPeriod),
    cpu_shares: given(host.CpuShares),
    cpuset: given(host.CpusetCpus),
    mem_limit: given(host.Memory),
    mem_reservation: given(host.MemoryReservation),
    memswap_limit: given(host.MemorySwap),
    mem_swappiness: host.MemorySwappiness === -1 ? undefined : host.MemorySwappiness,
    oom_kill_disable: host.OomKillDisable,
    oom_score_adj: host.OomScoreAdj,
    pids_limit: given(host.PidsLimit),
    shm_size: given(host.ShmSize),
    cgroup_parent: given(host.CgroupParent),
    ulimits:
      host.Ulimits &&
      Object.fromEntries(host.Ulimits.map(({ Name, Soft, Hard }) => [Name, { soft: Soft, hard: Hard }])),
    blkio_config: blockIoOf(host),
  };
}

function blockIoOf(host: HostConfig): Record<string, unknown> | undefined {
  const rates = (list: HostConfig["BlkioDeviceReadBps"]) =>
    list?.length ? list.map(({ Path, Rate }) => ({ path: Path, rate: Rate })) : undefined;
  const config = defined({
    weight: given(host.BlkioWeight),
    weight_device: host.BlkioWeightDevice?.length
      ? host.BlkioWeightDevice.map(({ Path, Weight }) => ({ path: Path, weight: Weight }))
      : undefined,
    device_read_bps: rates(host.BlkioDeviceReadBps),
    device_write_bps: rates(host.BlkioDeviceWriteBps),
    device_read_iops: rates(host.BlkioDeviceReadIOps),
    device_write_iops: rates(host.BlkioDeviceWriteIOps),
  });
  return Object.keys(config).length > 0 ? config : undefined;
}

function securityOf(host: HostConfig): Record<string, unknown> {
  return {
    cap_add: host.CapAdd,
    cap_drop: host.CapDrop,
    privileged: host.Privileged,
    read_only: host.ReadonlyRootfs,
    security_opt: host.SecurityOpt?.filter((option) => option !== "seccomp=builtin").map(checkedProfile),
    sysctls: host.Sysctls,
    devices: host.Devices?.map((device) =>
      defined({
        source: device.PathOnHost,
        target: given(device.PathInContainer),
        permissions: given(device.CgroupPermissions),
      }),
    ),
    device_cgroup_rules: host.DeviceCgroupRules,
    pid: given(host.PidMode),
    ipc: given(host.IpcMode),
    uts: given(host.UTSMode),
    cgroup: given(host.CgroupnsMode),
  };
}

/** `/name:/other/alias` is how inspect shows a link. With a network of their own, clients give the links with the network. */
function linksOf({ NetworkingConfig: networking }: CreateBody, host: HostConfig): string[] | undefined {
  const ofNetworks = Object.values(networking?.EndpointsConfig ?? {}).flatMap((each) => each?.Links ?? []);
  const links = [...(host.Links ?? []), ...ofNetworks];
  if (links.length === 0) return undefined;
  return [...new Set(links.map((link) => link.replace(/^\//, "").replace(/:.*\//, ":")))];
}

/** A profile comes with the request: a path would be one of this host, and not of the client. */
function checkedProfile(option: string): string {
  const [, profile] = /^seccomp[:=](.*)$/s.exec(option) ?? [];
  if (profile === undefined || profile === "unconfined" || profile.startsWith("{")) return option;
  throw new BayError(
    "BAD_REQUEST",
    "SecurityOpt: expected seccomp=unconfined, or seccomp= with a profile as JSON",
  );
}

function namesOf(body: CreateBody, host: HostConfig): Record<string, unknown> {
  return {
    hostname: given(body.Hostname),
    domainname: given(body.Domainname),
    dns: host.Dns,
    dns_search: host.DnsSearch,
    dns_opt: host.DnsOptions,
    extra_hosts: host.ExtraHosts,
    external_links: linksOf(body, host),
  };
}

/** `SOURCE:TARGET[:OPTIONS]` with an absolute path or the name of a volume as source. */
function bindsOf({ Binds: binds = [] }: HostConfig): string[] {
  for (const bind of binds) {
    const [source = ""] = bind.split(":");
    if (posix.isAbsolute(source) || VOLUME_NAME.test(source)) continue;
    throw new BayError(
      "BAD_REQUEST",
      `Binds: ${bind}: expected an absolute path or the name of a volume before the colon`,
    );
  }
  return binds;
}

const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;

function mountsOf({ Mounts: mounts = [] }: HostConfig): Record<string, unknown>[] {
  return mounts.map((mount) => {
    const { BindOptions: bind, VolumeOptions: volume, TmpfsOptions: tmpfs, ImageOptions: image } = mount;
    return defined({
      type: mount.Type,
      source: given(mount.Source),
      target: mount.Target,
      read_only: mount.ReadOnly,
      bind:
        mount.Type === "bind"
          ? defined({
              propagation: given(bind?.Propagation),
              create_host_path: bind?.CreateMountpoint ?? false,
              recursive: bind?.NonRecursive ? "disabled" : undefined,
            })
          : undefined,
      volume: volume && defined({ nocopy: volume.NoCopy, subpath: given(volume.Subpath) }),
      tmpfs: tmpfs && defined({ size: given(tmpfs.SizeBytes), mode: tmpfs.Mode }),
      image: image && defined({ subpath: given(image.Subpath) }),
    });
  });
}

/** The named volumes of the container. */
function volumesOf({ Binds: binds = [], Mounts: mounts = [] }: HostConfig): ServiceDocument["volumes"] {
  const volumes: ServiceDocument["volumes"] = {};
  for (const bind of binds) {
    const [source = "", target] = bind.split(":");
    if (target !== undefined && !posix.isAbsolute(source)) volumes[source] = { name: source };
  }
  for (const { Type, Source, VolumeOptions: options } of mounts) {
    if (Type !== "volume" || !Source) continue;
    const { DriverConfig: driver, Labels: labels } = options ?? {};
    if (driver?.Name && driver.Name !== "local")
      throw new BayError("BAD_REQUEST", `Mounts: ${Source}: the only volume driver is local`);
    volumes[Source] = {
      name: Source,
      ...(driver?.Options ? { driver_opts: driver.Options } : {}),
      ...(labels ? { labels } : {}),
    };
  }
  return volumes;
}

/** `PORT/PROTOCOL` of the container with its ports of the host; `exposed` ports get free ones. */
function portsOf(
  { PortBindings: bindings = {} }: HostConfig,
  exposed: readonly string[],
): Record<string, unknown>[] {
  const bound = Object.entries(bindings).flatMap(([port, hosts]) =>
    (hosts ?? []).map(({ HostIp: address = "", HostPort: published = "" }) => ({
      ...portOf(port),
      ...(address ? { host_ip: address } : {}),
      ...(published ? { published } : {}),
    })),
  );
  const free = exposed.filter((port) => !bindings[port]?.length).map(portOf);
  return [...bound, ...free];
}

function portOf(port: string): { target: string; protocol: string } {
  const [target = "", protocol = "tcp"] = port.split("/");
  if (protocol === "tcp" || protocol === "udp") return { target, protocol };
  throw new BayError("BAD_REQUEST", `PortBindings: ${port}: the protocol must be tcp or udp`);
}

function attachmentsOf(attachments: ReadonlyMap<string, EndpointSettings>): Record<string, unknown> {
  return Object.fromEntries(
    [...attachments].map(([name, { IPAMConfig: ipam, Aliases, MacAddress, DriverOpts, GwPriority }]) => [
      name,
      defined({
        aliases: Aliases,
        ipv4_address: given(ipam?.IPv4Address),
        ipv6_address: given(ipam?.IPv6Address),
        mac_address: given(MacAddress),
        interface_name: given(DriverOpts?.["com.docker.network.endpoint.ifname"]),
        gw_priority: GwPriority,
      }),
    ]),
  );
}
