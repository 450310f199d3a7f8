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

/**
 * The name of the network file system of a path; undefined if it is a local one, or the path does not exist. `typeOf` returns
 * f_type of statfs(2).
 */
export function networkFileSystem(
  path: string,
  typeOf = (at: string): number => statfsSync(at).type,
): string | undefined {
  try {
    return NETWORK[typeOf(path) >>> 0];
  } catch {
    return undefined;
  }
}

/** Why the kernel gives no more watches, and what to do. */
export function watchLimit(code: "ENOSPC" | "EMFILE"): { reason: string; hint: string } {
  const what = code === "ENOSPC" ? "watches" : "instances";
  const least = code === "ENOSPC" ? 524_288 : 1024;
  const ofHost = { name: `fs.inotify.max_user_${what}`, value: readLimit(`fs/inotify/max_user_${what}`) };
  // a user namespace has a limit of its own (user_namespaces(7))
  const ofNamespace = { name: `user.max_inotify_${what}`, value: readLimit(`user/max_inotify_${what}`) };
  const { name, value } =
    (ofNamespace.value ?? Number.POSITIVE_INFINITY) < (ofHost.value ?? 0) ? ofNamespace : ofHost;
  const more = Math.max(least, 2 * (value ?? 0));
  return {
    reason: `the inotify limit is reached: ${name} is ${value ?? "unknown"}`,
    hint: `sysctl ${name}=${more} raises it; or ignore directories that do not need to be watched`,
  };
}

function readLimit(path: string): number | undefined {
  try {
    return Number(readFileSync(`/proc/sys/${path}`, "utf8"));
  } catch {
    return undefined;
  }
}
