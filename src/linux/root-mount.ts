/**
 * Whether `/` is a mount point. In a plain chroot it is not: then neither can its propagation be changed (mount(2)), nor
 * can pivot_root(2) leave it, until the mount above it is in reach.
 */
import { readKernelFile } from "./kernel-file.ts";

let known: boolean | undefined;

/** True where this process's root is the root of a mount (proc(5), mountinfo). */
export function isRootMountPoint(): boolean {
  known ??= readKernelFile("/proc/self/mountinfo")
    .split("\n")
    .some((line) => line.split(" ")[4] === "/");
  return known;
}
