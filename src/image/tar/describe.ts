/** Describes a file of this host as the header of a tar entry. */
import { lstatSync, readlinkSync, type Stats } from "node:fs";
import type { TarEntry } from "./header.ts";

/** The defaults of an entry: owned by root, empty, from 1970. */
export const PLAIN_ENTRY = {
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  nanoseconds: 0,
  linkName: "",
  devMajor: 0,
  devMinor: 0,
  xattrs: new Map<string, Buffer>(),
} satisfies Partial<TarEntry>;

/**
 * `name` is the name in the archive, a binary string. Returns undefined for sockets, devices and FIFOs, which archives of
 * files omit. Times are in whole seconds, and extended attributes are not read.
 */
export function describeFile(path: string | Buffer, name: string): TarEntry | undefined {
  const stat = lstatSync(path);
  const type = typeOf(stat);
  if (!type) return undefined;
  return {
    ...PLAIN_ENTRY,
    name: name || ".",
    type,
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    size: type === "file" ? stat.size : 0,
    mtime: Math.floor(stat.mtimeMs / 1000),
    linkName: type === "symlink" ? readlinkSync(path, "latin1") : "",
  };
}

function typeOf(stat: Stats): "file" | "directory" | "symlink" | undefined {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "directory";
  return stat.isSymbolicLink() ? "symlink" : undefined;
}
