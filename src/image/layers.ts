/** The second door of images: work on archives and layers, for workers. It loads the kernel's library. */

export { meter, metered, naming } from "./bounds.ts";
export { COMPRESSIONS, compressionAt, decompress, loadCompression } from "./compression/index.ts";
export { packHere } from "./pack-layer.ts";
export { isTarHeader } from "./tar/detect.ts";
export { binary, bytesOf } from "./tar/header.ts";
export { fromDescriptor } from "./tar/read.ts";
export { unpackInto } from "./unpack.ts";
export type { WorkerAnswer } from "./worker-pool.ts";
