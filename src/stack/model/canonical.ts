/**
 * A Stack as a Compose file again: what the files mean, with short forms written out, variables filled in, env
 * files read and paths made absolute. Loading the result returns the same Stack. Defaults are left out.
 */
import { bridgeOptionTexts } from "../../core/bridge-options.ts";
import { formatRate } from "../../core/rates.ts";
import { overlayOptionTexts } from "../normalise/overlay-options.ts";
import type { PortMapping } from "../normalise/ports.ts";
import { formatDuration } from "../normalise/values.ts";
import type {
  GivenContent,
  Healthcheck,
  Hook,
  PullPolicy,
  Service,
  ServiceFile,
  ServiceMount,
  Stack,
  StackBuild,
  StackImage,
  StackNetwork,
  StackSubnet,
  StackVolume,
  Unavailable,
  UpdatePolicy,
  WatchRule,
} from "./stack.ts";

type Mapping = Record<string, unknown>;

/** Plain values for a YAML or JSON writer. Dollar signs are doubled, as in any Compose file. */
export function toCompose(stack: Stack): Mapping {
  return escapeDollars(
    filled({
      name: stack.name,
      services: mapped(stack.services, composeService),
      networks: mapped(stack.networks, composeNetwork),
      volumes: mapped(stack.volumes, composeVolume),
      secrets: mapped(stack.secrets, composeGiven),
      configs: mapped(stack.configs, composeGiven),
      images: mapped(stack.images, composeImage),
      hosts: composeHosts(stack.hosts),
    }),
  ) as Mapping;
}

const composeHosts = (hosts: Stack["hosts"]) =>
  typeof hosts === "object"
    ? mapped(hosts, ({ address, port, labels }) =>
        orNull(filled({ address: address === undefined ? undefined : withPort(address, port), labels })),
      )
    : hosts;

const withPort = (address: string, port: number | undefined) =>
  port === undefined ? address : `${address.includes(":") ? `[${address}]` : address}:${port}`;

function composeService(service: Service): Mapping {
  const { resources, log } = service;
  const isBridged = service.networkMode === "bridge";
  return filled({
    image: service.image,
    command: service.command,
    entrypoint: service.entrypoint,
    environment: service.environment,
    working_dir: service.workdir,
    user: service.user,
    group_add: service.groups,
    hostname: service.hostname,
    domainname: service.domainname || undefined,
    volumes: service.mounts.flatMap(composeMount),
    tmpfs: service.mounts.flatMap((mount) =>
      mount.type === "tmpfs" ? [[mount.target, mount.options.join(",")].filter(Boolean).join(":")] : [],
    ),
    ports: service.ports.map(composePort),
    expose: service.expose,
    network_mode: isBridged ? undefined : service.networkMode,
    networks: isBridged
      ? mapped(service.networks, ({ aliases, ipv4, ipv6, mac, interface: name, gatewayPriority, rate }) =>
          orNull(
            filled({
              aliases,
              ipv4_address: ipv4,
              ipv6_address: ipv6,
              mac_address: mac,
              interface_name: name,
              gw_priority: gatewayPriority,
              "x-bay-rate": rate === undefined ? undefined : formatRate(rate),
            }),
          ),
        )
      : undefined,
    "x-bay": filled({
      spoofing: Object.values(service.networks).some(({ maySpoof }) => maySpoof) ? "allow" : undefined,
      proc: service.kernel.procView,
    }),
    dns: service.dns,
    dns_search: service.dnsSearch,
    dns_opt: service.dnsOptions,
    extra_hosts: service.extraHosts,
    external_links: Object.entries(service.externalLinks).map(([name, container]) => `${container}:${name}`),
    volumes_from: [
      ...(service.volumesFrom ?? []).map((source) => source.service + (source.isReadOnly ? ":ro" : "")),
      ...(service.containerVolumes ?? []).map(
        ({ container, isReadOnly }) => `container:${container}${isReadOnly ? ":ro" : ""}`,
      ),
    ],
    links: service.links.map((link) => `${link.service}:${link.name}`),
    depends_on: mapped(service.dependsOn, ({ condition, required, restart }) =>
      filled({ condition, required, restart: restart || undefined }),
    ),
    healthcheck: service.healthcheck && composeHealthcheck(service.healthcheck),
    restart:
      service.restart.policy === "no" && service.restart.maxRetries === 0
        ? undefined
        : service.restart.policy + (service.restart.maxRetries ? `:${service.restart.maxRetries}` : ""),
    build: service.build && composeBuild(service.build),
    pull_policy: composePullPolicy(service.pullPolicy),
    stop_signal: service.stopSignal,
    stop_grace_period: service.stopGraceMs === 10_000 ? undefined : formatDuration(service.stopGraceMs),
    init: service.init || undefined,
    read_only: service.readOnly || undefined,
    secrets: composeFiles(service, "secret"),
    configs: composeFiles(service, "config"),
    cap_add: service.capAdd,
    cap_drop: service.capDrop,
    privileged: service.privileged || undefined,
    security_opt: [
      ...(service.noNewPrivileges ? ["no-new-privileges:true"] : []),
      ...(service.apparmor === undefined ? [] : [`apparmor=${service.apparmor}`]),
      ...(service.seccomp === "default" ? [] : [`seccomp=${service.seccomp}`]),
    ],
    devices: service.devices.map(({ source, target, access }) => `${source}:${target}:${access}`),
    ulimits: service.ulimits,
    sysctls: service.sysctls,
    shm_size: service.shmSize === 64 << 20 ? undefined : String(service.shmSize),
    pid: service.pidMode === "private" ? undefined : service.pidMode,
    ipc: service.ipcMode === "private" ? undefined : service.ipcMode,
    ...composeKernel(service.kernel),
    post_start: service.hooks.postStart.map(composeHook),
    pre_stop: service.hooks.preStop.map(composeHook),
    develop: service.watch && { watch: service.watch.map(composeWatchRule) },
    ...composeUnavailable(service),
    host: service.placement?.hosts,
    deploy: filled({
      ...composePlacement(service),
      resources: filled({
        reservations: filled({
          devices: wanted(service, "devices"),
          cpus: cpusOf(service.placement?.reservedCpu),
        }),
      }),
      update_config: service.update && composeUpdate(service.update),
      rollback_config: service.rollback && composeUpdate(service.rollback),
    }),
    oom_score_adj: service.oomScoreAdj || undefined,
    labels: service.labels,
    annotations: service.annotations,
    cpus: resources.cpus,
    cpu_shares: resources.cpuShares,
    cpuset: resources.cpuset,
    mem_limit: text(resources.memory),
    mem_reservation: text(resources.memoryReservation),
    memswap_limit: text(resources.memorySwap),
    pids_limit: resources.pids,
    scale: service.replicas === 1 ? undefined : service.replicas,
    container_name: service.containerName,
    tty: service.tty || undefined,
    stdin_open: service.stdinOpen || undefined,
    logging:
      log.driver === "json-file" && log.maxSize === undefined && log.maxFiles === undefined && !log.options
        ? undefined
        : filled({
            driver: log.driver,
            options: filled({
              ...log.options,
              "max-size": text(log.maxSize),
              "max-file": text(log.maxFiles),
            }),
          }),
    profiles: service.profiles,
    attach: service.attach ? undefined : false,
  });
}

const wanted = ({ unavailable = [] }: Service, key: Unavailable["key"]) =>
  unavailable.find((each) => each.key === key)?.value;

const composeUnavailable = (service: Service): Mapping => ({
  gpus: wanted(service, "gpus"),
  runtime: wanted(service, "runtime"),
  platform: service.placement?.platform ?? wanted(service, "platform"),
});

const cpusOf = (nanos: number | undefined) => (nanos === undefined ? undefined : nanos / 1e9);

function composePlacement({ placement, endpointMode }: Service): Mapping {
  if (!placement) return {};
  return {
    mode: placement.isGlobal ? "global" : undefined,
    endpoint_mode: endpointMode,
    placement: filled({
      constraints: placement.constraints.map(
        ({ attribute, label, operator, value }) =>
          `${attribute}${label === undefined ? "" : `.${label}`} ${operator} ${value}`,
      ),
      preferences: placement.spread.map(({ attribute, label }) => ({ spread: `${attribute}.${label}` })),
      max_replicas_per_node: placement.maxPerHost,
    }),
  };
}

const composeUpdate = (policy: UpdatePolicy): Mapping => ({
  order: policy.order,
  parallelism: policy.parallelism,
  delay: formatDuration(policy.delayMs),
  monitor: formatDuration(policy.monitorMs),
  failure_action: policy.failureAction,
  max_failure_ratio: policy.maxFailureRatio,
});

const composeWatchRule = (rule: WatchRule): Mapping =>
  filled({
    path: rule.path,
    action: rule.action,
    target: rule.target,
    ignore: rule.ignore,
    include: rule.include,
    initial_sync: rule.initialSync || undefined,
    exec: rule.exec && composeHook(rule.exec),
  });

const composeHook = ({ command, environment, user, workdir, privileged }: Hook): Mapping =>
  filled({ command, user, privileged: privileged || undefined, working_dir: workdir, environment });

function composeKernel(kernel: Service["kernel"]): Mapping {
  const { blockIo } = kernel;
  const limits = (list: { device: string; value: number }[] = [], key = "rate") =>
    list.map(({ device, value }) => ({ path: device, [key]: value }));
  return {
    uts: kernel.utsMode === "host" ? "host" : undefined,
    cgroup: kernel.cgroupMode === "host" ? "host" : undefined,
    cgroup_parent: kernel.cgroupParent,
    device_cgroup_rules: kernel.deviceRules,
    mem_swappiness: kernel.swappiness,
    oom_kill_disable: kernel.oomKillDisable || undefined,
    blkio_config:
      blockIo &&
      filled({
        weight: blockIo.weight,
        weight_device: limits(blockIo.weights, "weight"),
        device_read_bps: limits(blockIo.readBps),
        device_write_bps: limits(blockIo.writeBps),
        device_read_iops: limits(blockIo.readIops),
        device_write_iops: limits(blockIo.writeIops),
      }),
  };
}

/** Modes in octal, as strings: some parsers would read a number as decimal. */
function composeFiles({ files }: Service, kind: ServiceFile["kind"]): Mapping[] {
  return files
    .filter((file) => file.kind === kind)
    .map(({ source, target, uid, gid, mode }) =>
      filled({
        source,
        target,
        uid: text(uid),
        gid: text(gid),
        mode: mode === 0o444 ? undefined : `0${mode.toString(8)}`,
      }),
    );
}

/** The source of a secret or a config; a secret's value is never printed. */
const composeGiven = (given: GivenContent): Mapping =>
  "file" in given
    ? { file: given.file }
    : "environment" in given
      ? { environment: given.environment }
      : { content: given.content };

function composeMount(mount: ServiceMount): Mapping[] {
  if (mount.type === "tmpfs") return [];
  const { type, source, target, readOnly } = mount;
  const common = { type, source: source || undefined, target, read_only: readOnly || undefined };
  if (mount.type === "image") return [filled({ ...common, image: filled({ subpath: mount.subpath }) })];
  if (mount.type === "volume")
    return [
      filled({ ...common, volume: filled({ nocopy: mount.noCopy || undefined, subpath: mount.subpath }) }),
    ];
  const bind = {
    create_host_path: mount.createSource,
    recursive: mount.recursive ? undefined : "disabled",
    propagation: mount.propagation && `r${mount.propagation}`,
    selinux: mount.selinux,
  };
  return [filled({ ...common, bind: filled(bind) })];
}

function composePullPolicy(policy: PullPolicy): string | undefined {
  if (policy.when === "refresh") return `every_${formatDuration(policy.afterMs)}`;
  return policy.when === "missing" ? undefined : policy.when;
}

function composeBuild(build: StackBuild): Mapping {
  return filled({
    context: build.context,
    dockerfile: build.dockerfile,
    dockerfile_inline: build.inline,
    args: build.args,
    target: build.target,
    additional_contexts: build.contexts,
    cache_from: build.cacheFrom,
    cache_to: build.cacheTo,
    no_cache: build.noCache || undefined,
    no_cache_filter: build.noCacheFilter,
    secrets: Object.entries(build.secrets).map(([target, source]) => ({ source, target })),
    pull: build.pull || undefined,
    labels: build.labels,
    network: build.network === "bridge" ? undefined : build.network,
    shm_size: text(build.shmSize),
    extra_hosts: build.extraHosts,
    ssh: build.ssh,
    tags: build.tags,
    platforms: build.platform === undefined ? undefined : [build.platform],
    ulimits: build.ulimits,
    privileged: build.insecure || undefined,
    entitlements: build.hostNetwork && build.network !== "host" ? ["network.host"] : undefined,
  });
}

function composePort({
  hostAddress,
  hostPort,
  hostPortEnd,
  containerPort,
  protocol,
  mode,
}: PortMapping): Mapping {
  return filled({
    mode: mode ?? "ingress",
    host_ip: hostAddress || undefined,
    target: containerPort,
    published: hostPortEnd === undefined ? text(hostPort) : `${hostPort}-${hostPortEnd}`,
    protocol,
  });
}

function composeHealthcheck({ test, retries, ...times }: Healthcheck): Mapping {
  return filled({
    test,
    interval: formatDuration(times.intervalMs),
    timeout: formatDuration(times.timeoutMs),
    retries,
    start_period: formatDuration(times.startPeriodMs),
    start_interval: formatDuration(times.startIntervalMs),
  });
}

function composeNetwork(network: StackNetwork): Mapping {
  const { name, external, internal, ipv6, subnet, gateway, further = [], mtu, options, labels } = network;
  const { overlay, missingDriver: missing } = network;
  const own = overlay ? overlayOptionTexts(mtu, overlay) : bridgeOptionTexts(mtu, options);
  const subnets = subnet || gateway ? [network, ...further] : further;
  return filled({
    name,
    driver: missing?.driver ?? (overlay && "overlay"),
    attachable: overlay?.isAttachable || undefined,
    external: external || undefined,
    internal: internal || undefined,
    enable_ipv6: ipv6,
    ipam: filled({ driver: missing?.ipamDriver, config: subnets.map(composeSubnet) }),
    driver_opts: missing?.driver === undefined ? own : missing.options,
    labels,
  });
}

const composeSubnet = ({ subnet, gateway, range, reserved }: StackSubnet) =>
  filled({ subnet, gateway, ip_range: range, aux_addresses: reserved });

function composeVolume({ name, external, device, mount, missingDriver, labels }: StackVolume): Mapping {
  const mounted = mount && filled({ type: mount.type, o: mount.options || undefined, device: mount.device });
  const options = device === undefined ? mounted : { type: "none", o: "bind", device };
  return filled({
    name,
    driver: missingDriver?.driver,
    external: external || undefined,
    driver_opts: missingDriver?.options ?? options,
    labels,
  });
}

function composeApt(source: Extract<StackImage["source"], { kind: "apt" }>): Mapping {
  const { suite, components, packages, mirror, snapshot, keep } = source;
  return filled({ suite, components, packages, mirror, snapshot, keep });
}

function composeImage({ source, config }: StackImage): Mapping {
  const health = config.Healthcheck;
  const milliseconds = (value: number | undefined) => (value === undefined ? undefined : value / 1e6);
  return filled({
    host: source.kind === "host" ? filled({ files: source.entries, users: source.users }) : undefined,
    rootfs: source.kind === "rootfs" ? source.path : undefined,
    archive:
      source.kind === "archive" ? filled({ path: source.path, reference: source.reference }) : undefined,
    apt: source.kind === "apt" ? composeApt(source) : undefined,
    config: filled({
      entrypoint: config.Entrypoint,
      command: config.Cmd,
      environment: config.Env,
      working_dir: config.WorkingDir,
      user: config.User,
      expose: config.ExposedPorts && Object.keys(config.ExposedPorts),
      volumes: config.Volumes && Object.keys(config.Volumes),
      labels: config.Labels,
      stop_signal: config.StopSignal,
      healthcheck:
        health &&
        composeHealthcheck({
          test: health.Test,
          intervalMs: milliseconds(health.Interval),
          timeoutMs: milliseconds(health.Timeout),
          startPeriodMs: milliseconds(health.StartPeriod),
          startIntervalMs: milliseconds(health.StartInterval),
          retries: health.Retries,
        }),
    }),
  });
}

const text = (value: number | undefined) => (value === undefined ? undefined : String(value));
const orNull = (mapping: Mapping) => (Object.keys(mapping).length > 0 ? mapping : null);

function mapped<T>(entries: Record<string, T>, show: (value: T) => unknown): Mapping {
  return Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, show(value)]));
}

/** Without undefined values, empty lists and empty mappings. An empty command is kept. */
function filled(mapping: Mapping): Mapping {
  const says = ([key, value]: [string, unknown]) =>
    value !== undefined &&
    (key === "command" ||
      key === "entrypoint" ||
      typeof value !== "object" ||
      value === null ||
      Object.keys(value).length > 0);
  return Object.fromEntries(Object.entries(mapping).filter(says));
}

function escapeDollars(value: unknown): unknown {
  if (typeof value === "string") return value.replaceAll("$", "$$$$");
  if (Array.isArray(value)) return value.map(escapeDollars);
  if (typeof value !== "object" || value === null) return value;
  return mapped(value as Mapping, escapeDollars);
}
