/** Replaces mounts over files of /proc and /sys in the mount namespace of a running container. */
import * as abi from "./abi.ts";
import { openTree, refuseMainThread } from "./confine.ts";
import { close, syscall, trySyscall } from "./libc.ts";
import { NO_LINKS } from "./safe-path.ts";

const UMOUNT_NOFOLLOW = 8;
/** statfs(2), f_type */
const KERNEL_FILE_SYSTEMS = new Set([0x9fa0 /* proc */, 0x62656572 /* sysfs */]);

export interface Remount {
  /** Of the container's first process. */
  pidfd: number;
  /** Paths in the container from which the uppermost mount is removed. */
  unmount: string[];
  /** Paths of the host, and where the container has them, read-only. */
  mount: { source: string; target: string }[];
}

/**
 * Changes the mounts of a container with setns(2), for which a thread of its own is needed: it belongs to the container
 * afterwards. A target that is not on procfs or sysfs, or has a symbolic link in its path, is left as it is. Throws
 * `SyscallError`.
 */
export function remount({ pidfd, unmount, mount }: Remount): void {
  refuseMainThread();
  const trees: { fd: number; target: string }[] = [];
  try {
    for (const { source, target } of mount) trees.push({ fd: openTree(source, true), target });
    syscall("unshare", [abi.CLONE_FS]);
    syscall("setns", [pidfd, abi.CLONE_NEWNS]);
    for (const target of unmount) trySyscall("umount2", target, abi.MNT_DETACH | UMOUNT_NOFOLLOW);
    for (const { fd, target } of trees) attachOver(fd, target);
  } finally {
    for (const { fd } of trees) close(fd);
  }
}

function attachOver(tree: number, target: string): void {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(abi.O_PATH | abi.O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(NO_LINKS), 16);
  const place = trySyscall("openat2", abi.AT_FDCWD, target, how, 24);
  if (place < 0) return;
  try {
    const stat = Buffer.alloc(120);
    if (trySyscall("fstatfs", place, stat) !== 0 || !KERNEL_FILE_SYSTEMS.has(stat.readUInt32LE(0))) return;
    const flags = abi.MOVE_MOUNT_F_EMPTY_PATH | abi.MOVE_MOUNT_T_EMPTY_PATH;
    syscall("move_mount", [tree, "", place, "", flags], target);
  } finally {
    close(place);
  }
}
