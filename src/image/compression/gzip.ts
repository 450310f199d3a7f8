/** Inflating gzip (RFC 1952) synchronously and piece by piece, by zlib's inflate(3) through koffi. Node's zlib has no such call. */
import { BayError } from "../../errors.ts";
import { addressOf, loadLibrary } from "../../linux/index.ts";
import { inParts, type ReadBytes } from "../tar/read.ts";
import type { Decompressor } from "./index.ts";

/** struct z_stream on 64-bit Linux (zlib.h). */
const STREAM_SIZE = 112;
const NEXT_IN = 0;
const AVAIL_IN = 8;
const NEXT_OUT = 24;
const AVAIL_OUT = 32;
const GZIP_WINDOW = 15 + 16;
const Z_OK = 0;
const Z_STREAM_END = 1;
const Z_BUF_ERROR = -5;
const CHUNK = 1 << 20;

function load() {
  const lib = loadLibrary("libz.so.1", "zlib1g");
  return {
    init: lib.func("inflateInit2_", "int", ["void *", "int", "str", "int"]),
    inflate: lib.func("inflate", "int", ["void *", "int"]),
    reset: lib.func("inflateReset", "int", ["void *"]),
    end: lib.func("inflateEnd", "int", ["void *"]),
  };
}
let library: ReturnType<typeof load> | undefined;

/** Loads the library; a thread that confines itself later could not find it. */
export function loadGzip(): void {
  library ??= load();
}

/** A source of what the gzip members of another inflate to. Throws BAD_LAYER where they are damaged or cut. */
export function inflate(read: ReadBytes): Decompressor {
  loadGzip();
  const zlib = library!;
  const stream = Buffer.alloc(STREAM_SIZE);
  if (zlib.init(stream, GZIP_WINDOW, "1", STREAM_SIZE) !== Z_OK)
    throw new BayError("BAD_LAYER", "zlib cannot inflate");
  const chunk = Buffer.allocUnsafeSlow(CHUNK);
  let input: Buffer | undefined; // kept, because zlib holds its address
  let isBetween = true;
  let hasEnded = false;

  const fill = () => {
    stream.writeBigUInt64LE(addressOf(chunk), NEXT_OUT);
    stream.writeUInt32LE(CHUNK, AVAIL_OUT);
    while (!hasEnded && stream.readUInt32LE(AVAIL_OUT) > 0) {
      if (stream.readUInt32LE(AVAIL_IN) === 0) {
        input = read(CHUNK);
        if (input.length === 0) {
          if (!isBetween) throw new BayError("BAD_LAYER", "the gzip data ends too early");
          hasEnded = true;
          break;
        }
        stream.writeBigUInt64LE(addressOf(input), NEXT_IN);
        stream.writeUInt32LE(input.length, AVAIL_IN);
      }
      isBetween = false;
      const result = zlib.inflate(stream, 0);
      if (result === Z_STREAM_END) {
        isBetween = true;
        zlib.reset(stream);
      } else if (result !== Z_OK && result !== Z_BUF_ERROR)
        throw new BayError("BAD_LAYER", `the gzip data is damaged (zlib ${result})`);
    }
    return chunk.subarray(0, CHUNK - stream.readUInt32LE(AVAIL_OUT));
  };
  return {
    read: inParts(fill),
    close: () => void zlib.end(stream),
  };
}
