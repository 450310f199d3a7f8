/** Inflates gzip (RFC 1952) synchronously in pieces, with zlib's inflate(3) through koffi. Node's zlib has no such call. */
import { BayError } from "../../core/errors.ts";
import { loadLibrary } from "../../linux/index.ts";
import type { ReadBytes } from "../tar/read.ts";
import type { Decompressor } from "./index.ts";
import { decodeStream } from "./stream-decoder.ts";

/** struct z_stream on 64-bit Linux (zlib.h). */
const STREAM_SIZE = 112;
const GZIP_WINDOW = 15 + 16;
const Z_OK = 0;
const Z_STREAM_END = 1;
const Z_BUF_ERROR = -5;

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

/** Loads the library; a thread cannot find it after it has confined itself. */
export function loadGzip(): void {
  library ??= load();
}

/** Returns a source of the inflated bytes of another source. Throws BAD_LAYER if the data is damaged or truncated. */
export function inflate(read: ReadBytes): Decompressor {
  loadGzip();
  const zlib = library!;
  const stream = Buffer.alloc(STREAM_SIZE);
  if (zlib.init(stream, GZIP_WINDOW, "1", STREAM_SIZE) !== Z_OK)
    throw new BayError("BAD_LAYER", "zlib cannot inflate");
  return decodeStream(
    {
      name: "gzip",
      stream,
      step: () => zlib.inflate(stream, 0),
      good: [Z_OK, Z_BUF_ERROR],
      ended: Z_STREAM_END,
      next: () => void zlib.reset(stream),
      close: () => void zlib.end(stream),
    },
    read,
  );
}
