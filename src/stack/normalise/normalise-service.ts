/** One checked service as bay uses it: short forms expanded, units converted, defaults filled in. */
import { whyNoReference } from "../../core/image-reference.ts";
import { isOfVariant, plainPlatform } from "../../core/platforms.ts";
import { signalNumber } from "../../core/signals.ts";
import { sysctlProblem } from "../../core/sysctls.ts";
import { checkValues } from "../check/check-values.ts";
import type { Service, Unavailable } from "../model/stack.ts";
import type { ServiceInput } from "../schema/schema.ts";
import { readBuild } from "./build.ts";
import { readHealthcheck } from "./healthcheck.ts";
import { readImageUpdate } from "./image-update.ts";
import { readKernelOptions } from "./kernel-options.ts";
import { readDevices, readMounts } from "./mounts.ts";
import { readPlacement } from "./placement.ts";
import { readExtraHosts, readNetworkMode, readNetworks, readPorts } from "./ports-and-networks.ts";
import {
  readCommand,
  readDependencies,
  readEnvironment,
  readExternalLinks,
  readHooks,
  readLabels,
  readLinks,
  readLogging,
  readPullPolicy,
  readRestart,
  readSecurity,
  readUlimits,
} from "./process.ts";
import { readServiceFiles } from "./secrets-and-configs.ts";
import {
  optionalNumber,
  optionalText,
  type ServiceContext,
  ServiceReader,
  strings,
  textMap,
  truth,
} from "./service-reader.ts";
import { checkOrders, readUpdatePolicy } from "./update-policy.ts";
import { readWatch } from "./watch.ts";

const DEFAULT_GRACE = 10_000;
const DEFAULT_SHM = 64 << 20;

/** Every problem of the service is reported; the result is then not used. */
export function normaliseService(name: string, input: ServiceInput, context: ServiceContext): Service {
  const reader = new ServiceReader(name, input, context);
  const build = readBuild(reader);
  if (!input.image && !build) reader.bad([], "the service needs an image, or a build");
  const wrong = input.image ? whyNoReference(input.image) : undefined;
  if (wrong) reader.bad(["image"], wrong);
  const limits = input.deploy?.resources?.limits;
  const security = readSecurity(reader);
  const quota = readQuota(reader);
  const service: Service = {
    name,
    ...readUnavailable(reader),
    ...(input.platform ? { platform: input.platform } : {}),
    // `normalise` sets the stack's default name for a built image
    image: input.image ?? "",
    build,
    command: readCommand(reader, "command"),
    entrypoint: readCommand(reader, "entrypoint"),
    environment: readEnvironment(reader),
    workdir: optionalText(input.working_dir),
    user: optionalText(input.user),
    groups: (input.group_add ?? []).map(String),
    hostname: input.hostname,
    domainname: input.domainname ?? "",
    mounts: lastOfTargets(reader, readMounts(reader)),
    ports: readPorts(reader),
    expose: (input.expose ?? []).map(String),
    networkMode: readNetworkMode(reader),
    networks: readNetworks(reader),
    dns: strings(input.dns).filter(Boolean),
    files: readServiceFiles(reader),
    dnsSearch: strings(input.dns_search).filter(Boolean),
    dnsOptions: (input.dns_opt ?? []).map(String),
    extraHosts: readExtraHosts(reader),
    dependsOn: readDependencies(reader),
    healthcheck: input.healthcheck
      ? readHealthcheck(input.healthcheck, (path, message) => reader.bad(["healthcheck", ...path], message))
      : undefined,
    restart: readRestart(reader),
    pullPolicy: readPullPolicy(reader),
    stopSignal: input.stop_signal === undefined ? undefined : String(input.stop_signal),
    stopGraceMs: reader.duration(["stop_grace_period"], input.stop_grace_period) ?? DEFAULT_GRACE,
    init: truth(input.init),
    readOnly: truth(input.read_only),
    capAdd: (input.cap_add ?? []).map(String),
    capDrop: (input.cap_drop ?? []).map(String),
    privileged: truth(input.privileged),
    noNewPrivileges: security.noNewPrivileges,
    seccomp: security.seccomp,
    apparmor: security.apparmor,
    devices: readDevices(reader),
    ulimits: readUlimits(reader),
    sysctls: textMap(input.sysctls),
    shmSize: reader.bytes(["shm_size"], input.shm_size) ?? DEFAULT_SHM,
    kernel: readKernelOptions(reader),
    hooks: { postStart: readHooks(reader, "post_start"), preStop: readHooks(reader, "pre_stop") },
    update: readUpdatePolicy(reader, "update_config"),
    rollback: readUpdatePolicy(reader, "rollback_config"),
    pidMode: (input.pid || "private") as Service["pidMode"],
    // every container's IPC namespace can be shared here, so shareable equals private
    ipcMode: (input.ipc && input.ipc !== "shareable" ? input.ipc : "private") as Service["ipcMode"],
    oomScoreAdj: Number(input.oom_score_adj ?? 0),
    labels: readLabels(reader),
    links: readLinks(reader),
    externalLinks: readExternalLinks(reader),
    annotations: textMap(input.annotations),
    resources: {
      cpus: optionalNumber(limits?.cpus ?? input.cpus) ?? quota,
      cpuShares: optionalNumber(input.cpu_shares),
      cpuset: optionalText(input.cpuset),
      memory: reader.bytes(
        limits?.memory === undefined ? ["mem_limit"] : ["deploy", "resources", "limits", "memory"],
        limits?.memory ?? input.mem_limit,
      ),
      memoryReservation: reader.bytes(
        ["mem_reservation"],
        input.deploy?.resources?.reservations?.memory ?? input.mem_reservation,
      ),
      memorySwap: reader.bytes(["memswap_limit"], input.memswap_limit),
      pids: optionalNumber(limits?.pids ?? input.pids_limit),
    },
    replicas: Number(input.scale ?? input.deploy?.replicas ?? 1),
    ...readPlacement(reader),
    ...readImageUpdate(reader),
    containerName: input.container_name,
    tty: truth(input.tty),
    stdinOpen: truth(input.stdin_open),
    log: readLogging(reader),
    profiles: profilesOf(input),
    attach: input.attach === undefined || truth(input.attach),
    ...readWatch(reader),
  };
  checkConsistency(reader, service);
  checkValues(reader, service);
  return service;
}

/** As in Compose, the last of two mounts with the same target wins. */
function lastOfTargets(reader: ServiceReader, mounts: Service["mounts"]): Service["mounts"] {
  const last = new Map(mounts.map((mount) => [mount.target, mount]));
  const kept = mounts.filter((mount) => last.get(mount.target) === mount);
  if (kept.length < mounts.length)
    for (const target of last.keys())
      if (mounts.filter((mount) => mount.target === target).length > 1)
        reader.note(["volumes"], "the last one is used", `earlier mounts at ${target}`);
  return kept;
}

/** Names of runtimes that are equivalent to bay. */
const RUNTIMES = ["runc", "crun", "youki", "bay", "io.containerd.runc.v2"];

/** Reports what the service needs and this host lacks: an architecture, a runtime, devices found by a driver. */
function readUnavailable(reader: ServiceReader): Pick<Service, "unavailable"> {
  const { platform, runtime, gpus, deploy } = reader.input;
  const devices = deploy?.resources?.reservations?.devices;
  const found: Unavailable[] = [];
  const own = `linux/${process.arch === "arm64" ? "arm64" : "amd64"}`;
  // the variant concerns the image: only this host's architecture matters
  // in a stack with hosts, the platform says which hosts can run it
  if (!reader.context.hosts && platform && platform !== "linux" && plainPlatform(platform) !== own)
    found.push(reader.refuse("platform", ["platform"], platform, `this host runs ${own}, not ${platform}`));
  else if (platform && isOfVariant(platform))
    reader.note(["platform"], `bay does not distinguish variants of ${plainPlatform(platform)}`);
  if (runtime && RUNTIMES.includes(runtime)) reader.note(["runtime"], "bay has its own runtime");
  else if (runtime)
    found.push(
      reader.refuse(
        "runtime",
        ["runtime"],
        runtime,
        `bay has its own runtime and does not support ${runtime}`,
      ),
    );
  const none = "bay does not support GPUs and other devices of drivers";
  if (gpus !== undefined) found.push(reader.refuse("gpus", ["gpus"], gpus, none));
  if (devices?.length) {
    const path = ["deploy", "resources", "reservations", "devices"];
    found.push(reader.refuse("devices", path, devices, none));
  }
  return found.length > 0 ? { unavailable: found } : {};
}

/** The service's profiles. As in Compose, a service with an empty profile is enabled without any. */
export function profilesOf({ profiles = [] }: Pick<ServiceInput, "profiles">): string[] {
  return profiles.includes("") ? [] : profiles;
}

/** CPU time per period, as a number of CPUs. */
function readQuota(reader: ServiceReader): number | undefined {
  const { cpu_period: period = 100_000, cpu_quota: quota } = reader.input;
  const bad = (key: string) => reader.bad([key], "expected microseconds, 1000 to 1000000 for a period");
  if (!(Number(period) >= 1_000 && Number(period) <= 1_000_000)) bad("cpu_period");
  if (quota === undefined) return undefined;
  if ((reader.input.deploy?.resources?.limits?.cpus ?? reader.input.cpus) !== undefined)
    reader.bad(["cpu_quota"], "it has the same meaning as cpus; use one of them");
  if (!Number.isFinite(Number(quota))) bad("cpu_quota");
  return Number(quota) > 0 ? Number(quota) / Number(period) : undefined;
}

/** Keys that matter among several hosts, and have no meaning on one. */
function noteDeploy(reader: ServiceReader): void {
  const { deploy } = reader.input;
  if (!deploy) return;
  const { labels, placement, endpoint_mode: endpoint, mode, replicas, resources } = deploy;
  if (labels !== undefined) reader.note(["deploy", "labels"], "bay supports labels of containers only");
  if (mode === "global" && Number(replicas ?? 1) !== 1)
    reader.bad(["deploy", "replicas"], "mode global runs one container per host");
  if (reader.context.hosts !== undefined) return;
  if (resources?.reservations?.cpus !== undefined)
    reader.note(["deploy", "resources", "reservations", "cpus"], "cpu_shares gives a service its weight");
  if (placement !== undefined) reader.note(["deploy", "placement"], "there is one host");
  if (endpoint !== undefined)
    reader.note(
      ["deploy", "endpoint_mode"],
      "a service name resolves to the addresses of all its containers",
    );
}

function checkConsistency(reader: ServiceReader, service: Service): void {
  const { memory, memorySwap, memoryReservation, cpus } = service.resources;
  const { scale, deploy } = reader.input;
  const limits = deploy?.resources?.limits;
  const limit = ["deploy", "resources", "limits"];
  if (service.replicas < 0)
    reader.bad(
      scale === undefined ? ["deploy", "replicas"] : ["scale"],
      "the number of replicas must not be negative",
    );
  if (service.replicas > 1 && service.containerName)
    reader.bad(["container_name"], `a fixed name allows one container, not ${service.replicas}`);
  if (memorySwap !== undefined && memorySwap > 0 && memory !== undefined && memorySwap < memory)
    reader.bad(["memswap_limit"], "must not be less than mem_limit, as it is the sum of memory and swap");
  if (memoryReservation && memory && memoryReservation > memory)
    reader.bad(["mem_reservation"], "must not be more than mem_limit");
  if (memory !== undefined && memory > 0 && memory < 6 << 20)
    reader.bad(limits?.memory === undefined ? ["mem_limit"] : [...limit, "memory"], "the minimum is 6m");
  if (cpus !== undefined && cpus > 0 && cpus < 0.01)
    reader.bad(limits?.cpus === undefined ? ["cpus"] : [...limit, "cpus"], "the minimum is 0.01");
  if (service.networkMode !== "bridge" && service.ports.length > 0)
    reader.bad(["ports"], `cannot be published with network_mode ${service.networkMode}`);
  if (reader.input.network_mode !== undefined && reader.input.networks !== undefined)
    reader.bad(["network_mode"], "cannot be used together with networks");
  const targets = [...service.mounts, ...service.files].map(({ target }) => target);
  targets.forEach((target, index) => {
    if (targets.indexOf(target) !== index) reader.bad(["volumes"], `two mounts at ${target}`);
  });
  for (const [name, value] of Object.entries(service.sysctls)) {
    const problem = sysctlProblem(name, value, service);
    if (problem) reader.bad(["sysctls", name], problem);
  }
  if (service.stopSignal !== undefined && signalNumber(service.stopSignal) === undefined)
    reader.bad(["stop_signal"], `invalid signal ${JSON.stringify(service.stopSignal)}`);
  noteDeploy(reader);
  checkOrders(reader, service);
}
