/** Containers in the shapes of the Docker Engine API: a row of the list, and inspect. */
import {
  type ContainerManager,
  type ContainerRecord,
  containerDirectory,
  endedBy,
  type HealthStatus,
  isRunning,
  NEVER,
} from "../../../container/index.ts";
import { versionOf } from "../../../core/ip.ts";
import { type Endpoint, type NetworkRecord, ownSubnets } from "../../../network/index.ts";
import { hostConfigShape } from "./host-config-shape.ts";

export const DOCKER_STATE: Record<string, string> = {
  dead: "dead",
  created: "created",
  running: "running",
  paused: "paused",
  restarting: "restarting",
  exited: "exited",
};

/** What a row of the list needs in addition to the record. */
export interface Shown {
  health(id: string): HealthStatus;
  networks: { get(name: string): NetworkRecord | undefined };
  volumes: { path(name: string): string };
}

/** `Up 5 minutes (healthy)`, `Exited (0) 2 hours ago`. */
export function statusText(shown: Shown, record: ContainerRecord): string {
  const { state } = record;
  const health = shown.health(record.id);
  const suffix = health === "none" ? "" : health === "starting" ? " (health: starting)" : ` (${health})`;
  if (state.status === "running") return `Up ${ago(state.startedAt)}${suffix}`;
  if (state.status === "paused") return `Up ${ago(state.startedAt)} (Paused)`;
  if (state.status === "restarting") return `Restarting (${state.exitCode}) ${ago(state.finishedAt)} ago`;
  if (state.status === "created") return "Created";
  const by = endedBy(state);
  return `Exited (${state.exitCode}) ${ago(state.finishedAt)} ago${by ? ` (${by})` : ""}`;
}

function ago(time: string): string {
  if (time === NEVER) return "some time"; // the time is unknown
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(time)) / 1000));
  const units: [number, string][] = [
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ];
  const [size, unit] = units.find(([size]) => seconds >= size) ?? [1, "second"];
  const count = Math.floor(seconds / size);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

function ports(record: ContainerRecord) {
  const bound = record.state.boundPorts;
  const rows = bound.map(({ hostAddress, hostPort, containerPort, protocol }) => ({
    IP: hostAddress || "0.0.0.0",
    PrivatePort: containerPort,
    PublicPort: hostPort,
    Type: protocol,
  }));
  const published = new Set(bound.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`));
  const exposed = record.config.exposed
    .filter((port) => !published.has(port))
    .map((port) => ({ PrivatePort: Number.parseInt(port, 10), Type: port.split("/")[1] ?? "tcp" }));
  return [...rows, ...exposed];
}

/** NetworkSettings.Ports of inspect; a port may be bound at several places of the host. */
export function boundPorts({ state }: Pick<ContainerRecord, "state">) {
  const bound: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { hostAddress, hostPort, containerPort, protocol } of state.boundPorts) {
    const key = `${containerPort}/${protocol}`;
    bound[key] = [...(bound[key] ?? []), { HostIp: hostAddress || "0.0.0.0", HostPort: String(hostPort) }];
  }
  return bound;
}

function networks(shown: Shown, record: ContainerRecord) {
  const running = isRunning(record);
  return Object.fromEntries(
    record.endpoints.map((endpoint) => {
      const network = shown.networks.get(endpoint.network);
      return [
        endpoint.network,
        {
          IPAMConfig: null,
          Links: null,
          Aliases: endpoint.aliases,
          NetworkID: network?.id ?? "",
          EndpointID: running ? endpoint.link : "",
          ...addressShape(network, endpoint),
          MacAddress: endpoint.mac,
          DNSNames: [record.config.name, ...endpoint.aliases, record.id.slice(0, 12)],
        },
      ];
    }),
  );
}

/** The fields of an endpoint for IPv4 and IPv6. */
function addressShape(network: NetworkRecord | undefined, endpoint: Endpoint) {
  const own = network ? ownSubnets(network, endpoint) : [];
  const of = (version: 4 | 6) => own.find(({ address }) => versionOf(address) === version);
  const prefix = (subnet: string | undefined) => Number(subnet?.split("/")[1] ?? 0);
  const [ipv4, ipv6] = [of(4), of(6)];
  return {
    Gateway: ipv4?.gateway ?? "",
    IPAddress: endpoint.address,
    IPPrefixLen: prefix(ipv4?.subnet),
    IPv6Gateway: ipv6?.gateway ?? "",
    GlobalIPv6Address: endpoint.address6 ?? "",
    GlobalIPv6PrefixLen: prefix(ipv6?.subnet),
  };
}

function mounts(shown: Shown, record: ContainerRecord) {
  return record.config.mounts.map((mount) =>
    mount.type === "tmpfs"
      ? {
          Type: "tmpfs",
          Source: "",
          Destination: mount.target,
          Mode: mount.options.join(","),
          RW: true,
          Propagation: "",
        }
      : {
          Type: mount.type,
          ...(mount.type === "volume" ? { Name: mount.source, Driver: "local" } : {}),
          Source: mount.type === "volume" ? shown.volumes.path(mount.source) : mount.source,
          Destination: mount.target,
          Mode: mount.readOnly ? "ro" : "",
          RW: !mount.readOnly,
          Propagation: mount.type === "bind" ? "rprivate" : "",
        },
  );
}

/** A row of GET /containers/json. */
export function toSummary(shown: Shown, record: ContainerRecord) {
  const { config, state } = record;
  return {
    Id: record.id,
    Names: [`/${config.name}`],
    Image: config.image,
    ImageID: config.imageId,
    Command: config.args.join(" "),
    Created: Math.floor(Date.parse(record.createdAt) / 1000),
    Ports: ports(record),
    Labels: config.labels,
    State: DOCKER_STATE[state.status],
    Status: statusText(shown, record),
    HostConfig: { NetworkMode: config.networkMode, PidMode: config.pidMode, IpcMode: config.ipcMode },
    NetworkSettings: { Networks: networks(shown, record) },
    Mounts: mounts(shown, record),
  };
}

function declaredVolumes({ config, anonymousVolumes }: ContainerRecord): Record<string, object> | null {
  const targets = config.mounts.flatMap((mount) =>
    mount.type === "volume" && anonymousVolumes.includes(mount.source) ? [mount.target] : [],
  );
  return targets.length > 0 ? Object.fromEntries(targets.map((target) => [target, {}])) : null;
}

/** GET /containers/ID/json. */
export function toInspect(manager: ContainerManager, record: ContainerRecord) {
  const { config, state, id } = record;
  const directory = containerDirectory(manager, id);
  const health = manager.sessions.health(id);
  const first = record.endpoints[0];
  const firstNetwork = networks(manager, record)[first?.network ?? ""];
  const execs = manager.execs.idsOf(id);
  return {
    Id: id,
    Created: record.createdAt,
    Path: config.args[0] ?? "",
    Args: config.args.slice(1),
    State: {
      Status: DOCKER_STATE[state.status],
      Running: isRunning(record),
      Paused: state.status === "paused",
      Restarting: state.status === "restarting",
      OOMKilled: state.oomKilled,
      // bay's extension: what ended it from outside
      EndedBy: endedBy(state) ?? "",
      Dead: state.status === "dead",
      Pid: state.pid,
      ExitCode: state.exitCode,
      Error: state.error,
      StartedAt: state.startedAt,
      FinishedAt: state.finishedAt,
      ...(health
        ? {
            Health: {
              Status: health.status,
              FailingStreak: health.failingStreak,
              Log: health.log.map(({ start, end, exitCode, output }) => ({
                Start: start,
                End: end,
                ExitCode: exitCode,
                Output: output,
              })),
            },
          }
        : {}),
    },
    Image: config.imageId,
    ResolvConfPath: `${directory}/etc/resolv.conf`,
    HostnamePath: `${directory}/etc/hostname`,
    HostsPath: `${directory}/etc/hosts`,
    LogPath: `${directory}/logs`,
    Name: `/${config.name}`,
    RestartCount: state.restartCount,
    Driver: "overlay2",
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: config.apparmor ?? "",
    ExecIDs: execs.length > 0 ? execs : null,
    HostConfig: hostConfigShape(record),
    GraphDriver: { Name: "overlay2", Data: { UpperDir: `${directory}/upper`, WorkDir: `${directory}/work` } },
    Mounts: mounts(manager, record),
    Config: {
      Hostname: config.hostname,
      Domainname: config.domainname,
      User: config.user,
      AttachStdin: false,
      AttachStdout: true,
      AttachStderr: true,
      Tty: config.tty,
      OpenStdin: config.stdinOpen,
      StdinOnce: config.stdinOnce,
      Env: config.env,
      Cmd: config.args,
      Image: config.image,
      // anonymous volumes, as the image or the request declares them
      Volumes: declaredVolumes(record),
      OnBuild: null,
      WorkingDir: config.workdir,
      Entrypoint: null,
      Labels: config.labels,
      StopSignal: config.stopSignal,
      StopTimeout: Math.round(config.stopGraceMs / 1000),
      ExposedPorts: Object.fromEntries(config.exposed.map((port) => [port, {}])),
      ...(config.health
        ? {
            Healthcheck: {
              Test: config.health.test,
              Interval: config.health.intervalMs * 1e6,
              Timeout: config.health.timeoutMs * 1e6,
              Retries: config.health.retries,
              StartPeriod: config.health.startPeriodMs * 1e6,
              StartInterval: config.health.startIntervalMs * 1e6,
            },
          }
        : {}),
    },
    NetworkSettings: {
      Bridge: "",
      SandboxID: isRunning(record) ? id : "",
      SandboxKey: isRunning(record) ? manager.networks.endpoints.namespaceFile(id) : "",
      HairpinMode: false,
      LinkLocalIPv6Address: "",
      LinkLocalIPv6PrefixLen: 0,
      SecondaryIPAddresses: null,
      SecondaryIPv6Addresses: null,
      Ports: boundPorts(record),
      EndpointID: firstNetwork?.EndpointID ?? "",
      Gateway: firstNetwork?.Gateway ?? "",
      IPAddress: first?.address ?? "",
      IPPrefixLen: firstNetwork?.IPPrefixLen ?? 0,
      IPv6Gateway: firstNetwork?.IPv6Gateway ?? "",
      GlobalIPv6Address: firstNetwork?.GlobalIPv6Address ?? "",
      GlobalIPv6PrefixLen: firstNetwork?.GlobalIPv6PrefixLen ?? 0,
      MacAddress: first?.mac ?? "",
      Networks: networks(manager, record),
    },
  };
}
