/** Decompresses Zstandard (RFC 8878) synchronously in pieces, with libzstd through koffi; Node 20 does not support it. */
import { BayError } from "../../core/errors.ts";
import { addressOf, loadLibrary } from "../../linux/index.ts";
import { inParts, type ReadBytes } from "../tar/read.ts";
import type { Decompressor } from "./index.ts";

const CHUNK = 1 << 20;
/** ZSTD_inBuffer and ZSTD_outBuffer: pointer, size, position. */
const BUFFER_SIZE = 24;
const SIZE = 8;
const POSITION = 16;

function load() {
  const lib = loadLibrary("libzstd.so.1", "libzstd1");
  return {
    create: lib.func("ZSTD_createDStream", "void *", []),
    free: lib.func("ZSTD_freeDStream", "uint64", ["void *"]),
    decompress: lib.func("ZSTD_decompressStream", "uint64", ["void *", "void *", "void *"]),
    isError: lib.func("ZSTD_isError", "uint32", ["uint64"]),
    errorName: lib.func("ZSTD_getErrorName", "str", ["uint64"]),
  };
}
let library: ReturnType<typeof load> | undefined;

/** Loads the library; a thread cannot find it after it has confined itself. */
export function loadZstd(): void {
  library ??= load();
}

/** Returns a source of the decompressed bytes of another source. Throws BAD_LAYER if the data is damaged or truncated. */
export function decompressZstd(read: ReadBytes): Decompressor {
  loadZstd();
  const zstd = library!;
  const stream = zstd.create();
  const input = Buffer.alloc(BUFFER_SIZE);
  const output = Buffer.alloc(BUFFER_SIZE);
  const chunk = Buffer.allocUnsafeSlow(CHUNK);
  output.writeBigUInt64LE(addressOf(chunk));
  output.writeBigUInt64LE(BigInt(CHUNK), SIZE);
  let held: Buffer | undefined; // libzstd holds its address
  let isBetween = true;
  let hasEnded = false;

  const fill = () => {
    output.writeBigUInt64LE(0n, POSITION);
    while (!hasEnded && output.readUInt32LE(POSITION) < CHUNK) {
      if (input.readUInt32LE(POSITION) === input.readUInt32LE(SIZE)) {
        held = read(CHUNK);
        if (held.length === 0) {
          if (!isBetween) throw new BayError("BAD_LAYER", "the zstd data ends too early");
          hasEnded = true;
          break;
        }
        input.writeBigUInt64LE(addressOf(held));
        input.writeBigUInt64LE(BigInt(held.length), SIZE);
        input.writeBigUInt64LE(0n, POSITION);
      }
      const result = zstd.decompress(stream, output, input);
      if (zstd.isError(result) !== 0)
        throw new BayError("BAD_LAYER", `the zstd data is damaged (${zstd.errorName(result)})`);
      isBetween = Number(result) === 0;
    }
    return chunk.subarray(0, output.readUInt32LE(POSITION));
  };
  return {
    read: inParts(fill),
    close: () => void zstd.free(stream),
  };
}
