import type { DaemonSettings } from "../../core/daemon-settings.ts";
import type { ResourceLimits } from "../../core/resource-limits.ts";
import type { Cgroup } from "../../linux/index.ts";
import { toResources } from "../spec/resources.ts";
import type { ContainerConfig } from "./config.ts";

const PAGE = 4096;
/** cgroup v1 and v2 count CPU shares in different steps. */
const SHARES_STEP = 27;
const NO_SHARES = 1024;

/** The limits, with those of bayd's settings if the file sets none; 0 and -1 mean no limit, as in Compose. */
export function withDefaults(
  resources: ResourceLimits,
  { defaultPidsLimit }: Pick<DaemonSettings, "defaultPidsLimit">,
): ResourceLimits {
  return { ...resources, pids: resources.pids ?? defaultPidsLimit };
}

export interface LimitDrift {
  key: string;
  wanted: number;
  actual: number;
}

/** The limits that differ between the kernel and the config, with their names in the stack file; 0 for none. */
export function limitDrift(config: ContainerConfig, cgroup: Cgroup): LimitDrift[] {
  const wanted = toResources(config.resources);
  const actual = cgroup.read();
  const shares = wanted.cpu?.shares;
  const cpus = (quota: number | undefined, period = 100_000) => (quota ?? 0) / period;
  const all: (LimitDrift & { slack: number })[] = [
    pair("mem_limit", wanted.memory?.limit, actual.memory?.limit, PAGE),
    // without a limit in the file, the container has the default that bayd had at its start
    ...(config.resources.pids === undefined
      ? []
      : [pair("pids_limit", wanted.pids?.limit, actual.pids?.limit, 0)]),
    pair("cpus", cpus(wanted.cpu?.quota), cpus(actual.cpu?.quota, actual.cpu?.period), 0),
    ...(shares ? [pair("cpu_shares", shares, actual.cpu?.shares ?? NO_SHARES, SHARES_STEP)] : []),
  ];
  return all.filter(({ wanted, actual, slack }) => Math.abs(wanted - actual) > slack);
}

const pair = (key: string, wanted: number | undefined, actual: number | undefined, slack: number) => ({
  key,
  wanted: wanted || 0,
  actual: actual || 0,
  slack,
});
