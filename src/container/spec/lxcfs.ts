/**
 * lxcfs, a file system of its own (lxcfs(1)): its files look like those of /proc and /sys, and show the memory, processors, load
 * and uptime of the control group of whoever reads them. They are mounted over the kernel's files in a container.
 */
import { readdir } from "node:fs/promises";
import { join, posix } from "node:path";
import type { DaemonSettings } from "../../core/daemon-settings.ts";
import { BayError } from "../../core/errors.ts";
import { type MountEntry, mountTable } from "../../linux/index.ts";
import type { ContainerConfig } from "../model/config.ts";

/** A file or directory of lxcfs, and where the container has it. */
export interface LimitMount {
  source: string;
  target: string;
  kind: "file" | "directory";
}

const PROC_FILES = ["cpuinfo", "diskstats", "loadavg", "meminfo", "stat", "swaps", "uptime"];
const PROCESSORS = "sys/devices/system/cpu";

/** Milliseconds: lxcfs that does not answer must not stop the start of containers without an error. */
const ANSWERS_WITHIN = 10_000;

export const isLxcfs = ({ type }: MountEntry): boolean => type === "fuse.lxcfs";

/** The device (`major:minor`) of the lxcfs that is mounted at a directory, another one after each of its starts; undefined if none is. */
export function lxcfsDevice(directory: string): string | undefined {
  return mountTable("self").findLast((mount) => isLxcfs(mount) && mount.point === directory)?.device;
}

/** Those that no mount of the container replaces: one of the file itself, or of all of /proc or /sys. */
export function withoutOwn(
  limits: readonly LimitMount[],
  mounts: readonly { target: string }[],
): LimitMount[] {
  const own = new Set(mounts.map(({ target }) => posix.resolve("/", target)));
  return limits.filter(({ target }) => !own.has(target) && !own.has(`/${target.split("/")[1]}`));
}

/** What lxcfs provides. Throws NO_LXCFS if it is not mounted at the directory, or does not answer. */
export async function limitMounts(directory: string): Promise<LimitMount[]> {
  if (lxcfsDevice(directory) === undefined)
    throw noLxcfs(`lxcfs is not mounted at ${directory}`, "install lxcfs and start its service");
  const names = await namesIn(directory);
  return [
    ...PROC_FILES.filter((name) => names.has(`proc/${name}`)).map((name) => ({
      source: join(directory, "proc", name),
      target: `/proc/${name}`,
      kind: "file" as const,
    })),
    ...(names.has(PROCESSORS)
      ? [{ source: join(directory, PROCESSORS), target: `/${PROCESSORS}`, kind: "directory" as const }]
      : []),
  ];
}

/** Whether /proc of a container shows its limits. With the host's processes, lxcfs would show those of the host's first one. */
export function showsLimits(
  { kernel, pidMode }: ContainerConfig,
  { procView }: Pick<DaemonSettings, "procView">,
): boolean {
  return (kernel?.procView ?? procView) === "limits" && pidMode !== "host";
}

const asked = new Map<string, Promise<Set<string>>>();

/** One question at a time: each one that lxcfs does not answer holds a thread of bayd. */
async function namesIn(directory: string): Promise<Set<string>> {
  let names = asked.get(directory);
  if (names === undefined) {
    names = listed(directory).finally(() => asked.delete(directory));
    names.catch(() => {});
    asked.set(directory, names);
  }
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(noLxcfs("lxcfs does not answer", "restart its service")), ANSWERS_WITHIN);
  });
  try {
    return await Promise.race([names, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function listed(directory: string): Promise<Set<string>> {
  try {
    const proc = await readdir(join(directory, "proc"));
    const system = await readdir(join(directory, "sys/devices/system")).catch(() => []);
    return new Set([
      ...proc.map((name) => `proc/${name}`),
      ...system.map((name) => `sys/devices/system/${name}`),
    ]);
  } catch (cause) {
    throw noLxcfs(`lxcfs at ${directory} cannot be read`, "restart its service", cause);
  }
}

const noLxcfs = (message: string, hint: string, cause?: unknown) =>
  new BayError("NO_LXCFS", message, {
    hint: `${hint}; without it, /proc can only show the host (x-bay: { proc: host })`,
    cause,
  });
