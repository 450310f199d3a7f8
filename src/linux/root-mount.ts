/**
 * Whether `/` is a mount point. In a plain chroot it is not: then its propagation cannot be changed (mount(2)), and
 * pivot_root(2) cannot leave it, until the mount above it is accessible.
 */
import { readKernelFile } from "./kernel-file.ts";

let known: boolean | undefined;

/** True if this process's root is the root of a mount (proc(5), mountinfo). */
export function isRootMountPoint(): boolean {
  known ??= readKernelFile("/proc/self/mountinfo")
    .split("\n")
    .some((line) => line.split(" ")[4] === "/");
  return known;
}
