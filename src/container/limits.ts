import type { Cgroup } from "../linux/index.ts";
import type { ContainerConfig } from "./config.ts";
import { toResources } from "./oci-spec.ts";

const PAGE = 4096;
/** The two versions of control groups count shares in different steps. */
const SHARES_STEP = 27;
const NO_SHARES = 1024;

export interface LimitDrift {
  key: string;
  wanted: number;
  actual: number;
}

/** The limits that the kernel has otherwise than the config says, as the stack file calls them; 0 for none. */
export function limitDrift(config: ContainerConfig, cgroup: Cgroup): LimitDrift[] {
  const wanted = toResources(config.resources);
  const actual = cgroup.read();
  const shares = wanted.cpu?.shares;
  const cpus = (quota: number | undefined, period = 100_000) => (quota ?? 0) / period;
  const all: (LimitDrift & { slack: number })[] = [
    pair("mem_limit", wanted.memory?.limit, actual.memory?.limit, PAGE),
    pair("pids_limit", wanted.pids?.limit, actual.pids?.limit, 0),
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
