/** Decompresses bzip2 with libbz2 through koffi. */
import { BayError } from "../../core/errors.ts";
import { loadLibrary } from "../../linux/index.ts";
import type { ReadBytes } from "../tar/read.ts";
import type { Decompressor } from "./index.ts";
import { decodeStream } from "./stream-decoder.ts";

/** bz_stream on 64-bit Linux (bzlib.h). */
const STREAM_SIZE = 80;
const BZ_OK = 0;
const BZ_STREAM_END = 4;

function load() {
  const lib = loadLibrary("libbz2.so.1.0", "libbz2-1.0");
  return {
    init: lib.func("BZ2_bzDecompressInit", "int", ["void *", "int", "int"]),
    decompress: lib.func("BZ2_bzDecompress", "int", ["void *"]),
    end: lib.func("BZ2_bzDecompressEnd", "int", ["void *"]),
  };
}
let library: ReturnType<typeof load> | undefined;

/** Loads the library; a thread cannot find it after it has confined itself. */
export function loadBzip2(): void {
  library ??= load();
}

/** Returns a source of the decompressed bytes of another source. Throws BAD_LAYER if the data is damaged or truncated. */
export function decompressBzip2(read: ReadBytes): Decompressor {
  loadBzip2();
  const bzip2 = library!;
  const stream = Buffer.alloc(STREAM_SIZE);
  const init = () => {
    if (bzip2.init(stream, 0, 0) !== BZ_OK) throw new BayError("BAD_LAYER", "libbz2 cannot decompress");
  };
  init();
  return decodeStream(
    {
      name: "bzip2",
      stream,
      step: () => bzip2.decompress(stream),
      good: [BZ_OK],
      ended: BZ_STREAM_END,
      next: () => {
        bzip2.end(stream);
        init();
      },
      close: () => void bzip2.end(stream),
    },
    read,
  );
}
