/** A service of a stack as the mapping of a Compose file. Defaults are left out. */

import { formatDuration } from "../../core/durations.ts";
import { formatRate } from "../../core/rates.ts";
import type { PortMapping } from "../normalise/ports.ts";
import { composeBuild } from "./canonical-build.ts";
import { composeHealthcheck } from "./canonical-healthcheck.ts";
import { filled, type Mapping, mapped, orNull, text } from "./canonical-values.ts";
import type {
  Hook,
  ImageUpdate,
  PullPolicy,
  Service,
  ServiceFile,
  ServiceMount,
  Unavailable,
  UpdatePolicy,
  WatchRule,
} from "./service.ts";

const composeImageUpdate = ({ intervalMs, ...policy }: ImageUpdate) =>
  filled({ ...policy, interval: intervalMs === undefined ? undefined : formatDuration(intervalMs) });

/** A service in the long form of Compose. */
export function composeService(service: Service): Mapping {
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
    "x-bay-update": service.imageUpdate && composeImageUpdate(service.imageUpdate),
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
  platform: service.platform,
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
