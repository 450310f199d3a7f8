/** ADD of a local archive: unpacks it into the target (Dockerfile reference, "Adding local tar archives"). */
import { closeSync, openSync, readSync } from "node:fs";
import {
  binary,
  bytesOf,
  compressionAt,
  decompress,
  fromDescriptor,
  isTarHeader,
  loadCompression,
  meter,
  metered,
  naming,
  unpackInto,
} from "../../image/for-workers.ts";
import { ThreadRoot } from "../../linux/index.ts";
import { makeDirectories } from "./directories.ts";
import type { CopyOptions } from "./tasks.ts";

const BLOCK = 512;

/** Detects an archive by its content, not by its name. Runs in the source's root. */
export function isArchive(place: string): boolean {
  const fd = openSync(bytesOf(place), "r");
  const head = Buffer.alloc(BLOCK);
  try {
    const size = readSync(fd, head, 0, BLOCK, 0);
    const kind = compressionAt(place, 0);
    if (kind === "none") return isTarHeader(head.subarray(0, size));
    loadCompression(kind);
    const plain = decompress(kind, fromDescriptor(fd), Number.MAX_SAFE_INTEGER / 2 ** 11);
    try {
      return isTarHeader(Buffer.from(plain.read(BLOCK)));
    } catch {
      return false; // compressed, but not an archive
    } finally {
      plain.close();
    }
  } finally {
    closeSync(fd);
  }
}

const shownName = (place: string) => JSON.stringify(bytesOf(place).toString("utf8").replace(/\p{C}/gu, "?"));

/**
 * Unpacks with the target as the root of the file system, so that links in the archive, absolute ones too, stay below
 * it. Modes come from the archive, and so do owners without --chown. Throws BAD_LAYER, BAD_TAR.
 */
export function unpackArchive(
  { source, target, options }: { source: ThreadRoot; target: ThreadRoot; options: CopyOptions },
  place: string,
): void {
  source.enter();
  const kind = compressionAt(place, 0);
  loadCompression(kind);
  const fd = openSync(bytesOf(place), "r");
  const plain = decompress(kind, fromDescriptor(fd), Number.MAX_SAFE_INTEGER / 2 ** 11);
  try {
    target.enter();
    const inside = makeDirectories(binary(options.target), options);
    const root = new ThreadRoot(bytesOf(inside));
    try {
      root.enter();
      unpackInto("/", metered(plain.read, meter("/", "the build", undefined)), { owner: options.owner });
    } finally {
      target.enter();
      root.close();
    }
  } catch (error) {
    throw naming(`the archive ${shownName(place)}`, error);
  } finally {
    plain.close();
    closeSync(fd);
  }
}
