/** Writes directories and files as a layer: a tar with sorted names, so that the same files have the same digest. */
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { posix } from "node:path";
import { BayError } from "../../core/errors.ts";
import { getXattrs } from "../../linux/index.ts";
import type { BlobWriter } from "../store/content-store.ts";
import { describeFile, PLAIN_ENTRY } from "../tar/describe.ts";
import { binary, encodeEntry, padding } from "../tar/header.ts";

const CHUNK = 1 << 20;

/** A file to write: from the host, or generated. */
export type LayerSource =
  | { path: string }
  | { content: string; mode: number }
  | { directory: true; mode: number }
  | { link: string };

/**
 * Writes the entries, by path in the image. Missing parents become directories with mode 755. Owners are kept with
 * `keepOwners`; otherwise everything belongs to root.
 */
export function writeLayer(
  writer: BlobWriter,
  sources: ReadonlyMap<string, LayerSource>,
  keepOwners: boolean,
): void {
  const all = new Map(sources);
  for (const path of sources.keys()) {
    for (let parent = posix.dirname(path); parent !== "/"; parent = posix.dirname(parent)) {
      if (!all.has(parent)) all.set(parent, { directory: true, mode: 0o755 });
    }
  }
  for (const path of [...all.keys()].sort())
    if (path !== "/") writeOne(writer, path, all.get(path)!, keepOwners);
  writer.write(Buffer.alloc(1024));
}

function writeOne(writer: BlobWriter, path: string, source: LayerSource, keepOwners: boolean): void {
  const name = binary(path.slice(1));
  if ("content" in source) {
    const bytes = Buffer.from(source.content);
    writer.write(encodeEntry({ ...PLAIN_ENTRY, name, type: "file", mode: source.mode, size: bytes.length }));
    writer.write(Buffer.concat([bytes, padding(bytes.length)]));
  } else if ("directory" in source) {
    writer.write(encodeEntry({ ...PLAIN_ENTRY, name, type: "directory", mode: source.mode }));
  } else if ("link" in source) {
    writer.write(
      encodeEntry({ ...PLAIN_ENTRY, name, type: "symlink", mode: 0o777, linkName: binary(source.link) }),
    );
  } else writeHostFile(writer, name, source.path, keepOwners);
}

function writeHostFile(writer: BlobWriter, name: string, path: string, keepOwners: boolean): void {
  const entry = describeFile(path, name);
  if (!entry) return; // sockets, devices and FIFOs of the host do not belong to an image
  const owner = keepOwners ? {} : { uid: 0, gid: 0 };
  const xattrs = new Map(
    [...getXattrs(path)].filter(([key]) => key === "security.capability" || key.startsWith("user.")),
  );
  writer.write(encodeEntry({ ...entry, ...owner, xattrs }));
  if (entry.type === "file") writeContent(writer, path, entry.size);
}

function writeContent(writer: BlobWriter, path: string, size: number): void {
  const fd = openSync(path, "r");
  const chunk = Buffer.alloc(Math.min(CHUNK, Math.max(size, 1)));
  try {
    for (let left = size; left > 0; ) {
      const count = readSync(fd, chunk, 0, Math.min(chunk.length, left), null);
      if (count === 0) throw new BayError("FILE_CHANGED", `${path} was truncated while it was read`);
      writer.write(Buffer.from(chunk.subarray(0, count)));
      left -= count;
    }
    writer.write(padding(size));
  } finally {
    closeSync(fd);
  }
}

/** All paths below a directory, as a layer's sources. */
export function directorySources(directory: string): Map<string, LayerSource> {
  const sources = new Map<string, LayerSource>();
  const walk = (relative: string) => {
    for (const entry of readdirSync(posix.join(directory, relative), { withFileTypes: true })) {
      const path = posix.join(relative, entry.name);
      sources.set(path, { path: posix.join(directory, path) });
      if (entry.isDirectory()) walk(path);
    }
  };
  walk("/");
  return sources;
}
