/** Decompresses xz with liblzma through koffi. */
import { BayError } from "../../core/errors.ts";
import { loadLibrary } from "../../linux/index.ts";
import type { ReadBytes } from "../tar/read.ts";
import type { Decompressor } from "./index.ts";
import { decodeStream } from "./stream-decoder.ts";

/** lzma_stream on 64-bit Linux (lzma/base.h). */
const STREAM_SIZE = 136;
const LZMA_RUN = 0;
const LZMA_OK = 0;
const LZMA_STREAM_END = 1;
const LZMA_BUF_ERROR = 10;
/** `xz -9` needs 65 MiB; data that needs more than this is rejected. */
const MEMORY = 1 << 30;

function load() {
  const lib = loadLibrary("liblzma.so.5", "liblzma5");
  return {
    init: lib.func("lzma_stream_decoder", "int", ["void *", "uint64", "uint32"]),
    code: lib.func("lzma_code", "int", ["void *", "int"]),
    end: lib.func("lzma_end", "void", ["void *"]),
  };
}
let library: ReturnType<typeof load> | undefined;

/** Loads the library; a thread cannot find it after it has confined itself. */
export function loadXz(): void {
  library ??= load();
}

/** Returns a source of the decompressed bytes of another source. Throws BAD_LAYER if the data is damaged or truncated. */
export function decompressXz(read: ReadBytes): Decompressor {
  loadXz();
  const lzma = library!;
  const stream = Buffer.alloc(STREAM_SIZE);
  const init = () => {
    if (lzma.init(stream, MEMORY, 0) !== LZMA_OK)
      throw new BayError("BAD_LAYER", "liblzma cannot decompress");
  };
  init();
  return decodeStream(
    {
      name: "xz",
      stream,
      step: () => lzma.code(stream, LZMA_RUN),
      good: [LZMA_OK, LZMA_BUF_ERROR],
      ended: LZMA_STREAM_END,
      next: init,
      close: () => void lzma.end(stream),
    },
    read,
  );
}
