/** Opens paths inside an untrusted directory tree (openat2(2) with RESOLVE_IN_ROOT). */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { BayError, hasCode } from "../core/errors.ts";
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY } from "./abi.ts";
import { syscall } from "./libc.ts";

const RESOLVE_NO_XDEV = 0x01;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_IN_ROOT = 0x10;
/** How openat2(2) resolves an untrusted path. */
export const IN_ROOT = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
/** Follow no symlinks. */
export const NO_LINKS = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

/** Stay in the mount of the directory. */
export const IN_ONE_MOUNT = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;

/** Opens `path` as if `root` were /. The caller closes the descriptor. Throws `SyscallError`. */
export function openInRoot(root: string, path: string, flags = O_RDONLY, mode = 0): number {
  const rootFd = syscall("openat", [AT_FDCWD, root, O_PATH | O_DIRECTORY | O_CLOEXEC, 0], root);
  try {
    const how = Buffer.alloc(24);
    how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
    how.writeBigUInt64LE(BigInt(mode), 8);
    how.writeBigUInt64LE(BigInt(IN_ROOT), 16);
    return syscall("openat2", [rootFd, path, how, 24], path);
  } finally {
    closeSync(rootFd);
  }
}

/**
 * The content of a regular file of at most `limit` bytes inside a root; undefined if there is none. Only a regular file is
 * opened: opening a FIFO or a device can block, wake its other end, or act on the device. Throws FILE_TOO_LARGE,
 * `SyscallError`.
 */
export function readInRoot(root: string, path: string, limit = 1 << 20): Buffer | undefined {
  let place: number;
  try {
    place = openInRoot(root, path, O_PATH);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
  try {
    const stat = fstatSync(place);
    if (!stat.isFile()) return undefined;
    if (stat.size > limit)
      throw new BayError("FILE_TOO_LARGE", `${path} in the image is too large: ${stat.size} bytes`);
    return readOpened(place, stat.size);
  } finally {
    closeSync(place);
  }
}

/** Reads the file of an O_PATH descriptor. The path is not resolved again, so the file cannot be replaced in between. */
function readOpened(place: number, size: number): Buffer {
  const fd = openSync(`/proc/self/fd/${place}`, "r");
  try {
    const bytes = Buffer.alloc(size);
    return bytes.subarray(0, readSync(fd, bytes, 0, size, 0));
  } finally {
    closeSync(fd);
  }
}

export type PathKind =
  | { kind: "file" | "directory" | "whiteout" | "other" }
  | { kind: "symlink"; target: string };

/** The kind of file at a path inside a root, without following a last symlink; undefined if it does not exist. */
export function pathKindInRoot(root: string, path: string): PathKind | undefined {
  let fd: number;
  try {
    fd = openInRoot(root, path, O_PATH | O_NOFOLLOW);
  } catch {
    return undefined;
  }
  try {
    const stat = fstatSync(fd);
    if (stat.isSymbolicLink()) {
      const target = Buffer.alloc(4096);
      const length = syscall("readlinkat", [fd, "", target, target.length]);
      return { kind: "symlink", target: target.toString("utf8", 0, length) };
    }
    if (stat.isCharacterDevice() && stat.rdev === 0) return { kind: "whiteout" };
    return { kind: stat.isFile() ? "file" : stat.isDirectory() ? "directory" : "other" };
  } finally {
    closeSync(fd);
  }
}
