import type { Cgroup } from "../linux/index.ts";
import type { ContainerConfig } from "./config.ts";
import { toResources } from "./oci-spec.ts";

/** True where the kernel's limits are what the config says. */
export function limitsMatch(config: ContainerConfig, cgroup: Cgroup): boolean {
  const wanted = toResources(config.resources);
  const actual = cgroup.read();
  const page = 4096;
  const near = (a: number | undefined, b: number | undefined, slack: number) =>
    Math.abs((a || 0) - (b || 0)) <= slack;
  return (
    near(wanted.memory?.limit, actual.memory?.limit, page) &&
    near(wanted.pids?.limit, actual.pids?.limit, 0) &&
    near(wanted.cpu?.quota, actual.cpu?.quota, 0) &&
    (!wanted.cpu?.shares ||
      near(wanted.cpu.shares, actual.cpu?.shares ?? (wanted.cpu.shares === 1024 ? 1024 : 0), 27))
  );
}
