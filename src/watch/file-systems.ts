/** Where the kernel reports no changes, or not all of them: network file systems, and limits of inotify. */
import { readFileSync, statfsSync } from "node:fs";

/** Magic numbers of statfs(2): other machines change these files, and inotify does not see it. */
const NETWORK: Readonly<Record<number, string>> = {
  26985: "NFS",
  20859: "SMB",
  4283649346: "CIFS",
  4266872130: "SMB2",
  1702057286: "FUSE",
  16914839: "9p",
  1397113167: "AFS",
  12805120: "Ceph",
  2020557398: "vboxsf",
  1785031267: "virtiofs",
};

/** The name of the network file system of a path; undefined if it is a local one, or the path does not exist. */
export function networkFileSystem(path: string): string | undefined {
  try {
    return NETWORK[statfsSync(path).type >>> 0];
  } catch {
    return undefined;
  }
}

/** Why the kernel gives no more watches, and what to do. */
export function watchLimit(code: "ENOSPC" | "EMFILE"): { reason: string; hint: string } {
  const name = code === "ENOSPC" ? "max_user_watches" : "max_user_instances";
  const value = readLimit(name);
  const more = code === "ENOSPC" ? Math.max(524_288, 2 * (value ?? 0)) : Math.max(1024, 2 * (value ?? 0));
  return {
    reason: `the limit of inotify is reached: fs.inotify.${name} is ${value ?? "unknown"}`,
    hint: `sysctl fs.inotify.${name}=${more} raises it; ignore folders that need no watch`,
  };
}

function readLimit(name: string): number | undefined {
  try {
    return Number(readFileSync(`/proc/sys/fs/inotify/${name}`, "utf8"));
  } catch {
    return undefined;
  }
}
