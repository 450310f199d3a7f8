import { existsSync } from "node:fs";
import type { CgroupManager } from "./cgroup.ts";
import { CgroupV1Manager } from "./v1.ts";
import { CgroupV2Manager } from "./v2.ts";

/**
 * The host's cgroups, below a parent group such as `/bay-1a2b3c`. Where v1 hierarchies carry the controllers
 * (also in hybrid set-ups), v1 is used.
 */
export function cgroupManager(parent: string): CgroupManager {
  return existsSync("/sys/fs/cgroup/cgroup.controllers")
    ? new CgroupV2Manager(parent, "/sys/fs/cgroup")
    : new CgroupV1Manager(parent);
}

export type { Cgroup, CgroupManager, CgroupStats } from "./cgroup.ts";
