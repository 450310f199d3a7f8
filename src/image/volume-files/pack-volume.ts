/**
 * Packs a volume as a tar, from inside its directory: owners, modes, exact times, extended attributes, links, FIFOs and
 * device files are kept, and sparse files stay sparse. tar(1) can read it.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readSync } from "node:fs";
import { posix } from "node:path";
import { hasCode } from "../../core/errors.ts";
import { dataRanges, getXattrs } from "../../linux/index.ts";
import { treeEntry } from "../layers/tree-entry.ts";
import { BLOCK, bytesOf, encodeEntry, padding, type TarEntry } from "../tar/header.ts";
import { encodeSparse, MAX_PIECES } from "../tar/sparse.ts";

const CHUNK = 1 << 20;
const ZEROS = Buffer.alloc(1 << 16);
/** A container may replace a file by a FIFO meanwhile, and opening that would block. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

type Write = (bytes: Buffer) => void;

/** The differences between a backup and the volume. */
export interface PackedVolume {
  entries: number;
  /** Sockets, which are omitted. */
  sockets: number;
  /** Files that shrank while they were read: the rest is zeros. */
  changed: string[];
}

const MOST_NAMES = 20;

/** Writes the tree of the thread's root. */
export function packVolume(write: Write): PackedVolume {
  const result: PackedVolume = { entries: 0, sockets: 0, changed: [] };
  const firstNames = new Map<string, string>();
  const walk = (path: string): void => {
    const at = bytesOf(posix.join("/", path));
    const entry = describe(path);
    if (entry === "gone") return;
    if (!entry) {
      result.sockets += 1;
      return;
    }
    result.entries += 1;
    packOne(entry.entry, entry.inode, firstNames, write, result);
    if (entry.entry.type !== "directory") return;
    for (const name of namesIn(at)) walk(posix.join(path, name));
  };
  walk(".");
  write(Buffer.alloc(2 * BLOCK));
  return result;
}

/** A running container may remove a file between the listing of its directory and this call. */
function describe(path: string): { entry: TarEntry; inode: string | undefined } | undefined | "gone" {
  const at = bytesOf(posix.join("/", path));
  try {
    const stat = lstatSync(at);
    const entry = treeEntry(path, stat, getXattrs(at));
    return (
      entry && { entry, inode: stat.nlink > 1 && !stat.isDirectory() ? `${stat.dev}:${stat.ino}` : undefined }
    );
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "EINVAL")) return "gone";
    throw error;
  }
}

function namesIn(directory: Buffer): string[] {
  try {
    return readdirSync(directory, "latin1").sort();
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

function packOne(
  entry: TarEntry,
  inode: string | undefined,
  firstNames: Map<string, string>,
  write: Write,
  result: PackedVolume,
): void {
  const first = inode === undefined ? undefined : firstNames.get(inode);
  if (first !== undefined)
    return write(encodeEntry({ ...entry, type: "hardlink", linkName: first, size: 0, xattrs: new Map() }));
  if (entry.type === "file" && !packFile(entry, write, result)) return;
  if (entry.type !== "file") write(encodeEntry(entry));
  if (inode !== undefined) firstNames.set(inode, entry.name);
}

/** Returns false if the file does not exist any more. */
function packFile(entry: TarEntry, write: Write, result: PackedVolume): boolean {
  const fd = openFile(entry.name);
  if (fd === undefined) return false;
  try {
    const { size, blocks } = fstatSync(fd);
    const isSparse = blocks * BLOCK < size;
    const pieces = isSparse ? dataRanges(fd, size, MAX_PIECES - 1) : [{ offset: 0, length: size }];
    const [first] = pieces;
    if (isSparse && !(first?.offset === 0 && first.length === size))
      write(encodeSparse(entry, { pieces, size }).head);
    else write(encodeEntry({ ...entry, size }));
    let [stored, isShort] = [0, false];
    for (const { offset, length } of pieces) {
      if (!copyRange(fd, offset, length, write)) isShort = true;
      stored += length;
    }
    write(padding(stored));
    if (isShort && result.changed.length < MOST_NAMES) result.changed.push(entry.name);
    return true;
  } finally {
    closeSync(fd);
  }
}

/** Returns undefined if the path is another kind of file by now. */
function openFile(path: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(bytesOf(posix.join("/", path)), READ);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP", "ENXIO")) return undefined;
    throw error;
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  return undefined;
}

/** Returns false if the file ends before the range; the rest is zeros then. */
function copyRange(fd: number, offset: number, length: number, write: Write): boolean {
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(length, 1)));
  const end = offset + length;
  for (let at = offset; at < end; ) {
    const count = readSync(fd, chunk, 0, Math.min(chunk.length, end - at), at);
    if (count === 0) {
      for (; at < end; at += ZEROS.length) write(ZEROS.subarray(0, Math.min(ZEROS.length, end - at)));
      return false;
    }
    write(chunk.subarray(0, count));
    at += count;
  }
  return true;
}
