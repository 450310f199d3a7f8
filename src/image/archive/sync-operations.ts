/**
 * Applies a batch of changes to the files of a container. Paths are absolute in the root of the calling thread, which the
 * worker has confined to the container; tests give a prefix.
 *
 * A file that exists is rewritten in place, so that bind mounts and open files keep their inode; a new one appears whole, by
 * rename. What is equal already is not written, so that programs that watch their files see real changes only.
 *
 * A batch may be cut off at any point, because bayd was killed. It is sent again then, perhaps with newer operations for the
 * same paths: each operation removes what an earlier one has left of its path, which is found by its name.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { posix } from "node:path";
import { hasCode, messageOf } from "../../core/errors.ts";

/** The contents of files follow each other in the bytes of the batch, in the order of the operations. */
export type SyncOperation =
  /** `isRoot`: the rule's own target, of which an existing directory stays as it is, as does a symlink to one. */
  | { op: "directory"; path: string; mode: number; isRoot?: boolean | undefined }
  | { op: "file"; path: string; mode: number; size: number; isRoot?: boolean | undefined }
  /** A part of a large file, collected in a file beside it; `finish` puts the whole in its place. */
  | { op: "part"; path: string; size: number; offset: number; token: string }
  | { op: "finish"; path: string; mode: number; token: string; isRoot?: boolean | undefined }
  | { op: "link"; path: string; to: string; isRoot?: boolean | undefined }
  /** A directory is removed if it is empty: what the container made in it is kept. `root` is the rule's target. */
  | { op: "remove"; path: string; root: string };

/** Who owns new files: the container's user; undefined for the owner of the directory in which they are. */
export type SyncOwner = { uid: number; gid: number } | undefined;

export interface SyncFailure {
  path: string;
  code: string;
  message: string;
}

export interface SyncResult {
  /** Operations that changed something. */
  changed: number;
  failed: SyncFailure[];
}

const CHUNK = 1 << 16;
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;

export function applyOperations(
  operations: readonly SyncOperation[],
  bytes: Uint8Array,
  owner: SyncOwner,
  /** Paths where something is mounted, and the prefix of all paths. */
  { mounts = [], prefix = "" }: { mounts?: readonly string[]; prefix?: string } = {},
): SyncResult {
  const result: SyncResult = { changed: 0, failed: [] };
  let at = 0;
  for (const operation of operations) {
    const size = operation.op === "file" || operation.op === "part" ? operation.size : 0;
    const content = bytes.subarray(at, at + size);
    at += size;
    try {
      if (applyOne(operation, content, { owner, mounts: mounts.map((at) => prefix + at) }, prefix))
        result.changed += 1;
    } catch (error) {
      const { code = "SYNC_FAILED" } = error as { code?: string };
      result.failed.push({ path: operation.path, code, message: messageOf(error) });
    }
  }
  return result;
}

interface Place {
  owner: SyncOwner;
  mounts: readonly string[];
}

/** Returns whether it changed something. */
function applyOne(operation: SyncOperation, content: Uint8Array, place: Place, prefix: string): boolean {
  const { owner } = place;
  const path = prefix + operation.path;
  if (lstatOf(beside(path))) unlinkSync(beside(path));
  if (operation.op === "remove") return remove(path, prefix + operation.root);
  if (operation.op === "directory")
    return makeDirectory(path, operation.mode, operation.isRoot === true, owner);
  makeParents(path, owner);
  if (operation.op === "part") return addPart(path, operation.token, operation.offset, content);
  const makeRoom = () => removeForOther(path, operation.isRoot === true, place.mounts);
  if (operation.op === "link") return putLink(path, operation.to, owner, makeRoom);
  if (operation.op === "finish") return finishParts(path, operation.token, operation.mode, owner, makeRoom);
  return putFile(path, operation.mode, bytesSource(content), owner, makeRoom);
}

// ---- contents

/** The content of a file: bytes of the request, or a file that was collected from parts. */
interface Source {
  size: number;
  read: (offset: number, length: number) => Uint8Array;
}

const bytesSource = (bytes: Uint8Array): Source => ({
  size: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
});

const fileSource = (fd: number): Source => ({
  size: fstatSync(fd).size,
  read: (offset, length) => {
    const chunk = Buffer.alloc(length);
    return chunk.subarray(0, readSync(fd, chunk, 0, length, offset));
  },
});

function isEqual(fd: number, source: Source): boolean {
  const chunk = Buffer.alloc(Math.min(CHUNK, source.size));
  for (let at = 0; at < source.size; ) {
    const count = readSync(fd, chunk, 0, Math.min(chunk.length, source.size - at), at);
    if (count === 0 || chunk.compare(source.read(at, count), 0, count, 0, count) !== 0) return false;
    at += count;
  }
  return true;
}

function writeAll(fd: number, source: Source): void {
  for (let at = 0; at < source.size; ) {
    const part = source.read(at, CHUNK);
    if (part.length === 0) break;
    for (let done = 0; done < part.length; ) done += writeSync(fd, part, done, part.length - done, at + done);
    at += part.length;
  }
}

// ---- files

function putFile(
  path: string,
  mode: number,
  source: Source,
  owner: SyncOwner,
  makeRoom: () => void,
): boolean {
  const before = lstatSync(path, { throwIfNoEntry: false });
  if (before?.isFile()) {
    const rewritten = rewrite(path, mode, source);
    if (rewritten !== undefined) return rewritten;
  }
  const temporary = beside(path);
  const fd = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    writeAll(fd, source);
    const { uid, gid } = before?.isFile() ? before : ownerIn(path, owner);
    fchownSync(fd, uid, gid);
    fchmodSync(fd, mode);
    if (before?.isDirectory()) makeRoom();
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  return true;
}

/** Writes into an existing file. Returns undefined if it cannot be written because a program runs from it, or it was replaced. */
function rewrite(path: string, mode: number, source: Source): boolean | undefined {
  let fd: number;
  try {
    // not blocked by a FIFO that the container has put in its place meanwhile
    fd = openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (hasCode(error, "ETXTBSY", "ELOOP", "ENOENT", "ENXIO", "EISDIR")) return undefined;
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return undefined;
    const isSame = stat.size === source.size && isEqual(fd, source);
    if (!isSame) {
      writeAll(fd, source);
      ftruncateSync(fd, source.size);
    }
    // a write takes set-user-ID away
    const hasMode = (fstatSync(fd).mode & 0o7777) === mode;
    if (!hasMode) fchmodSync(fd, mode);
    return !isSame || !hasMode;
  } finally {
    closeSync(fd);
  }
}

/** Where a file is written before it is renamed to its path. */
const beside = (path: string) => posix.join(posix.dirname(path), `.bay-sync-${nameHash(path)}~`);
const partName = (path: string, token: string) =>
  posix.join(posix.dirname(path), `.bay-sync-${nameHash(path)}-${token}~`);
const nameHash = (path: string) =>
  createHash("sha256").update(posix.basename(path)).digest("hex").slice(0, 12);
const LEFTOVER = /^\.bay-sync-[0-9a-f]{12}(-[0-9a-f]{12})?~$/;

/** Removes files of batches that were cut off, all in a directory or those of one path. */
function removeLeftovers(directory: string, hash = ""): void {
  for (const name of readdirSync(directory))
    if (LEFTOVER.test(name) && name.startsWith(`.bay-sync-${hash}`)) unlinkSync(posix.join(directory, name));
}

function addPart(path: string, token: string, offset: number, content: Uint8Array): boolean {
  const flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK;
  if (offset === 0) removeLeftovers(posix.dirname(path), nameHash(path));
  const fd = openSync(partName(path, token), offset === 0 ? flags | O_CREAT | O_EXCL : flags, 0o600);
  try {
    for (let done = 0; done < content.length; )
      done += writeSync(fd, content, done, content.length - done, offset + done);
  } finally {
    closeSync(fd);
  }
  return false;
}

function finishParts(
  path: string,
  token: string,
  mode: number,
  owner: SyncOwner,
  makeRoom: () => void,
): boolean {
  const whole = partName(path, token);
  const fd = openSync(whole, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const before = lstatSync(path, { throwIfNoEntry: false });
    if (before?.isFile()) {
      const rewritten = rewrite(path, mode, fileSource(fd));
      if (rewritten !== undefined) return rewritten;
    }
    const { uid, gid } = before?.isFile() ? before : ownerIn(path, owner);
    fchownSync(fd, uid, gid);
    fchmodSync(fd, mode);
    if (before?.isDirectory()) makeRoom();
    renameSync(whole, path);
    return true;
  } finally {
    closeSync(fd);
    rmSync(whole, { force: true });
  }
}

// ---- directories, links, removals

function makeDirectory(path: string, mode: number, isRoot: boolean, owner: SyncOwner): boolean {
  const before = isRoot ? statOf(path) : lstatSync(path, { throwIfNoEntry: false });
  if (before?.isDirectory()) {
    if (isRoot || (before.mode & 0o7777) === mode) return false;
    chmodSync(path, mode);
    return true;
  }
  makeParents(path, owner);
  if (lstatSync(path, { throwIfNoEntry: false })) unlinkSync(path);
  const { uid, gid } = ownerIn(path, owner);
  mkdirSync(path);
  chownSync(path, uid, gid);
  chmodSync(path, mode);
  return true;
}

/** Directories that the host has not sent, such as those above the target. */
function makeParents(path: string, owner: SyncOwner): void {
  const parent = posix.dirname(path);
  if (parent === path || statOf(parent)?.isDirectory()) return;
  makeParents(parent, owner);
  const { uid, gid } = ownerIn(parent, owner);
  mkdirSync(parent, 0o755);
  chownSync(parent, uid, gid);
}

function putLink(path: string, to: string, owner: SyncOwner, makeRoom: () => void): boolean {
  const before = lstatSync(path, { throwIfNoEntry: false });
  if (before?.isSymbolicLink() && readlinkSync(path) === to) return false;
  const temporary = beside(path);
  symlinkSync(to, temporary);
  try {
    const { uid, gid } = ownerIn(path, owner);
    lchownSync(temporary, uid, gid);
    if (before?.isDirectory()) makeRoom();
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  return true;
}

/**
 * Removes a directory of which the host has a file or link. A target that is a directory is probably a mistake in the rule, and
 * the files of a mount are not the container's alone: such a directory must be empty.
 */
function removeForOther(path: string, isRoot: boolean, mounts: readonly string[]): void {
  removeLeftovers(path);
  if (removeDirectory(path)) return;
  if (isRoot) throw new Error("the target is a directory with files, and the watched path is a file");
  if (mounts.some((at) => at === path || at.startsWith(`${path}/`)) || hasMount(path))
    throw new Error("it is a directory in which something is mounted, and the host has a file there");
  rmSync(path, { recursive: true });
}

/** Whether a directory below is on another file system; every directory of an overlay is on the same. */
function hasMount(directory: string): boolean {
  const { dev } = lstatSync(directory);
  return readdirSync(directory, { withFileTypes: true }).some((entry) => {
    const path = posix.join(directory, entry.name);
    return entry.isDirectory() && (lstatSync(path).dev !== dev || hasMount(path));
  });
}

function remove(path: string, root: string): boolean {
  if (passesLink(path, root)) return false;
  const before = lstatSync(path, { throwIfNoEntry: false });
  // programs may have the target as their working directory
  if (!before || (path === root && before.isDirectory())) return false;
  if (!before.isDirectory()) unlinkSync(path);
  else if (!removeDirectory(path)) {
    removeLeftovers(path);
    return removeDirectory(path);
  }
  return true;
}

/** Returns false if the container has files of its own in the directory, or something is mounted there. */
function removeDirectory(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOTEMPTY", "EBUSY", "EEXIST")) return false;
    throw error;
  }
}

/** Whether a directory between the rule's target and a path is a symlink, or none: the path then is not what was synchronised. */
function passesLink(path: string, root: string): boolean {
  for (let at = posix.dirname(path); at.length > root.length; at = posix.dirname(at))
    if (!lstatSync(at, { throwIfNoEntry: false })?.isDirectory()) return true;
  return false;
}

// ---- helpers

const statOf = (path: string): Stats | undefined => {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (hasCode(error, "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
};

/** undefined also below a file. */
function lstatOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (hasCode(error, "ENOTDIR", "ELOOP", "ENAMETOOLONG")) return undefined;
    throw error;
  }
}

function ownerIn(path: string, owner: SyncOwner): { uid: number; gid: number } {
  return owner ?? statSync(posix.dirname(path));
}
