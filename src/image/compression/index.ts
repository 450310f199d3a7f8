/** Detects the compression of a layer by its first bytes, not by its media type. */
import { closeSync, openSync, readSync } from "node:fs";
import { BayError } from "../../core/errors.ts";
import type { ReadBytes } from "../tar/read.ts";
import { decompressBzip2, loadBzip2 } from "./bzip2.ts";
import { inflate, loadGzip } from "./gzip.ts";
import { type Compression, compressionOf, MAGIC_SIZE } from "./magic.ts";
import { decompressXz, loadXz } from "./xz.ts";
import { decompressZstd, loadZstd } from "./zstd.ts";

export { COMPRESSIONS, type Compression, compressionOf } from "./magic.ts";

/** A source of plain bytes, whose memory is outside the JavaScript heap. */
export interface Decompressor {
  read: ReadBytes;
  /** Must be called once, even after an error. */
  close: () => void;
}

interface Kind {
  load: () => void;
  decompress: (read: ReadBytes) => Decompressor;
  /** The highest ratio of honest data; data that exceeds it is a decompression bomb. */
  maxRatio: number;
}

const KINDS: Record<Exclude<Compression, "none">, Kind> = {
  gzip: { load: loadGzip, decompress: inflate, maxRatio: 1032 },
  bzip2: { load: loadBzip2, decompress: decompressBzip2, maxRatio: 25_000 },
  xz: { load: loadXz, decompress: decompressXz, maxRatio: 10_000 },
  zstd: {
    load: loadZstd,
    decompress: decompressZstd,
    maxRatio: 1032,
  },
};
const ALWAYS_ALLOWED = 64 << 20;

/** Detects the compression of a file's data at an offset. */
export function compressionAt(file: string, offset: number): Compression {
  const head = Buffer.alloc(MAGIC_SIZE);
  const fd = openSync(file, "r");
  try {
    return compressionOf(head.subarray(0, readSync(fd, head, 0, MAGIC_SIZE, offset)));
  } finally {
    closeSync(fd);
  }
}

/** Loads the library for a compression, before a thread confines itself. Throws MISSING_LIBRARY. */
export function loadCompression(kind: Compression): void {
  if (kind !== "none") KINDS[kind].load();
}

/** Returns a source of the plain bytes of another source, which provides `size` bytes. Throws BAD_LAYER. */
export function decompress(kind: Compression, read: ReadBytes, size: number): Decompressor {
  if (kind === "none") return { read, close: () => {} };
  const plain = KINDS[kind].decompress(read);
  let left = ALWAYS_ALLOWED + size * KINDS[kind].maxRatio;
  return {
    read: (length) => {
      const part = plain.read(length);
      left -= part.length;
      if (left < 0)
        throw new BayError(
          "BAD_LAYER",
          `${size} bytes of ${kind} data expand too much, which indicates a decompression bomb`,
        );
      return part;
    },
    close: plain.close,
  };
}
