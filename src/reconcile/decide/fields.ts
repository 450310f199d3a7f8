/**
 * The fields of a container's configuration: each with its name in the stack file, its value, and whether it can change on the
 * live container.
 */
import { type ContainerConfig, LABELS } from "../../container/index.ts";
import {
  healthParts,
  shortDigest,
  showBytes,
  showDependencies,
  showFiles,
  showLogOptions,
  showMount,
  showNumber,
  showPort,
} from "./shown-fields.ts";

/** The directory of a stack is not part of its containers' configuration. */
const UNCOMPARED_LABELS = new Set<string>([
  LABELS.workingDirectory,
  LABELS.configFiles,
  LABELS.configHash,
  LABELS.version,
  LABELS.dependsOn, // compared by its meaning elsewhere
]);

export type Shown = string | undefined;
/** A field of the configuration, and how it is shown. */
export interface Field {
  name: string;
  live: boolean;
  /** The field's parts by name; a field of one value has one part, named "". */
  parts: (config: ContainerConfig) => Record<string, Shown>;
  /** The part to show if the whole field is added or removed. */
  core?: string;
  /** For a list: its entries, in order. */
  entries?: (config: ContainerConfig) => readonly string[];
}

const one = (name: string, live: boolean, show: (config: ContainerConfig) => Shown): Field => ({
  name,
  live,
  parts: (config) => ({ "": show(config) }),
});
export const json = (value: unknown) =>
  Array.isArray(value) && value.length === 0 ? undefined : JSON.stringify(value);
const flag = (value: boolean) => (value ? "true" : undefined);
const each = (entries: readonly string[]) => Object.fromEntries(entries.map((entry) => [entry, entry]));

/** A list: entries removed and added, one by one; if only the order differs, the whole list is shown. */
const list = (
  name: string,
  live: boolean,
  entries: (config: ContainerConfig) => readonly string[],
): Field => ({ name, live, parts: () => ({}), entries });

export const FIELDS: Field[] = [
  one("image", false, ({ imageId }) => shortDigest(imageId)),
  one("command", false, ({ args }) => json(args)),
  {
    name: "environment",
    live: false,
    parts: ({ env }) =>
      Object.fromEntries(env.map((entry) => [entry.split("=", 1)[0]!, entry.slice(entry.indexOf("=") + 1)])),
  },
  one("working_dir", false, ({ workdir }) => workdir || undefined),
  one("user", false, ({ user }) => user || undefined),
  list("group_add", false, ({ groups }) => groups),
  one("hostname", false, ({ hostname }) => hostname || undefined),
  one("domainname", false, ({ domainname }) => domainname || undefined),
  {
    name: "volumes",
    live: false,
    parts: ({ mounts }) => Object.fromEntries(mounts.map((mount) => [mount.target, showMount(mount)])),
  },
  list("volumes_from", false, ({ volumesFrom = [] }) =>
    volumesFrom.map(({ container, readOnly }) => container + (readOnly ? ":ro" : "")),
  ),
  { name: "secrets", live: false, parts: (config) => showFiles(config, "secret") },
  { name: "configs", live: false, parts: (config) => showFiles(config, "config") },
  list("expose", true, ({ exposed }) => [...exposed].sort()),
  { name: "ports", live: true, parts: ({ ports }) => each(ports.map(showPort)) },
  one("network_mode", false, ({ networkMode }) => (networkMode === "bridge" ? undefined : networkMode)),
  {
    name: "networks",
    live: true,
    parts: ({ networks }) =>
      Object.fromEntries(
        networks.map(({ network, aliases, ipv4, ipv6, mac, interface: name, gatewayPriority, maySpoof }) => [
          network,
          [
            ipv4,
            ipv6,
            mac,
            name,
            gatewayPriority && `gw_priority ${gatewayPriority}`,
            maySpoof && "spoofing allowed",
            ...aliases,
          ]
            .filter(Boolean)
            .join(" "),
        ]),
      ),
  },
  { name: "links", live: true, parts: ({ externalLinks }) => ({ ...externalLinks }) },
  list("dns", false, ({ dns }) => dns),
  list("dns_search", false, ({ dnsSearch }) => dnsSearch),
  list("dns_opt", false, ({ dnsOptions }) => dnsOptions),
  list("extra_hosts", false, ({ extraHosts }) => extraHosts),
  {
    name: "healthcheck",
    live: true,
    core: "test",
    parts: ({ health }) => (health ? healthParts(health) : {}),
  },
  one(
    "restart",
    true,
    ({ restart }) => restart.policy + (restart.maxRetries ? `:${restart.maxRetries}` : ""),
  ),
  one("stop_signal", true, ({ stopSignal }) => stopSignal),
  one("stop_grace_period", true, ({ stopGraceMs }) => `${stopGraceMs / 1000}s`),
  one("init", false, ({ init }) => flag(init)),
  one("read_only", false, ({ readOnly }) => flag(readOnly)),
  list("cap_add", false, ({ capAdd }) => [...capAdd].sort()),
  list("cap_drop", false, ({ capDrop }) => [...capDrop].sort()),
  one("privileged", false, ({ privileged }) => flag(privileged)),
  one("security_opt.no-new-privileges", false, ({ noNewPrivileges }) => flag(noNewPrivileges)),
  one("security_opt.apparmor", false, ({ apparmor }) => apparmor),
  one("security_opt.seccomp", false, ({ seccomp }) => seccomp),
  list("devices", false, ({ devices }) =>
    devices.map(({ source, target, access }) => `${source}:${target}:${access}`),
  ),
  {
    name: "ulimits",
    live: false,
    parts: ({ ulimits }) =>
      Object.fromEntries(Object.entries(ulimits).map(([name, { soft, hard }]) => [name, `${soft}:${hard}`])),
  },
  { name: "sysctls", live: false, parts: ({ sysctls }) => ({ ...sysctls }) },
  one("shm_size", false, ({ shmSize }) => showBytes(shmSize)),
  one("pid", false, ({ pidMode }) => (pidMode === "private" ? undefined : pidMode)),
  one("ipc", false, ({ ipcMode }) => (ipcMode === "private" ? undefined : ipcMode)),
  // a post_start hook that has run cannot be undone; a pre_stop hook runs later
  one("post_start", false, ({ hooks }) => json(hooks?.postStart ?? [])),
  one("pre_stop", true, ({ hooks }) => json(hooks?.preStop ?? [])),
  one("uts", false, ({ kernel }) => kernel?.utsMode),
  one("cgroup", false, ({ kernel }) => kernel?.cgroupMode),
  one("cgroup_parent", false, ({ kernel }) => kernel?.cgroupParent),
  list("device_cgroup_rules", false, ({ kernel }) => kernel?.deviceRules ?? []),
  one("mem_swappiness", false, ({ kernel }) => kernel?.swappiness?.toString()),
  one("oom_kill_disable", false, ({ kernel }) => flag(kernel?.oomKillDisable ?? false)),
  one("x-bay.proc", false, ({ kernel }) => kernel?.procView),
  one("blkio_config", false, ({ kernel }) => kernel?.blockIo && JSON.stringify(kernel.blockIo)),
  one("oom_score_adj", false, ({ oomScoreAdj }) => String(oomScoreAdj)),
  {
    name: "labels",
    live: true,
    parts: ({ labels }) =>
      Object.fromEntries(Object.entries(labels).filter(([key]) => !UNCOMPARED_LABELS.has(key))),
  },
  { name: "depends_on", live: true, parts: ({ labels }) => showDependencies(labels[LABELS.dependsOn]) },
  { name: "annotations", live: false, parts: ({ annotations }) => ({ ...annotations }) },
  one("cpus", true, ({ resources }) => showNumber(resources.cpus)),
  one("cpu_shares", true, ({ resources }) => showNumber(resources.cpuShares)),
  one("cpuset", true, ({ resources }) => resources.cpuset || undefined),
  one("mem_limit", true, ({ resources }) => showBytes(resources.memory)),
  one("mem_reservation", true, ({ resources }) => showBytes(resources.memoryReservation)),
  one("memswap_limit", true, ({ resources }) => showBytes(resources.memorySwap)),
  one("pids_limit", true, ({ resources }) => showNumber(resources.pids)),
  one("tty", false, ({ tty }) => flag(tty)),
  one("stdin_open", false, ({ stdinOpen }) => flag(stdinOpen)),
  one("logging", false, ({ log }) =>
    [log.driver, showBytes(log.maxSize), log.maxFiles, ...showLogOptions(log.options)]
      .filter((part) => part !== undefined)
      .join(" "),
  ),
];

/** Fields that can change on a live container, by their names in the stack file. */
export const LIVE_FIELDS = FIELDS.filter(({ live }) => live).map(({ name }) => name);
