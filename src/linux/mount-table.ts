/** The mounts of a process, from its mountinfo (proc_pid_mountinfo(5)). Reading it never waits for a file system. */
import { readFileSync } from "node:fs";

export interface MountEntry {
  /** `major:minor` */
  device: string;
  /** Where it is mounted. */
  point: string;
  /** The optional fields, such as `shared:1`. */
  tags: string;
  /** The type of the file system, such as `fuse.lxcfs`. */
  type: string;
  /** Options of the file system, such as the controllers of a cgroup hierarchy. */
  options: string[];
}

/** The mounts in their order: a later one covers earlier ones at its path. Empty if the process has ended. */
export function mountTable(pid: number | "self"): MountEntry[] {
  try {
    return parseMountTable(readFileSync(`/proc/${pid}/mountinfo`, "utf8"));
  } catch {
    return [];
  }
}

export function parseMountTable(text: string): MountEntry[] {
  return text.split("\n").flatMap((line) => {
    const [mount = "", source] = line.split(" - ");
    if (source === undefined) return [];
    const [, , device = "", , point = "", , ...tags] = mount.split(" ");
    const [type = "", , options = ""] = source.split(" ");
    return [{ device, point: unescaped(point), tags: tags.join(" "), type, options: options.split(",") }];
  });
}

/** Spaces, tabs, newlines and backslashes of a path are octal numbers. */
const unescaped = (path: string): string =>
  path.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
