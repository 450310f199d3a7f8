/**
 * Paths in a container at which nothing may be mounted: /proc and /sys, through which the kernel is read and set. A mount
 * there hides what bay writes to them for the container (security labels, sysctls) and what it masks.
 */
import { posix } from "node:path";
import { normalPath } from "./normal-path.ts";

/** Files of /proc that a program such as lxcfs provides per container; Docker allows the same. */
const PROC_FILES = new Set([
  "/proc/cpuinfo",
  "/proc/diskstats",
  "/proc/loadavg",
  "/proc/meminfo",
  "/proc/net/dev",
  "/proc/slabinfo",
  "/proc/stat",
  "/proc/swaps",
  "/proc/sys/crypto/fips_enabled",
  "/proc/sys/kernel/ns_last_pid",
  "/proc/uptime",
]);

/** The processors, which lxcfs provides per container, too. */
const PROCESSORS = "/sys/devices/system/cpu";

const isAtOrBelow = (path: string, directory: string) =>
  path === directory || path.startsWith(`${directory}/`);

export const isProcFile = (target: string) => PROC_FILES.has(posix.normalize(target));

/** True at or below /proc and /sys. */
export function isKernelPath(path: string): boolean {
  const normal = posix.normalize(path);
  return isAtOrBelow(normal, "/proc") || isAtOrBelow(normal, "/sys");
}

/**
 * Why nothing can be mounted at this absolute path of a container, as the end of a sentence; undefined if it is allowed.
 * `hostSource` is the path on the host of a bind mount, which may show the host's own /proc and /sys.
 */
export function mountTargetProblem(target: string, hostSource: string | undefined): string | undefined {
  const path = normalPath(target);
  if (path === "/") return "it is the root of the container";
  if (!isKernelPath(path)) return undefined;
  const source = hostSource === undefined ? undefined : normalPath(hostSource);
  if (isAtOrBelow(path, "/sys"))
    return source !== undefined && (isAtOrBelow(source, "/sys") || path === PROCESSORS)
      ? undefined
      : "only the host's own /sys can be mounted in /sys";
  if (source !== undefined && (PROC_FILES.has(path) || (path === "/proc" && source === "/proc")))
    return undefined;
  return path === "/proc"
    ? "only the host's own /proc can be mounted there"
    : `in /proc, a bind mount can replace only ${[...PROC_FILES].join(", ")}`;
}
