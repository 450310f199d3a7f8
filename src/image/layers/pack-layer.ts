/**
 * Packs a container's writable layer as an OCI layer (image-spec layer.md), from inside its directory: whiteouts and opaque
 * directories of overlayfs become OCI's. The same tree results in the same bytes: names are sorted, and neither the current
 * time nor the history of the directory has an effect.
 */
import { closeSync, lstatSync, openSync, readdirSync, readSync, type Stats } from "node:fs";
import { posix } from "node:path";
import { BayError } from "../../core/errors.ts";
import { getXattrs } from "../../linux/index.ts";
import { PLAIN_ENTRY } from "../tar/describe.ts";
import { BLOCK, bytesOf, encodeEntry, padding } from "../tar/header.ts";
import { treeEntry } from "./tree-entry.ts";

const CHUNK = 1 << 20;
const OPAQUE = "trusted.overlay.opaque";
const OVERLAY = "trusted.overlay.";

type Write = (bytes: Buffer) => void;

/** A change in a writable layer; its path is a relative binary string. */
export interface LayerChange {
  path: string;
  /** It only hides the path in the layers below. */
  isWhiteout: boolean;
  /** A directory that hides the content of the one in the layers below. */
  isOpaque: boolean;
  stat: Stats;
  xattrs: Map<string, Buffer>;
}

/** Returns the changes below a directory, parents first, ordered by name. */
export function* layerChanges(root: string): Generator<LayerChange> {
  const walk = function* (directory: string): Generator<LayerChange> {
    for (const name of readdirSync(bytesOf(posix.join(root, directory)), "latin1").sort()) {
      const path = posix.join(directory, name);
      const at = bytesOf(posix.join(root, path));
      const stat = lstatSync(at);
      const isWhiteout = stat.isCharacterDevice() && stat.rdev === 0;
      const xattrs = getXattrs(at);
      const isOpaque = stat.isDirectory() && xattrs.get(OPAQUE)?.toString("latin1") === "y";
      for (const key of xattrs.keys()) if (key.startsWith(OVERLAY)) xattrs.delete(key);
      yield { path, isWhiteout, isOpaque, stat, xattrs };
      if (stat.isDirectory()) yield* walk(path);
    }
  };
  yield* walk("");
}

/**
 * Writes the layer of the thread's root, or of a directory of it; no time is later than `newest`. Throws FILE_CHANGED if a
 * file shrinks meanwhile.
 */
export function packHere(write: Write, newest = Number.POSITIVE_INFINITY, root = "/"): void {
  const seen = new Map<string, string>();
  for (const change of layerChanges(root)) packOne(change, seen, write, { newest, root });
  write(Buffer.alloc(2 * BLOCK));
}

function packOne(
  change: LayerChange,
  seen: Map<string, string>,
  write: Write,
  { newest, root }: { newest: number; root: string },
): void {
  const { path, isWhiteout, isOpaque, stat, xattrs } = change;
  if (isWhiteout) {
    const name = posix.join(posix.dirname(path), `.wh.${posix.basename(path)}`);
    return write(encodeEntry({ ...PLAIN_ENTRY, name, type: "file", mode: 0 }));
  }
  const entry = treeEntry(path, stat, xattrs, newest, root);
  if (!entry) return; // a socket is useless without its process
  const { type } = entry;
  const inode = `${stat.dev}:${stat.ino}`;
  const first = type === "directory" || stat.nlink < 2 ? undefined : seen.get(inode);
  if (first !== undefined)
    return write(encodeEntry({ ...entry, type: "hardlink", linkName: first, size: 0, xattrs: new Map() }));
  if (stat.nlink > 1) seen.set(inode, path);
  write(encodeEntry(entry));
  if (type === "file") writeContent(posix.join(root, path), stat.size, write);
  if (isOpaque)
    write(encodeEntry({ ...PLAIN_ENTRY, name: posix.join(path, ".wh..wh..opq"), type: "file", mode: 0 }));
}

function writeContent(path: string, size: number, write: Write): void {
  const fd = openSync(bytesOf(path), "r");
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(size, 1)));
  try {
    for (let left = size; left > 0; ) {
      const count = readSync(fd, chunk, 0, Math.min(chunk.length, left), null);
      if (count === 0) throw new BayError("FILE_CHANGED", `${path} was truncated while it was read`);
      write(chunk.subarray(0, count));
      left -= count;
    }
    write(padding(size));
  } finally {
    closeSync(fd);
  }
}
