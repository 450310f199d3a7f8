/** Reading a tar archive synchronously from a source of bytes. */
import { readSync } from "node:fs";
import { BayError } from "../../errors.ts";
import { BLOCK, decodeHeader, decodePax, type TarEntry, toEntry } from "./header.ts";

const MAX_METADATA = 1 << 20;
const CHUNK = 1 << 20;

/** Gives up to `length` bytes, none at the end. */
export type ReadBytes = (length: number) => Buffer;

/** A source that reads a descriptor from where it stands. */
export function fromDescriptor(fd: number): ReadBytes {
  let buffer = Buffer.alloc(0);
  const chunk = Buffer.alloc(CHUNK);
  return (length) => {
    if (buffer.length === 0) buffer = chunk.subarray(0, readSync(fd, chunk, 0, chunk.length, null));
    const part = buffer.subarray(0, length);
    buffer = buffer.subarray(part.length);
    return part;
  };
}

/**
 * Walks the archive. `content` of an entry is a source of exactly its size; what the visitor leaves unread is
 * passed over. Throws BAD_TAR where the archive is malformed or cut.
 */
export function readTar(read: ReadBytes, visit: (entry: TarEntry, content: ReadBytes) => void): void {
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
    if (size > MAX_METADATA) throw new BayError("BAD_TAR", `a tar header of ${size} bytes`);
    const bytes = exactly(size);
    exactly((BLOCK - (size % BLOCK)) % BLOCK);
    return bytes;
  };
  let pax = new Map<string, Buffer>();
  let isFirst = true;
  for (;;) {
    const first = read(BLOCK);
    if (first.length === 0) {
      if (isFirst) throw new BayError("BAD_TAR", "the tar archive is empty");
      return; // some writers leave the end marker out
    }
    isFirst = false;
    const block =
      first.length === BLOCK ? first : Buffer.concat([Buffer.from(first), exactly(BLOCK - first.length)]);
    const raw = decodeHeader(block);
    if (!raw) return drain(read);
    if (raw.flag === "x") for (const [key, value] of decodePax(metadata(raw.size))) pax.set(key, value);
    else if (raw.flag === "g") metadata(raw.size);
    else if (raw.flag === "L" || raw.flag === "K") {
      const value = metadata(raw.size);
      const end = value.indexOf(0);
      pax.set(raw.flag === "L" ? "path" : "linkpath", end === -1 ? value : value.subarray(0, end));
    } else {
      const entry = toEntry(raw, pax);
      pax = new Map();
      let left = entry.size;
      const content: ReadBytes = (length) => {
        if (left === 0) return Buffer.alloc(0);
        const part = read(Math.min(length, left));
        if (part.length === 0) throw new BayError("BAD_TAR", `the tar archive ends inside ${entry.name}`);
        left -= part.length;
        return part;
      };
      visit(entry, content);
      while (left > 0) content(CHUNK);
      exactly((BLOCK - (entry.size % BLOCK)) % BLOCK);
    }
  }
}

/** Reads on to the end, so that a digest of the whole is a digest of the whole. */
function drain(read: ReadBytes): void {
  while (read(CHUNK).length > 0);
}
