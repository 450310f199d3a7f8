/**
 * Comparing a container with its desired configuration, field by field. Each field has its name in the stack
 * file, and says whether it can change on the live container or needs a replacement. Pure.
 */
import {
  type ContainerConfig,
  type HookConfig,
  LABELS,
  withoutAnonymousNames,
} from "../../container/index.ts";
import { redacted, withoutPasswords } from "../../core/redaction.ts";

export interface FieldChange {
  /** The name in the stack file: mem_limit, environment.DEBUG. */
  field: string;
  from: string;
  to: string;
  live: boolean;
  /** Shown instead of values that are secret. */
  text?: string;
}

/** The directory of a stack is not part of its containers' configuration. */
const UNCOMPARED_LABELS = new Set<string>([
  LABELS.workingDirectory,
  LABELS.configFiles,
  LABELS.configHash,
  LABELS.version,
  LABELS.dependsOn, // compared by its meaning elsewhere
]);

type Shown = string | undefined;
interface Field {
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
const json = (value: unknown) =>
  Array.isArray(value) && value.length === 0 ? undefined : JSON.stringify(value);
const flag = (value: boolean) => (value ? "true" : undefined);
const each = (entries: readonly string[]) => Object.fromEntries(entries.map((entry) => [entry, entry]));

/** A list: entries removed and added, one by one; if only the order differs, the whole list is shown. */
const list = (
  name: string,
  live: boolean,
  entries: (config: ContainerConfig) => readonly string[],
): Field => ({ name, live, parts: () => ({}), entries });

const FIELDS: Field[] = [
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

/** All fields that differ. The recorded config may hold names that bay chose, such as those of anonymous volumes. */
export function compareConfigs(
  recorded: ContainerConfig,
  wanted: ContainerConfig,
  chosen: { id: string; anonymousVolumes: readonly string[] },
): FieldChange[] {
  const desired = withoutCovered(wanted, recorded);
  const actual = withoutChosen(recorded, desired, chosen);
  return FIELDS.flatMap((field) => {
    if (field.entries) return listChanges(field, field.entries(actual), field.entries(desired));
    const from = field.parts(actual);
    const to = field.parts(desired);
    if (field.name === "ports") return portChanges(Object.keys(from), Object.keys(to));
    const isWhole = field.core !== undefined && (isEmpty(from) || isEmpty(to));
    const parts = isWhole ? [field.core!] : [...new Set([...Object.keys(from), ...Object.keys(to)])];
    return parts
      .filter((part) => from[part] !== to[part])
      .map((part) => ({
        field: part === "" ? field.name : `${field.name}.${part}`,
        from: show(field.name, part, from[part]),
        to: show(field.name, part, to[part]),
        live: field.live,
        ...(isContent(field.name, from[part], to[part]) ? { text: "content changed" } : {}),
      }));
  });
}

/** Whether only the content of a secret or a config differs. */
function isContent(field: string, from: Shown, to: Shown): boolean {
  const withoutDigest = (shown: string) => shown.replace(/ [0-9a-f]{12} /, " ");
  const isFile = field === "secrets" || field === "configs";
  return isFile && from !== undefined && to !== undefined && withoutDigest(from) === withoutDigest(to);
}

const isEmpty = (parts: Record<string, Shown>) => Object.keys(parts).length === 0;

function listChanges({ name, live }: Field, from: readonly string[], to: readonly string[]): FieldChange[] {
  if (JSON.stringify(from) === JSON.stringify(to)) return [];
  const gone = from.filter((entry) => !to.includes(entry));
  const fresh = to.filter((entry) => !from.includes(entry));
  if (gone.length + fresh.length === 0)
    return [{ field: name, from: show(name, "", json(from)), to: show(name, "", json(to)), live }];
  return [
    ...gone.map((entry) => ({ field: name, from: show(name, "", entry), to: "(none)", live })),
    ...fresh.map((entry) => ({ field: name, from: "(none)", to: show(name, "", entry), live })),
  ];
}

/** Pairs removed and added entries: first those with the same target, then in order. */
function portChanges(from: readonly string[], to: readonly string[]): FieldChange[] {
  const gone = from.filter((port) => !to.includes(port));
  const fresh = to.filter((port) => !from.includes(port));
  const targetOf = (port: string) => port.slice(port.lastIndexOf(":") + 1);
  const change = (before: string | undefined, after: string | undefined) => ({
    field: "ports",
    from: before ?? "(none)",
    to: after ?? "(none)",
    live: true,
  });
  const paired = gone.map((before) => {
    const same = fresh.findIndex((after) => targetOf(after) === targetOf(before));
    return [before, ...(same === -1 ? [] : fresh.splice(same, 1))] as const;
  });
  const changes = paired.map(([before, after]) => change(before, after ?? fresh.shift()));
  return [...changes, ...fresh.map((after) => change(undefined, after))];
}

/** Volumes of the image that are mounted from another container instead. */
function withoutCovered(desired: ContainerConfig, { mounts }: ContainerConfig): ContainerConfig {
  const taken = new Set(
    mounts.flatMap((mount) => (mount.type === "volume" && mount.from !== undefined ? [mount.target] : [])),
  );
  if (taken.size === 0) return desired;
  const isCovered = (mount: ContainerConfig["mounts"][number]) =>
    mount.type === "volume" && mount.isOfImage === true && taken.has(mount.target);
  return { ...desired, mounts: desired.mounts.filter((mount) => !isCovered(mount)) };
}

function withoutChosen(
  recorded: ContainerConfig,
  desired: ContainerConfig,
  chosen: { id: string; anonymousVolumes: readonly string[] },
): ContainerConfig {
  const isDefaultName =
    desired.hostname === "" &&
    (recorded.hostname === chosen.id.slice(0, 12) || recorded.networkMode === "host");
  return {
    ...recorded,
    hostname: isDefaultName ? "" : recorded.hostname,
    mounts: withoutAnonymousNames(recorded.mounts, chosen.anonymousVolumes),
  };
}

function show(field: string, part: string, value: Shown): string {
  if (value === undefined) return "(none)";
  if (field === "post_start" || field === "pre_stop")
    return withoutPasswords(showHooks(JSON.parse(value) as HookConfig[]));
  // changed content is reported, but never shown
  const text =
    value === "" ? '""' : field === "secrets" ? value.replace(/ [0-9a-f]{12} /, " (hidden) ") : value;
  return redacted(field, part, text);
}

const showLogOptions = (options: ContainerConfig["log"]["options"] = {}) =>
  Object.entries(options)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`);

/** The content of a secret is not shown, and neither is its digest, by which it could be guessed. */
function showFiles({ files = [], user }: ContainerConfig, kind: "secret" | "config"): Record<string, string> {
  const own = files.filter((file) => file.kind === kind);
  // earlier versions recorded no owner and wrote files as root's: for a container of root nothing has changed
  const owner = /^(0|root)?(:(0|root)?)?$/.test(user) ? "0" : "user";
  return Object.fromEntries(
    own.map(({ name, target, digest, uid = owner, gid = owner, mode }) => [
      target,
      `${name} ${digest.slice(0, 12)} ${uid}:${gid} 0${mode.toString(8)}`,
    ]),
  );
}

function shortDigest(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}

function showMount(mount: ContainerConfig["mounts"][number]): string {
  if (mount.type === "tmpfs") return ["tmpfs", ...mount.options].join(" ");
  const source = mount.source || "(anonymous)";
  const options = [
    mount.type !== "image" && mount.readOnly ? "ro" : "",
    mount.type === "volume" && mount.noCopy ? "nocopy" : "",
    mount.type === "image" ? shortDigest(mount.imageId) : "",
    mount.type !== "bind" && mount.subpath ? `subpath ${mount.subpath}` : "",
    mount.type === "volume" && mount.device ? `at ${mount.device}` : "",
    mount.type === "bind" && !mount.recursive ? "non-recursive" : "",
    mount.type === "bind" && mount.propagation ? mount.propagation : "",
    mount.type !== "image" && mount.selinux ? mount.selinux : "",
  ];
  return [mount.type, source, ...options.filter(Boolean)].join(" ");
}

function showPort({
  hostAddress,
  hostPort,
  hostPortEnd,
  containerPort,
  protocol,
}: ContainerConfig["ports"][number]): string {
  return `${hostAddress ? `${hostAddress}:` : ""}${hostPort ?? ""}${hostPortEnd ? `-${hostPortEnd}` : ""}:${containerPort}${protocol === "tcp" ? "" : "/udp"}`;
}

/** Variables by name only: their values may be secret. */
function showHooks(hooks: readonly HookConfig[]): string {
  return hooks
    .map(({ args, user, workdir, privileged, env }) =>
      [
        JSON.stringify(args),
        user && `as ${user}`,
        workdir && `in ${workdir}`,
        privileged && "privileged",
        env.length > 0 && `with ${env.map((entry) => entry.split("=", 1)[0]).join(", ")}`,
      ]
        .filter(Boolean)
        .join(" "),
    )
    .join("; ");
}

/** `db:service_healthy:false,…`, the format of Compose's label. */
function showDependencies(label: string | undefined): Record<string, Shown> {
  return Object.fromEntries(
    (label ?? "").split(",").flatMap((entry) => {
      const [name = "", condition = "", restart] = entry.split(":");
      return name === "" ? [] : [[name, condition + (restart === "true" ? ", restart" : "")]];
    }),
  );
}

function healthParts(health: NonNullable<ContainerConfig["health"]>): Record<string, Shown> {
  const seconds = (milliseconds: number) => `${milliseconds / 1000}s`;
  return {
    test: JSON.stringify(health.test),
    interval: seconds(health.intervalMs),
    timeout: seconds(health.timeoutMs),
    retries: String(health.retries),
    start_period: seconds(health.startPeriodMs),
    start_interval: seconds(health.startIntervalMs),
  };
}

const showNumber = (value: number | undefined) => (value ? String(value) : undefined);

/** 64m, 1g, 1500 — the shortest exact form. */
export function showBytes(value: number | undefined): string | undefined {
  if (!value) return undefined;
  for (const [unit, size] of [
    ["g", 1024 ** 3],
    ["m", 1024 ** 2],
    ["k", 1024],
  ] as const)
    if (value % size === 0) return `${value / size}${unit}`;
  return String(value);
}
