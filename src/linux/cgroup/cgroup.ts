/** Control groups, v1 and v2 behind one interface. Limits are the OCI specification's `linux.resources`. */
import type { SpecResources } from "../spec.ts";

export interface CgroupStats {
  memoryBytes: number;
  memoryLimitBytes: number | undefined;
  /** Page cache that could be given back; docker stats subtracts it. */
  inactiveFileBytes: number;
  cpuNanoseconds: number;
  pids: number;
  readBytes: number;
  writeBytes: number;
}

export interface Cgroup {
  readonly path: string;
  /** Files to which a single-threaded process writes 0 to join. */
  joinFiles(): string[];
  /** True where it is new, and so without any limit. */
  create(): boolean;
  /** Sets what is given and leaves the rest. Throws BayError CGROUP_LIMIT, naming the limit. */
  apply(resources: SpecResources): void;
  /** The limits as the kernel has them now, in the specification's units; absent means unlimited. */
  read(): SpecResources;
  stats(): CgroupStats;
  /** The processes in it and in the groups below it. */
  pids(): number[];
  oomKills(): number;
  freeze(frozen: boolean): void;
  isFrozen(): boolean;
  exists(): boolean;
  /** Sends SIGKILL to every member. */
  kill(): void;
  /** Removes the group and those below it; false if it still has members. Ignores a group that does not exist. */
  remove(): boolean;
  /** The group of this name below it, made or not. */
  below(name: string): ProcessGroup;
  /** Names of the groups below it. */
  groupsBelow(): string[];
}

/** Processes of a container that end together, such as those of one exec. The limits are the container's. */
export interface ProcessGroup {
  /** Files to which a single-threaded process writes 0 to join it, and with it the container's group. */
  joinFiles(): string[];
  /** Throws where the container's group is gone. */
  create(): void;
  /** Sends SIGKILL to every member, also where members start others all the time. A frozen one ends when it is thawed. */
  kill(): void;
  /** Removes the group; false if it still has members. Ignores a group that does not exist. */
  remove(): boolean;
}

export interface CgroupManager {
  readonly version: 1 | 2;
  /** The group `parent/name` of this host, made or not; below another group, `under/parent-name`. */
  group(name: string, under?: string): Cgroup;
  /** Of a path and those above it the groups that are not there, as directories. */
  missingGroups(path: string): string[];
  /** Makes a group that others are put below. */
  makeGroup(path: string): void;
  /** Names of the groups below the parent that exist. */
  list(): string[];
  /** Removes the parent itself, where it is empty. */
  removeParent(): void;
  /** What a container's /sys/fs/cgroup shows: "v2" or v1's controllers. */
  readonly view: "v2" | string[];
}

/** Where a group is: below its manager's parent, or below another group, and then called after both. */
export const groupPath = (parent: string, name: string, under?: string): string =>
  under === undefined ? `${parent}/${name}` : `${under}${parent}-${name}`;

/** A path and those above it, the deepest first: /a/b, /a. */
export function withAncestors(path: string): string[] {
  const parts = path.split("/").filter(Boolean);
  return parts.map((_, index) => `/${parts.slice(0, parts.length - index).join("/")}`);
}
