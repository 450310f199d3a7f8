/**
 * Confinement of a worker thread: its own root and, if needed, its own mount namespace. All synchronous fs calls of that
 * thread then resolve inside. Never called on the main thread.
 *
 * A file that a worker opens with Node's fs must be closed with Node's fs: Node closes what it believes is open when the
 * worker ends. If a system call closed that descriptor, its number may belong to another thread by then.
 */
import { closeSync, openSync, readFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { BayError } from "../core/errors.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  AT_SYMLINK_NOFOLLOW,
  CLONE_FS,
  CLONE_NEWNS,
  MNT_DETACH,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_SYMLINKS,
  MS_BIND,
  MS_NODEV,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  O_CLOEXEC,
  O_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "./abi.ts";
import { close, libc, syscall, trySyscall } from "./libc.ts";
import { type OverlayDirectories, overlayOptions } from "./overlay-options.ts";
import { isRootMountPoint } from "./root-mount.ts";

const lsetxattr = libc.func("lsetxattr", "int", ["void *", "void *", "void *", "uint64", "int"]);
const llistxattr = libc.func("llistxattr", "int64", ["void *", "void *", "uint64"]);
const lgetxattr = libc.func("lgetxattr", "int64", ["void *", "void *", "void *", "uint64"]);
const mknod = libc.func("mknod", "int", ["void *", "uint32", "uint64"]);
const utimensat = libc.func("utimensat", "int", ["int", "void *", "void *", "int"]);
const futimens = libc.func("futimens", "int", ["int", "void *"]);

/** A path for the kernel; one that is not valid UTF-8 is given as bytes. */
type Path = string | Buffer;

function pathBytes(path: Path): Buffer {
  const bytes = typeof path === "string" ? Buffer.from(`${path}\0`) : Buffer.concat([path, END]);
  if (bytes.indexOf(0) !== bytes.length - 1) throw new BayError("EINVAL", "a NUL byte in a path");
  return bytes;
}
const END = Buffer.alloc(1);

export function refuseMainThread(): void {
  if (isMainThread) throw new BayError("INTERNAL", "the main thread must not be confined");
}

/** chroot(2) for this thread only (unshare(2), CLONE_FS). */
export function confineTo(directory: string): void {
  refuseMainThread();
  syscall("unshare", [CLONE_FS]);
  syscall("chroot", [directory]);
  syscall("chdir", ["/"]);
}

/**
 * Runs an action with a directory as this thread's root, and then restores the root. Paths that the action uses stay inside;
 * it must not run code from outside.
 */
export function within<T>(directory: string, action: () => T): T {
  refuseMainThread();
  const outside = openSync("/", O_PATH);
  try {
    confineTo(directory);
    return action();
  } finally {
    syscall("fchdir", [outside]);
    syscall("chroot", ["."]);
    closeSync(outside);
  }
}

/** Gives this thread a private mount namespace; its mounts are removed when the thread ends. */
export function privateMounts(): void {
  refuseMainThread();
  syscall("unshare", [CLONE_FS | CLONE_NEWNS]);
  if (isRootMountPoint()) return makePrivate();
  // in a chroot: through the root of the namespace
  const root = openSync("/", O_PATH);
  const namespace = openSync("/proc/thread-self/ns/mnt", "r");
  try {
    syscall("setns", [namespace, CLONE_NEWNS]);
    makePrivate();
  } finally {
    syscall("fchdir", [root]);
    syscall("chroot", ["."]);
    closeSync(namespace);
    closeSync(root);
  }
}

function makePrivate(): void {
  syscall("mount", [null, "/", null, MS_REC | MS_PRIVATE, null], "make / private");
}

export function mountOverlay(target: string, directories: OverlayDirectories): void {
  const options = overlayOptions(directories);
  syscall("mount", ["overlay", target, "overlay", MS_NODEV | MS_NOSUID, options], "overlay");
}

export function mountTmpfs(target: string): void {
  syscall("mount", ["tmpfs", target, "tmpfs", MS_NODEV | MS_NOSUID, "mode=755"], target);
}

export function bindMount(source: string, target: string, readOnly = false): void {
  syscall("mount", [source, target, null, MS_BIND | MS_REC, null], target);
  if (readOnly) syscall("mount", [null, target, null, MS_BIND | MS_REMOUNT | MS_RDONLY, null], target);
}

/**
 * Returns a detached copy of a mount (open_tree(2)), made before this thread is confined and attached afterwards, so that the
 * target path resolves inside.
 */
export function openTree(source: string, readOnly: boolean): number {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
  const fd = syscall("open_tree", [AT_FDCWD, source, flags], source);
  if (readOnly) {
    const attributes = Buffer.alloc(32); // struct mount_attr
    attributes.writeBigUInt64LE(BigInt(MOUNT_ATTR_RDONLY));
    syscall("mount_setattr", [fd, "", AT_EMPTY_PATH | AT_RECURSIVE, attributes, 32], source);
  }
  return fd;
}

export function putTree(fd: number, target: string): void {
  syscall("move_mount", [fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS], target);
}

export function unmount(target: string): void {
  trySyscall("umount2", target, MNT_DETACH);
}

/** Enters the root of a running process (in a copy of its mount namespace), to copy files in and out of a container. */
export function enterRootOf(pidfd: number): void {
  refuseMainThread();
  syscall("unshare", [CLONE_FS]);
  syscall("setns", [pidfd, CLONE_NEWNS]);
  syscall("unshare", [CLONE_FS | CLONE_NEWNS]);
  makePrivate(); // a container's root is a mount point
}

/**
 * Runs an action that confines this thread, and then unmounts every visible procfs. Its magic links (proc(5): /proc/PID/root,
 * cwd, fd) could lead outside: a container may have the host's processes, or the host's /proc as a mount. Throws CONFINED if
 * one cannot be unmounted.
 */
export function withoutProc(confine: () => void): void {
  const proc = openSync("/proc", O_PATH);
  try {
    confine();
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const places = procMounts(proc);
      if (places.length === 0) return;
      // the last one covers the others; a container may rename directories of the path meanwhile
      for (const place of places.reverse())
        trySyscall("umount2", pathBytes(Buffer.from(place, "latin1")), MNT_DETACH | UMOUNT_NOFOLLOW);
    }
    throw new BayError("CONFINED", "the container's /proc cannot be excluded");
  } finally {
    closeSync(proc);
  }
}

const MAX_ROUNDS = 100;
const UMOUNT_NOFOLLOW = 8;

/** The mount points of procfs among this thread's mounts (proc(5), mountinfo). */
function procMounts(proc: number): string[] {
  const fd = syscall("openat", [proc, "thread-self/mountinfo", O_CLOEXEC, 0]);
  try {
    return readFileSync(fd, "latin1")
      .split("\n")
      .flatMap((line) => {
        const [mount = "", source = ""] = line.split(" - ");
        const place = mount.split(" ")[4] ?? "";
        return source.startsWith("proc ") ? [place.replace(/\\(\d{3})/g, fromOctal)] : [];
      });
  } finally {
    close(fd);
  }
}

const fromOctal = (_: string, digits: string) => String.fromCharCode(Number.parseInt(digits, 8));

/** Sets an extended attribute of a path without following a symlink (xattr(7)). Returns false if the file system has none. */
export function setXattr(path: Path, name: string, value: Buffer): boolean {
  return lsetxattr(pathBytes(path), Buffer.from(`${name}\0`, "latin1"), value, value.length, 0) === 0;
}

const times = Buffer.alloc(32); // struct timespec[2]: access and modification

/** Sets both times of a path, without following a symlink, or of an open file, in nanoseconds (utimensat(2)). */
export function setTimes(target: Path | number, seconds: number, nanoseconds: number): void {
  for (const at of [0, 16]) {
    times.writeBigInt64LE(BigInt(seconds), at);
    times.writeInt32LE(nanoseconds, at + 8);
  }
  const result =
    typeof target === "number"
      ? futimens(target, times)
      : utimensat(AT_FDCWD, pathBytes(target), times, AT_SYMLINK_NOFOLLOW);
  if (result !== 0) throw new BayError("TIMES", "the times of a file could not be set");
}

/** The extended attributes of a path, without following a symlink. */
export function getXattrs(path: Path): Map<string, Buffer> {
  const attributes = new Map<string, Buffer>();
  const bytes = pathBytes(path);
  const size = Number(llistxattr(bytes, null, 0));
  if (size <= 0) return attributes;
  const list = Buffer.alloc(size);
  const length = Number(llistxattr(bytes, list, size));
  if (length <= 0) return attributes;
  for (const name of list.toString("latin1", 0, length).split("\0").filter(Boolean)) {
    const key = Buffer.from(`${name}\0`, "latin1");
    const value = Buffer.alloc(Math.max(0, Number(lgetxattr(bytes, key, null, 0))));
    if (value.length > 0) lgetxattr(bytes, key, value, value.length);
    attributes.set(name, value);
  }
  return attributes;
}

const S_IFIFO = 0o010000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;

/** mknod(2). Returns false if it is not permitted. */
export function makeNode(path: Path, kind: "char" | "block" | "fifo", mode: number, device: number): boolean {
  const type = kind === "char" ? S_IFCHR : kind === "block" ? S_IFBLK : S_IFIFO;
  return mknod(pathBytes(path), type | mode, device) === 0;
}

/**
 * Runs an action in a new mount namespace, and then restores the old one: its mounts are removed when nothing of them is
 * open. For a worker that continues with other tasks.
 */
export function inPrivateMounts<T>(action: () => T): T {
  refuseMainThread();
  const outside = openSync("/proc/thread-self/ns/mnt", "r");
  const root = openSync("/", O_PATH);
  try {
    privateMounts();
    return action();
  } finally {
    syscall("setns", [outside, CLONE_NEWNS]);
    // setns(2) leaves the thread at the namespace's root, which is not necessarily bayd's
    syscall("fchdir", [root]);
    syscall("chroot", ["."]);
    closeSync(outside);
    closeSync(root);
  }
}

/** A directory that a thread enters as its root repeatedly, to work in two places at once. */
export class ThreadRoot {
  readonly #fd: number;

  constructor(directory: Path) {
    refuseMainThread();
    this.#fd = openSync(directory, O_PATH);
  }

  /** Makes it the root of the thread's paths. The caller restores its own root (`within`, `inPrivateMounts`). */
  enter(): void {
    syscall("fchdir", [this.#fd]);
    syscall("chroot", ["."]);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
