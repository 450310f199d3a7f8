/**
 * Unpacking one layer into a directory, from inside that directory as root of the file system: whatever a name
 * or a symlink in the archive says, it cannot lead out. OCI whiteouts (image-spec layer.md) become overlayfs's.
 */
import {
  chmodSync,
  closeSync,
  constants,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { posix } from "node:path";
import { BayError } from "../errors.ts";
import { makedev, makeNode, setXattr } from "../linux/index.ts";
import type { TarEntry } from "./tar/header.ts";
import { type ReadBytes, readTar } from "./tar/read.ts";

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
const CHUNK = 1 << 20;

/** Unpacks a layer into the thread's root. Throws BAD_LAYER for an entry that would leave it, BAD_TAR for bad archives. */
export function unpackHere(read: ReadBytes): void {
  unpackEntries("/", read, true);
}

/** Unpacks an archive into a directory of the thread's root; whiteouts mean nothing there. Throws as `unpackHere`. */
export function unpackInto(directory: string, read: ReadBytes): void {
  unpackEntries(directory, read, false);
}

function unpackEntries(base: string, read: ReadBytes, isLayer: boolean): void {
  const directories: { path: string; mtime: number }[] = [];
  readTar(read, (entry, content) => {
    if (entry.name === "" && (entry.type !== "directory" || !isLayer)) return;
    const path = safePath(base, entry.name, "entry");
    const name = posix.basename(path);
    if (isLayer && name.startsWith(WHITEOUT)) return hide(path, name);
    if (entry.type === "directory") directories.push({ path, mtime: entry.mtime });
    try {
      extract(entry, base, path, content);
    } catch (cause) {
      if (cause instanceof BayError) throw cause;
      throw new BayError("BAD_LAYER", `entry ${entry.name} cannot be unpacked: ${(cause as Error).message}`, {
        cause,
      });
    }
  });
  // A file made inside a directory changes its time, so directories come last.
  for (const { path, mtime } of directories.reverse()) utimesSync(path, mtime, mtime);
}

function hide(path: string, name: string): void {
  const directory = posix.dirname(path);
  makeParents(directory);
  if (name === OPAQUE) {
    setXattr(directory, "trusted.overlay.opaque", Buffer.from("y"));
    return;
  }
  const hidden = posix.join(directory, name.slice(WHITEOUT.length));
  rmSync(hidden, { recursive: true, force: true });
  makeNode(hidden, "char", 0, 0);
}

/** An absolute path inside the root. `..` that climbs out is refused, not clamped: no honest layer has it. */
function safePath(base: string, name: string, what: string): string {
  if (name.includes("\0")) throw new BayError("BAD_LAYER", `an ${what} name has a NUL byte`);
  const normal = posix.normalize(name);
  if (normal === ".." || normal.startsWith("../")) {
    throw new BayError("BAD_LAYER", `${what} ${JSON.stringify(name)} leads out of the image`);
  }
  return posix.join(base, normal);
}

function makeParents(directory: string): void {
  if (directory !== "/") mkdirSync(directory, { recursive: true, mode: 0o755 });
}

function extract(entry: TarEntry, base: string, path: string, content: ReadBytes): void {
  makeParents(posix.dirname(path));
  const old = path === "/" ? undefined : lstatSync(path, { throwIfNoEntry: false });
  if (old && !(old.isDirectory() && entry.type === "directory"))
    rmSync(path, { recursive: true, force: true });
  switch (entry.type) {
    case "directory":
      if (!old?.isDirectory() && path !== "/") mkdirSync(path);
      break;
    case "file":
      writeFile(path, content);
      break;
    case "hardlink": {
      linkSync(safePath(base, entry.linkName.replace(/^\/+/, ""), "link target"), path);
      return; // an inode's attributes came with its first name
    }
    case "symlink":
      symlinkSync(entry.linkName, path);
      break;
    default:
      if (!makeNode(path, entry.type, entry.mode, makedev(entry.devMajor, entry.devMinor))) {
        throw new BayError("BAD_LAYER", `the device ${path} could not be made`);
      }
  }
  lchownSync(path, entry.uid, entry.gid);
  if (entry.type !== "symlink") chmodSync(path, entry.mode); // after chown, which clears the setuid bits
  for (const [name, value] of entry.xattrs) {
    if (!name.startsWith("trusted.overlay.")) setXattr(path, name, value);
  }
  if (entry.type !== "directory") lutimesSync(path, entry.mtime, entry.mtime);
}

function writeFile(path: string, content: ReadBytes): void {
  const fd = openSync(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    for (let part = content(CHUNK); part.length > 0; part = content(CHUNK)) {
      for (let at = 0; at < part.length; ) at += writeSync(fd, part, at);
    }
  } finally {
    closeSync(fd);
  }
}
