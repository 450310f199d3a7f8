/** The HostConfig of a container in the shape of the Docker Engine API, with all of its fields. */
import { type ContainerRecord, toResources } from "../../../container/index.ts";

type Limits = { device: string; value: number }[] | undefined;

export function hostConfigShape({ config, endpoints }: Pick<ContainerRecord, "config" | "endpoints">) {
  const { kernel = {} } = config;
  return {
    Binds: config.mounts.flatMap((mount) =>
      mount.type === "tmpfs" ? [] : [`${mount.source}:${mount.target}:${mount.readOnly ? "ro" : "rw"}`],
    ),
    ContainerIDFile: "",
    LogConfig: logShape(config.log),
    NetworkMode:
      config.networkMode === "bridge"
        ? (endpoints[0]?.network ?? config.networks[0]?.network ?? "bridge")
        : config.networkMode,
    PortBindings: bindingsOf(config.ports),
    RestartPolicy: { Name: config.restart.policy, MaximumRetryCount: config.restart.maxRetries },
    AutoRemove: config.autoRemove ?? false,
    VolumeDriver: "",
    VolumesFrom:
      config.volumesFrom?.map(({ container, readOnly }) => `${container}${readOnly ? ":ro" : ""}`) ?? null,
    ConsoleSize: [config.consoleSize?.height ?? 0, config.consoleSize?.width ?? 0],
    CapAdd: config.capAdd,
    CapDrop: config.capDrop,
    CgroupnsMode: kernel.cgroupMode ?? "private",
    Dns: config.dns,
    DnsOptions: config.dnsOptions,
    DnsSearch: config.dnsSearch,
    ExtraHosts: config.extraHosts,
    GroupAdd: config.groups,
    IpcMode: config.ipcMode,
    Cgroup: "",
    Links: config.externalLinks
      ? Object.entries(config.externalLinks).map(([name, target]) => `/${target}:/${config.name}/${name}`)
      : null,
    OomScoreAdj: config.oomScoreAdj,
    PidMode: config.pidMode === "private" ? "" : config.pidMode,
    Privileged: config.privileged,
    // the ports were chosen when the container was created
    PublishAllPorts: false,
    ReadonlyRootfs: config.readOnly,
    SecurityOpt: [
      ...(config.noNewPrivileges ? ["no-new-privileges"] : []),
      ...(config.seccomp === "unconfined" ? ["seccomp=unconfined"] : []),
      ...(config.apparmor ? [`apparmor=${config.apparmor}`] : []),
    ],
    Tmpfs: Object.fromEntries(
      config.mounts.flatMap((mount) =>
        mount.type === "tmpfs" ? [[mount.target, mount.options.join(",")]] : [],
      ),
    ),
    UTSMode: kernel.utsMode ?? "",
    UsernsMode: "",
    ShmSize: config.shmSize,
    Sysctls: config.sysctls,
    Runtime: "bay",
    Isolation: "",
    Annotations: config.annotations,
    Init: config.init,
    MaskedPaths: null,
    ReadonlyPaths: null,
    ...limitsOf(config),
  };
}

function limitsOf(config: ContainerRecord["config"]) {
  const { resources, kernel = {} } = config;
  const { weight = 0, weights, readBps, writeBps, readIops, writeIops } = kernel.blockIo ?? {};
  const rates = (limits: Limits) =>
    limits?.map(({ device, value }) => ({ Path: device, Rate: value })) ?? null;
  return {
    CpuShares: resources.cpuShares ?? 0,
    Memory: resources.memory ?? 0,
    NanoCpus: Math.round((resources.cpus ?? 0) * 1e9),
    CgroupParent: kernel.cgroupParent ?? "",
    BlkioWeight: weight,
    BlkioWeightDevice: weights?.map(({ device, value }) => ({ Path: device, Weight: value })) ?? [],
    BlkioDeviceReadBps: rates(readBps),
    BlkioDeviceWriteBps: rates(writeBps),
    BlkioDeviceReadIOps: rates(readIops),
    BlkioDeviceWriteIOps: rates(writeIops),
    CpuPeriod: 0,
    CpuQuota: 0,
    CpuRealtimePeriod: 0,
    CpuRealtimeRuntime: 0,
    CpusetCpus: resources.cpuset ?? "",
    CpusetMems: "",
    Devices: config.devices.map(({ source, target, access }) => ({
      PathOnHost: source,
      PathInContainer: target,
      CgroupPermissions: access,
    })),
    DeviceCgroupRules: kernel.deviceRules ?? null,
    DeviceRequests: null,
    MemoryReservation: resources.memoryReservation ?? 0,
    MemorySwap: toResources(resources).memory?.swap ?? 0,
    MemorySwappiness: kernel.swappiness ?? null,
    OomKillDisable: kernel.oomKillDisable ?? false,
    PidsLimit: resources.pids ?? null,
    Ulimits: Object.entries(config.ulimits).map(([Name, { soft, hard }]) => ({
      Name,
      Soft: soft,
      Hard: hard,
    })),
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
  };
}

function logShape({ driver, options, maxSize, maxFiles }: ContainerRecord["config"]["log"]) {
  return {
    Type: driver,
    Config: {
      ...options,
      ...(maxSize ? { "max-size": String(maxSize) } : {}),
      ...(maxFiles ? { "max-file": String(maxFiles) } : {}),
    },
  };
}

/** A port may be published at several places of the host. */
function bindingsOf(ports: ContainerRecord["config"]["ports"]) {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { hostAddress, hostPort, hostPortEnd, containerPort, protocol } of ports) {
    const published = [hostPort ?? "", ...(hostPortEnd ? [hostPortEnd] : [])].join("-");
    const key = `${containerPort}/${protocol}`;
    bindings[key] = [...(bindings[key] ?? []), { HostIp: hostAddress, HostPort: published }];
  }
  return bindings;
}
