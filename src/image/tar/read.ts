/** Reads a tar archive synchronously from a source of bytes. */

import { readSync } from "node:fs";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { BLOCK, decodeHeader, decodePax, paddingLength, type TarEntry, toEntry } from "./header.ts";
import { gnuSparse, paxSparse } from "./sparse.ts";

const MAX_METADATA = LIMITS.image.tarMetadata;
const CHUNK = 1 << 20;

/** Returns up to `length` bytes, and none at the end. */
export type ReadBytes = (length: number) => Buffer;

/** A source that reads a descriptor from its current position. */
export function fromDescriptor(fd: number): ReadBytes {
  const chunk = Buffer.alloc(CHUNK);
  return inParts(() => chunk.subarray(0, readSync(fd, chunk, 0, chunk.length, null)));
}

/** A source of the chunks that `next` returns, none at the end; a chunk is requested when the last one is used up. */
export function inParts(next: () => Buffer): ReadBytes {
  let ready: Buffer = Buffer.alloc(0);
  return (length) => {
    if (ready.length === 0) ready = next();
    const part = ready.subarray(0, length);
    ready = ready.subarray(part.length);
    return part;
  };
}

const MAX_LINE = 32;
const NOTHING = Buffer.alloc(0);

/**
 * Walks the archive. `content` of an entry is a source of exactly its size; the rest that the visitor does not read is
 * skipped. The visitor may return a number of bytes by which it advanced the source itself. Throws BAD_TAR if the archive is
 * malformed or truncated. Reads to the end after the end marker, unless `toTheEnd` is false. `needsEnd` rejects an archive
 * without an end marker: it may have been truncated between two entries.
 */
export function readTar(
  read: ReadBytes,
  visit: (entry: TarEntry, content: ReadBytes) => number | undefined,
  { toTheEnd = true, needsEnd = false } = {},
): void {
  const exactly = (length: number): Buffer => {
    const parts: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const part = Buffer.from(read(left));
      if (part.length === 0) throw new BayError("BAD_TAR", "the tar archive ends too early");
      parts.push(part);
      left -= part.length;
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  };
  const metadata = (size: number): Buffer => {
    if (size > MAX_METADATA) throw new BayError("BAD_TAR", `a tar header is too large: ${size} bytes`);
    const bytes = exactly(size);
    exactly(paddingLength(size));
    return bytes;
  };
  const common = new Map<string, Buffer>();
  let pax = new Map<string, Buffer>();
  let isFirst = true;
  for (;;) {
    const first = read(BLOCK);
    if (first.length === 0) {
      if (isFirst) throw new BayError("BAD_TAR", "the tar archive is empty");
      if (needsEnd)
        throw new BayError("BAD_TAR", "the tar archive has no end marker, so it may be incomplete");
      return; // some writers omit the end marker
    }
    isFirst = false;
    const block =
      first.length === BLOCK ? first : Buffer.concat([Buffer.from(first), exactly(BLOCK - first.length)]);
    const raw = decodeHeader(block);
    if (!raw) return toTheEnd ? drain(read) : undefined;
    if (raw.flag === "x") merge(pax, decodePax(metadata(raw.size)));
    else if (raw.flag === "g") merge(common, decodePax(metadata(raw.size)));
    else if (raw.flag === "L" || raw.flag === "K") {
      const value = metadata(raw.size);
      const end = value.indexOf(0);
      pax.set(raw.flag === "L" ? "path" : "linkpath", end === -1 ? value : value.subarray(0, end));
    } else {
      const records = common.size === 0 ? pax : new Map([...common, ...pax]);
      const entry = toEntry(raw, records);
      pax = new Map();
      let left = entry.size;
      const content: ReadBytes = (length) => {
        if (left === 0) return NOTHING;
        const part = read(Math.min(length, left));
        if (part.length === 0) throw new BayError("BAD_TAR", `the tar archive ends inside ${entry.name}`);
        left -= part.length;
        return part;
      };
      if (raw.flag === "S") entry.sparse = gnuSparse(Buffer.from(block), () => exactly(BLOCK));
      else if (records.size > 0 && entry.type === "file") {
        const map = mapLines(content);
        const sparse = paxSparse(raw, records, map.line);
        map.finish();
        if (sparse) Object.assign(entry, { sparse, size: left });
      }
      const total = left;
      const skipped = visit(entry, content) ?? 0;
      left -= skipped;
      while (left > 0) content(CHUNK);
      exactly(paddingLength(total));
    }
  }
}

/** Throws BAD_TAR if the records of all headers together are larger than one header may be. */
function merge(records: Map<string, Buffer>, more: ReadonlyMap<string, Buffer>): void {
  for (const [key, value] of more) records.set(key, value);
  let size = 0;
  for (const [key, value] of records) size += key.length + value.length;
  if (size > MAX_METADATA) throw new BayError("BAD_TAR", `the PAX headers are too large: ${size} bytes`);
}

/** Reads to the end, so that a digest covers the whole archive. */
function drain(read: ReadBytes): void {
  while (read(CHUNK).length > 0);
}

/** The decimal lines of a sparse map that precedes the content, and the padding of its last block. */
function mapLines(content: ReadBytes): { line: () => string; finish: () => void } {
  let taken = 0;
  const byte = () => {
    const [value] = content(1);
    if (value === undefined) throw new BayError("BAD_TAR", "the map of a sparse file is incomplete");
    taken += 1;
    return value;
  };
  return {
    line: () => {
      let text = "";
      for (let value = byte(); value !== 10; value = byte()) {
        text += String.fromCharCode(value);
        if (text.length > MAX_LINE) throw new BayError("BAD_TAR", "a sparse file's map is malformed");
      }
      return text;
    },
    finish: () => {
      for (let rest = paddingLength(taken); rest > 0; rest--) byte();
    },
  };
}
