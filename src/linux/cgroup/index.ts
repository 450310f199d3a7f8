import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { CgroupManager } from "./cgroup.ts";
import { CgroupV1Manager } from "./v1.ts";
import { CgroupV2Manager } from "./v2.ts";

export { removeGroup } from "./files.ts";

/**
 * The host's cgroups, below a parent such as `/bay-1a2b3c`. If v1 hierarchies have the controllers (also in hybrid mode), v1
 * is used.
 */
export function cgroupManager(parent: string): CgroupManager {
  return existsSync("/sys/fs/cgroup/cgroup.controllers")
    ? new CgroupV2Manager(parent, "/sys/fs/cgroup")
    : new CgroupV1Manager(parent);
}

export type { Cgroup, CgroupManager, ProcessGroup } from "./cgroup.ts";

/** Removes the last cgroup and its parent. The cgroup's last member may be about to end, so it waits up to a second. */
export async function removeLastGroup(groups: CgroupManager, name: string): Promise<void> {
  for (let attempt = 0; attempt < 40 && !groups.group(name).remove(); attempt++) await sleep(25);
  groups.removeParent();
}
