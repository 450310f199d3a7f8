/** Replaces mounts over files of /proc and /sys in the mount namespace of a running container. */
import * as abi from "./abi.ts";
import { openTree, refuseMainThread } from "./confine.ts";
import { close, syscall, trySyscall } from "./libc.ts";
import { NO_LINKS } from "./safe-path.ts";

const UMOUNT_NOFOLLOW = 8;
const AT_STATX_DONT_SYNC = 0x4000;
const STATX_TYPE = 1;
/** The offset of stx_dev_major in statx(2); stx_dev_minor follows. */
const STATX_DEVICE = 136;

export interface Remount {
  /** Of the container's first process. */
  pidfd: number;
  /** Paths in the container, and the devices (`major:minor`) of the mounts that are removed from them. */
  unmount: { target: string; device: string }[];
  /** Paths of the host, and where the container has them, read-only. */
  mount: { source: string; target: string }[];
  /** The devices of the container's procfs and sysfs, over which alone something is mounted. */
  kernel: string[];
}

/**
 * Changes the mounts of a container with setns(2), for which a thread of its own is needed: it belongs to the container
 * afterwards. A path is left as it is if it has a symbolic link, or shows another file system than expected: a privileged
 * container can mount over it. No file system is asked, because a FUSE of the container's own need not answer. Throws
 * `SyscallError`.
 */
export function remount({ pidfd, unmount, mount, kernel }: Remount): void {
  refuseMainThread();
  const trees: { fd: number; target: string }[] = [];
  try {
    for (const { source, target } of mount) trees.push({ fd: openTree(source, true), target });
    syscall("unshare", [abi.CLONE_FS]);
    syscall("setns", [pidfd, abi.CLONE_NEWNS]);
    for (const { target, device } of unmount)
      at(target, [device], () => trySyscall("umount2", target, abi.MNT_DETACH | UMOUNT_NOFOLLOW));
    const flags = abi.MOVE_MOUNT_F_EMPTY_PATH | abi.MOVE_MOUNT_T_EMPTY_PATH;
    for (const { fd, target } of trees)
      at(target, kernel, (place) => syscall("move_mount", [fd, "", place, "", flags], target));
  } finally {
    for (const { fd } of trees) close(fd);
  }
}

/** Acts on a path if one of these devices is its uppermost mount. */
function at(target: string, devices: readonly string[], act: (place: number) => void): void {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(abi.O_PATH | abi.O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(NO_LINKS), 16);
  const place = trySyscall("openat2", abi.AT_FDCWD, target, how, 24);
  if (place < 0) return;
  try {
    const stat = Buffer.alloc(256);
    const flags = abi.AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
    if (trySyscall("statx", place, "", flags, STATX_TYPE, stat) !== 0) return;
    const device = `${stat.readUInt32LE(STATX_DEVICE)}:${stat.readUInt32LE(STATX_DEVICE + 4)}`;
    if (devices.includes(device)) act(place);
  } finally {
    close(place);
  }
}
