/** Reads the bytes of one segment of a container's logs in blocks, and finds where lines begin. */

import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { hasCode } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { type IndexEntry, STREAMS } from "./segments.ts";

export const NEWLINE = 10;
/** A longer line is returned in pieces, so that output without newlines does not fill the memory. */
export const MAX_LINE = LIMITS.container.logLine;
const BLOCK = 256 << 10;

/** Caches one block of each stream; pieces that it returned remain valid. */
export class SegmentFiles {
  readonly #files: ({ fd: number; block: Buffer; start: number } | undefined)[] = [];

  constructor(
    readonly directory: string,
    readonly number: number,
  ) {}

  /** The bytes from `start` to `end`, as far as they exist: a segment may be removed while it is read. */
  *read(stream: 0 | 1, start: number, end: number): Generator<Buffer> {
    const file = this.#open(stream);
    for (let at = start; file && at < end; ) {
      if (at < file.start || at >= file.start + file.block.length) {
        // a reader that reads backwards needs the bytes before these next
        const first = at < file.start ? Math.min(at, Math.max(0, end - BLOCK)) : at;
        const block = Buffer.allocUnsafe(BLOCK);
        file.block = block.subarray(0, readSync(file.fd, block, 0, block.length, first));
        file.start = first;
        if (first + file.block.length <= at) return;
      }
      const bytes = file.block.subarray(at - file.start, end - file.start);
      at += bytes.length;
      yield bytes;
    }
  }

  #open(stream: 0 | 1) {
    const known = this.#files[stream];
    if (known) return known;
    const fd = openIfThere(join(this.directory, `${this.number}.${STREAMS[stream]}`));
    if (fd === undefined) return undefined;
    this.#files[stream] = { fd, block: Buffer.alloc(0), start: 0 };
    return this.#files[stream];
  }

  close(): void {
    for (const file of this.#files) if (file) closeSync(file.fd);
  }
}

/** The bytes after the last newline before `end`, at most MAX_LINE. */
export function lastLine(directory: string, number: number, stream: 0 | 1, end: number): Buffer {
  const files = new SegmentFiles(directory, number);
  try {
    let parts: Buffer[] = [];
    for (const bytes of files.read(stream, Math.max(0, end - MAX_LINE), end)) {
      const newline = bytes.lastIndexOf(NEWLINE);
      if (newline !== -1) parts = [];
      parts.push(bytes.subarray(newline + 1));
    }
    return Buffer.concat(parts);
  } finally {
    files.close();
  }
}

/** The number of bytes of each stream that the entries cover. */
export function lengthsOf(entries: readonly IndexEntry[]): [number, number] {
  const lengths: [number, number] = [0, 0];
  for (const { stream, length } of entries) lengths[stream as 0 | 1] += length;
  return lengths;
}

/** When the byte at an offset of a stream was written. */
export function timeAt(entries: readonly IndexEntry[], stream: 0 | 1, offset: number): number {
  let end = 0;
  for (const entry of entries) {
    if (entry.stream === stream) end += entry.length;
    if (end > offset) return entry.time;
  }
  return entries.at(-1)?.time ?? 0;
}

export function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

/** Opens a file; undefined if it was removed by rotation or never created. */
export function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}
