/** The door of images: references, the content store, layers, and the sources that images come from. */
export { fillVolume, workerFile } from "./confined.ts";
export {
  type Image,
  type ImageRecord,
  ImageStore,
  inspectImage,
  staleReason,
} from "./image-store.ts";
export { readImageFile, resolveInLayers } from "./layer-lookup.ts";
export type { ImageConfig, RunConfig } from "./manifest.ts";
export { canonicalReference, familiarReference, parseReference } from "./reference.ts";
export type { ImageSource } from "./source.ts";
