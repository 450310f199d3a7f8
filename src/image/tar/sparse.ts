/**
 * Sparse files in tar archives: GNU's own entry type `S`, and the three forms in PAX records
 * (GNU tar manual, "Storing Sparse Files": 0.0 and 0.1 as a map in the records, 1.0 before the content).
 */

import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import {
  bytesOf,
  decodeNumber,
  encodeEntry,
  padding,
  type RawHeader,
  SPARSE_MAP,
  SPARSE_NAME,
  type TarEntry,
} from "./header.ts";

/** The parts of a sparse file: the stored pieces, in order, and its whole size. */
export interface SparseMap {
  pieces: { offset: number; length: number }[];
  size: number;
}

export const MAX_PIECES = LIMITS.image.sparseParts;
const MAP_ENTRY = 24;

function checked(pieces: SparseMap["pieces"], size: number): SparseMap {
  let end = 0;
  for (const { offset, length } of pieces) {
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < end || length < 0)
      throw new BayError("BAD_TAR", "a sparse file's map is out of order");
    end = offset + length;
  }
  if (!Number.isSafeInteger(size) || end > size)
    throw new BayError("BAD_TAR", "a sparse file's map goes beyond its size");
  return { pieces, size };
}

function pairs(numbers: readonly number[]): SparseMap["pieces"] {
  if (numbers.length % 2 !== 0) throw new BayError("BAD_TAR", "the map of a sparse file is incomplete");
  return Array.from({ length: numbers.length / 2 }, (_, index) => ({
    offset: numbers[index * 2]!,
    length: numbers[index * 2 + 1]!,
  }));
}

/** GNU's old form: four pieces in the header, then blocks of 21. `next` returns the block that follows. */
export function gnuSparse(block: Buffer, next: () => Buffer): SparseMap {
  const pieces: SparseMap["pieces"] = [];
  const size = decodeNumber(block, 483, 12);
  const take = (from: Buffer, at: number, count: number) => {
    for (let index = 0; index < count; index++) {
      const start = at + index * MAP_ENTRY;
      if (from[start] === 0) return;
      pieces.push({ offset: decodeNumber(from, start, 12), length: decodeNumber(from, start + 12, 12) });
    }
  };
  take(block, 386, 4);
  for (let more = block[482] !== 0; more; ) {
    if (pieces.length > MAX_PIECES) throw new BayError("BAD_TAR", "a sparse file's map is too long");
    const extension = next();
    take(extension, 0, 21);
    more = extension[504] !== 0;
  }
  return checked(pieces, size);
}

/** The PAX forms; undefined if the file is not sparse. `line` returns the content's next line, for form 1.0. */
export function paxSparse(
  raw: RawHeader,
  pax: ReadonlyMap<string, Buffer>,
  line: () => string,
): SparseMap | undefined {
  const number = (key: string) => {
    const text = pax.get(key)?.toString("latin1");
    return text === undefined ? undefined : Number(text);
  };
  const size = number("GNU.sparse.realsize") ?? number("GNU.sparse.size");
  const map = pax.get(SPARSE_MAP);
  if (map) return checked(pairs(map.toString("latin1").split(",").map(Number)), size ?? raw.size);
  if (number("GNU.sparse.major") !== 1) return undefined;
  const count = Number(line());
  if (!(count >= 0 && count <= MAX_PIECES)) throw new BayError("BAD_TAR", "a sparse file's map is too long");
  const numbers = Array.from({ length: count * 2 }, () => Number(line()));
  return checked(pairs(numbers), size ?? 0);
}

/**
 * Returns the map before the content of a sparse file, in PAX form 1.0, and the total size of map and content. A program that
 * does not know the form unpacks both to the alternative name.
 */
export function encodeSparse(entry: TarEntry, { pieces, size }: SparseMap): { head: Buffer; stored: number } {
  // GNU tar ends a map with an empty piece if the file ends with a hole
  const last = pieces.at(-1);
  const endsInHole = (last ? last.offset + last.length : 0) < size;
  const all = endsInHole ? [...pieces, { offset: size, length: 0 }] : pieces;
  const lines = [all.length, ...all.flatMap(({ offset, length }) => [offset, length])];
  const text = bytesOf(`${lines.join("\n")}\n`);
  const map = Buffer.concat([text, padding(text.length)]);
  const stored = map.length + pieces.reduce((sum, { length }) => sum + length, 0);
  const records = new Map([
    ["GNU.sparse.major", "1"],
    ["GNU.sparse.minor", "0"],
    [SPARSE_NAME, entry.name],
    ["GNU.sparse.realsize", String(size)],
  ]);
  const slash = entry.name.lastIndexOf("/") + 1;
  const name = `${entry.name.slice(0, slash)}GNUSparseFile.0/${entry.name.slice(slash)}`;
  return { head: Buffer.concat([encodeEntry({ ...entry, name, size: stored }, records), map]), stored };
}
