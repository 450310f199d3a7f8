/** Control groups, v1 and v2 behind one interface. Limits are the OCI specification's `linux.resources`. */
import type { SpecResources } from "../spec.ts";

export interface CgroupStats {
  memoryBytes: number;
  memoryLimitBytes: number | undefined;
  /** Page cache that the kernel can reclaim; docker stats subtracts it. */
  inactiveFileBytes: number;
  cpuNanoseconds: number;
  cpuUserNanoseconds: number;
  cpuKernelNanoseconds: number;
  /** Periods of the CPU limit in which something ran, and those in which the limit was reached. */
  cpuPeriods: number;
  cpuThrottledPeriods: number;
  cpuThrottledNanoseconds: number;
  pids: number;
  readBytes: number;
  writeBytes: number;
}

export interface Cgroup {
  readonly path: string;
  /** Files to which a single-threaded process writes 0 to join. */
  joinFiles(): string[];
  /** Creates the cgroup. Returns true if it is new, and so has no limits. */
  create(): boolean;
  /** Sets the given limits and keeps the others. Throws BayError CGROUP_LIMIT, naming the limit. */
  apply(resources: SpecResources): void;
  /** The limits in the kernel, in the specification's units; absent means unlimited. */
  read(): SpecResources;
  stats(): CgroupStats;
  /** The processes in it and in the cgroups below it. */
  pids(): number[];
  oomKills(): number;
  freeze(frozen: boolean): void;
  isFrozen(): boolean;
  exists(): boolean;
  /** Sends SIGKILL to every member. */
  kill(): void;
  /** Removes the cgroup and those below it; false if it still has members. Ignores a cgroup that does not exist. */
  remove(): boolean;
  /** The cgroup of this name below it, which may not exist. */
  below(name: string): ProcessGroup;
  /** Names of the cgroups below it. */
  groupsBelow(): string[];
}

/** Processes of a container that are killed together, such as those of one exec. The limits are the container's. */
export interface ProcessGroup {
  /** Files to which a single-threaded process writes 0 to join it, and with it the container's cgroup. */
  joinFiles(): string[];
  /** Throws if the container's cgroup does not exist. */
  create(): void;
  /** Sends SIGKILL to every member, even if members keep starting others. A frozen process ends when it is thawed. */
  kill(): void;
  /** Removes the cgroup; false if it still has members. Ignores a cgroup that does not exist. */
  remove(): boolean;
}

export interface CgroupManager {
  readonly version: 1 | 2;
  /** The cgroup `parent/name`, which may not exist; below another cgroup, `under/parent-name`. */
  group(name: string, under?: string): Cgroup;
  /** The directories of a path and its ancestors that do not exist. */
  missingGroups(path: string): string[];
  /** Creates a parent for other cgroups. */
  makeGroup(path: string): void;
  /** Names of the existing cgroups below the parent. */
  list(): string[];
  /** Removes the parent itself if it is empty. */
  removeParent(): void;
  /** What a container's /sys/fs/cgroup shows: "v2" or v1's controllers. */
  readonly view: "v2" | string[];
}

/** The path of a cgroup: below its manager's parent, or below another cgroup with a name made of both. */
export const groupPath = (parent: string, name: string, under?: string): string =>
  under === undefined ? `${parent}/${name}` : `${under}${parent}-${name}`;

/** A path and its ancestors, the deepest first: /a/b, /a. */
export function withAncestors(path: string): string[] {
  const parts = path.split("/").filter(Boolean);
  return parts.map((_, index) => `/${parts.slice(0, parts.length - index).join("/")}`);
}
