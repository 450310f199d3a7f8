/** Problems of a request that was checked as a Compose document, in the words of the Engine API. */
import { BayError } from "../../../../core/errors.ts";
import type { DocumentProblem } from "../../../../stack/index.ts";

/** Compose keys, and the fields of the API that they come from. */
const FIELDS: Readonly<Record<string, string>> = {
  cap_add: "HostConfig.CapAdd",
  cap_drop: "HostConfig.CapDrop",
  cgroup_parent: "HostConfig.CgroupParent",
  command: "Cmd",
  cpus: "HostConfig.NanoCpus",
  cpu_period: "HostConfig.CpuPeriod",
  cpu_quota: "HostConfig.CpuQuota",
  cpuset: "HostConfig.CpusetCpus",
  device_cgroup_rules: "HostConfig.DeviceCgroupRules",
  devices: "HostConfig.Devices",
  dns: "HostConfig.Dns",
  dns_opt: "HostConfig.DnsOptions",
  dns_search: "HostConfig.DnsSearch",
  domainname: "Domainname",
  entrypoint: "Entrypoint",
  environment: "Env",
  expose: "ExposedPorts",
  external_links: "HostConfig.Links",
  extra_hosts: "HostConfig.ExtraHosts",
  group_add: "HostConfig.GroupAdd",
  healthcheck: "Healthcheck",
  hostname: "Hostname",
  image: "Image",
  ipc: "HostConfig.IpcMode",
  labels: "Labels",
  logging: "HostConfig.LogConfig",
  mac_address: "MacAddress",
  mem_limit: "HostConfig.Memory",
  mem_reservation: "HostConfig.MemoryReservation",
  mem_swappiness: "HostConfig.MemorySwappiness",
  memswap_limit: "HostConfig.MemorySwap",
  networks: "NetworkingConfig.EndpointsConfig",
  network_mode: "HostConfig.NetworkMode",
  oom_score_adj: "HostConfig.OomScoreAdj",
  pid: "HostConfig.PidMode",
  pids_limit: "HostConfig.PidsLimit",
  ports: "HostConfig.PortBindings",
  restart: "HostConfig.RestartPolicy",
  runtime: "HostConfig.Runtime",
  security_opt: "HostConfig.SecurityOpt",
  shm_size: "HostConfig.ShmSize",
  stop_grace_period: "StopTimeout",
  stop_signal: "StopSignal",
  sysctls: "HostConfig.Sysctls",
  tmpfs: "HostConfig.Tmpfs",
  ulimits: "HostConfig.Ulimits",
  user: "User",
  volumes: "HostConfig.Binds and Mounts",
  volumes_from: "HostConfig.VolumesFrom",
  working_dir: "WorkingDir",
};

/** The text of a problem without its place in the document, after the name of the field. */
function sentenceOf({ path, message }: DocumentProblem): string {
  const key = String(path[2] ?? "");
  const text = message.replace(/^(services|networks|volumes)\.[^\s:]+:? /, "");
  const field = path[0] === "services" ? FIELDS[key] : undefined;
  return field ? `${field}: ${text}` : text;
}

/** Returns the warnings. Throws BAD_REQUEST with all errors. */
export function warningsOf(problems: readonly DocumentProblem[]): string[] {
  const of = (severity: DocumentProblem["severity"]) =>
    problems.filter((problem) => problem.severity === severity).map(sentenceOf);
  const errors = of("error");
  if (errors.length > 0) throw new BayError("BAD_REQUEST", errors.slice(0, 20).join("; "));
  return of("warning");
}
