/** A file of a tree as a tar entry with everything that a tar can hold: owner, mode, exact time, device, attributes. */
import { lstatSync, readlinkSync, type Stats } from "node:fs";
import { posix } from "node:path";
import { PLAIN_ENTRY } from "../tar/describe.ts";
import { bytesOf, type EntryType, type TarEntry } from "../tar/header.ts";

/**
 * `path` is a binary string, relative to `root`, and the entry's name. Returns undefined for a socket, which is
 * useless without the process that created it. No time is later than `newest`, in seconds since 1970.
 */
export function treeEntry(
  path: string,
  stat: Stats,
  xattrs: Map<string, Buffer>,
  newest = Number.POSITIVE_INFINITY,
  root = "/",
): TarEntry | undefined {
  const type = typeOf(stat);
  if (!type) return undefined;
  const isDevice = type === "char" || type === "block";
  return {
    ...PLAIN_ENTRY,
    name: path,
    type,
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    ...timeOf(posix.join(root, path), newest),
    linkName: type === "symlink" ? readlinkSync(bytesOf(posix.join(root, path)), "latin1") : "",
    devMajor: isDevice ? major(stat.rdev) : 0,
    devMinor: isDevice ? minor(stat.rdev) : 0,
    size: type === "file" ? stat.size : 0,
    xattrs,
  };
}

/** In nanoseconds, which a number of milliseconds cannot hold. */
function timeOf(path: string, newest: number): { mtime: number; nanoseconds: number } {
  const { mtimeNs } = lstatSync(bytesOf(path), { bigint: true });
  const rest = ((mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const mtime = Number((mtimeNs - rest) / 1_000_000_000n);
  return mtime >= newest ? { mtime: newest, nanoseconds: 0 } : { mtime, nanoseconds: Number(rest) };
}

function typeOf(stat: Stats): EntryType | undefined {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "directory";
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isFIFO()) return "fifo";
  if (stat.isCharacterDevice()) return "char";
  return stat.isBlockDevice() ? "block" : undefined;
}

/** The kernel's numbers in a 64-bit dev_t (makedev(3)). */
const major = (device: number) => ((device >>> 8) & 0xfff) | (Math.floor(device / 2 ** 32) & ~0xfff);
const minor = (device: number) => (device & 0xff) | ((device >>> 12) & ~0xff);
