/** The entry point of images for workers: archives and layers. It loads libc. */

export { COMPRESSIONS, compressionAt, decompress, loadCompression } from "./compression/index.ts";
export { meter, metered, naming } from "./layers/bounds.ts";
export { packHere } from "./layers/pack-layer.ts";
export { unpackInto } from "./layers/unpack.ts";
export type { WorkerAnswer } from "./layers/worker-pool.ts";
export { isTarHeader } from "./tar/detect.ts";
export { binary, bytesOf } from "./tar/header.ts";
export { fromDescriptor } from "./tar/read.ts";
