/**
 * Converts a container's config, with everything resolved, to an OCI runtime spec. Uses Docker's defaults for what is not
 * set.
 */
import { BayError } from "../../core/errors.ts";
import { sysctlProblem } from "../../core/sysctls.ts";
import { DEFAULT_PATH } from "../../image/index.ts";
import { hardLimit, resolveCapabilities, type Spec, type SpecSeccomp } from "../../linux/index.ts";
import type { ContainerConfig } from "../model/config.ts";
import { defaultSeccomp } from "./default-seccomp.ts";
import { deviceRulesOf, devicesOf } from "./devices.ts";
import { allMounts, type MountSources } from "./mounts.ts";
import { toResources } from "./resources.ts";
import type { Account } from "./user.ts";

const MASKED = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];
const READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
export interface ResolvedParts extends MountSources {
  account: Account;
  rootfs: string;
  networkNamespace: string | undefined;
  /** The namespace of the container whose processes this one shares. */
  pidNamespace?: string | undefined;
  apparmorProfile?: string | undefined;
  cgroupsPath: string;
}

/** Throws BayError for a missing device, an unknown capability, or a malformed seccomp profile. */
export function toSpec(config: ContainerConfig, parts: ResolvedParts): Spec {
  for (const [name, value] of Object.entries(config.sysctls)) {
    const problem = sysctlProblem(name, value, config);
    if (problem) throw new BayError("BAD_SYSCTL", `${config.name}: the sysctl ${name} ${problem}`);
  }
  const capabilities = config.privileged
    ? resolveCapabilities(["ALL"], [])
    : resolveCapabilities(config.capAdd, config.capDrop);
  return {
    ociVersion: "1.1.0",
    process: {
      terminal: config.tty,
      ...(config.tty && config.consoleSize ? { consoleSize: config.consoleSize } : {}),
      user: { uid: parts.account.uid, gid: parts.account.gid, additionalGids: parts.account.groups },
      args: config.args,
      env: processEnvironment(config, parts.account),
      cwd: config.workdir || "/",
      capabilities: {
        bounding: capabilities,
        effective: capabilities,
        permitted: capabilities,
        inheritable: [],
        ambient: [],
      },
      rlimits: Object.entries(withDefaultLimits(config.ulimits)).map(([type, { soft, hard }]) => ({
        type: `RLIMIT_${type.toUpperCase()}`,
        soft,
        hard,
      })),
      noNewPrivileges: config.noNewPrivileges,
      oomScoreAdj: config.oomScoreAdj,
      ...(parts.apparmorProfile === undefined ? {} : { apparmorProfile: parts.apparmorProfile }),
    },
    root: { path: parts.rootfs, readonly: config.readOnly },
    // a container must not set the host's names
    ...(config.kernel?.utsMode === "host" ? {} : namesOf(config)),
    mounts: allMounts(config, parts),
    annotations: config.annotations,
    linux: {
      namespaces: namespaces(config, parts),
      devices: devicesOf(config),
      cgroupsPath: parts.cgroupsPath,
      resources: {
        ...toResources(config.resources, config.kernel),
        devices: deviceRulesOf(config),
      },
      seccomp: seccompOf(config, capabilities),
      sysctl: config.sysctls,
      maskedPaths: config.privileged ? [] : MASKED,
      readonlyPaths: config.privileged ? [] : READ_ONLY,
    },
  };
}

const namesOf = ({ hostname, domainname }: ContainerConfig) => ({
  hostname,
  ...(domainname ? { domainname } : {}),
});

/** Always sets a limit of open files: a container must not inherit bayd's. */
function withDefaultLimits(ulimits: ContainerConfig["ulimits"]): ContainerConfig["ulimits"] {
  return { nofile: { soft: 1024, hard: Math.min(524288, hardLimit("nofile")) }, ...ulimits };
}

function processEnvironment(config: ContainerConfig, account: Account): string[] {
  const has = (name: string) => config.env.some((entry) => entry.startsWith(`${name}=`));
  return [
    ...(has("PATH") ? [] : [DEFAULT_PATH]),
    ...(has("HOSTNAME") ? [] : [`HOSTNAME=${config.hostname}`]),
    ...(config.tty && !has("TERM") ? ["TERM=xterm"] : []),
    ...config.env,
    ...(has("HOME") ? [] : [`HOME=${account.home}`]),
  ];
}

function namespaces(
  config: ContainerConfig,
  { networkNamespace, pidNamespace, ipcOwner }: ResolvedParts,
): Spec["linux"]["namespaces"] {
  const list: Spec["linux"]["namespaces"] = [{ type: "mount" }];
  if (config.kernel?.utsMode !== "host") list.push({ type: "uts" });
  if (config.kernel?.cgroupMode !== "host") list.push({ type: "cgroup" });
  if (config.pidMode !== "host") list.push({ type: "pid", ...(pidNamespace ? { path: pidNamespace } : {}) });
  if (config.ipcMode !== "host")
    list.push({ type: "ipc", ...(ipcOwner ? { path: `/proc/${ipcOwner}/ns/ipc` } : {}) });
  if (config.networkMode !== "host")
    list.push({ type: "network", ...(networkNamespace ? { path: networkNamespace } : {}) });
  return list;
}

function seccompOf(config: ContainerConfig, capabilities: readonly string[]): SpecSeccomp | undefined {
  if (config.privileged || config.seccomp === "unconfined") return undefined;
  if (config.seccomp === "default") return defaultSeccomp(capabilities);
  try {
    return JSON.parse(config.seccomp) as SpecSeccomp;
  } catch (cause) {
    throw new BayError("BAD_SECCOMP", "the seccomp profile is not JSON", { cause });
  }
}
