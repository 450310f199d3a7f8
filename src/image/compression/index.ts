/** How a layer is compressed, told by its first bytes and not by what its media type claims. */
import { closeSync, openSync, readSync } from "node:fs";
import { BayError } from "../../errors.ts";
import type { ReadBytes } from "../tar/read.ts";
import { inflate, loadGzip } from "./gzip.ts";
import { decompressZstd, loadZstd } from "./zstd.ts";

/** A source of plain bytes, whose memory is not JavaScript's. */
export interface Decompressor {
  read: ReadBytes;
  /** Call once, whatever happened. */
  close: () => void;
}

export type Compression = "none" | "gzip" | "zstd";

const GZIP_MAGIC = 0x8b1f;
const ZSTD_MAGIC = 0xfd2fb528;
/** Deflate cannot do better than 1032:1; what claims more than that is a bomb. */
const MAX_RATIO = 1032;
const ALWAYS_ALLOWED = 64 << 20;

/** By the first four bytes of the data. */
export function compressionOf(head: Buffer): Compression {
  if (head.length >= 2 && head.readUInt16LE() === GZIP_MAGIC) return "gzip";
  if (head.length >= 4 && head.readUInt32LE() === ZSTD_MAGIC) return "zstd";
  return "none";
}

/** Of a file's data from an offset on. */
export function compressionAt(file: string, offset: number): Compression {
  const head = Buffer.alloc(4);
  const fd = openSync(file, "r");
  try {
    return compressionOf(head.subarray(0, readSync(fd, head, 0, 4, offset)));
  } finally {
    closeSync(fd);
  }
}

/** Loads what a kind of compression needs, before a thread confines itself. Throws MISSING_LIBRARY. */
export function loadCompression(kind: Compression): void {
  if (kind === "gzip") loadGzip();
  else if (kind === "zstd") loadZstd();
}

/** A source of the plain bytes of another, of which `size` bytes are known to come. Throws BAD_LAYER. */
export function decompress(kind: Compression, read: ReadBytes, size: number): Decompressor {
  if (kind === "none") return { read, close: () => {} };
  const plain = kind === "gzip" ? inflate(read) : decompressZstd(read);
  let left = ALWAYS_ALLOWED + size * MAX_RATIO;
  return {
    read: (length) => {
      const part = plain.read(length);
      left -= part.length;
      if (left < 0)
        throw new BayError(
          "BAD_LAYER",
          `${size} bytes of ${kind} data decompress to more than can be honest`,
        );
      return part;
    },
    close: plain.close,
  };
}
