/** The door of images: references, the content store, layers, and the sources that images come from. */
export { type LayerBounds, layerBounds, setLayerBounds } from "./bounds.ts";
export { fillVolume, workerFile } from "./confined.ts";
export type { ContentStore, Descriptor } from "./content-store.ts";
export { type ImageRecord, isUntagged } from "./image-records.ts";
export { type Image, ImageStore, inspectImage, type PullOptions } from "./image-store.ts";
export { isInLayers, kindInLayers, readImageFile, resolveInLayers } from "./layer-lookup.ts";
export { type ListedChange, runLayerTask } from "./layer-pool.ts";
export { layerName } from "./layer-store.ts";
export { DEFAULT_PATH, type ImageConfig, MEDIA, type RunConfig } from "./manifest.ts";
export { putImage } from "./new-image.ts";
export type { PackedVolume } from "./pack-volume.ts";
export { formatPlatform, hostPlatform, type Platform, parsePlatform, samePlatform } from "./platform.ts";
export { PullSummary } from "./pull-summary.ts";
export { canonicalReference, familiarReference, nameOrId, parseReference } from "./reference.ts";
export type { Credentials } from "./registry/credentials.ts";
export { findCredentials, keepCredentials } from "./registry/credentials.ts";
export { checkLogin } from "./registry/login.ts";
export type { LazyImage, PullProgress } from "./registry/pull.ts";
export { removeTree, removeTreeNow } from "./remove-tree.ts";
export type { ImageSource } from "./source.ts";
export { staleReason } from "./stale.ts";
export { isArchive } from "./tar/detect.ts";
export { measureDirectory } from "./usage.ts";
export { runVolumeTask, type UnpackedVolume } from "./volume-task.ts";

/** What few need, loaded when it is. */
export const archives = {
  intoFile: async (...given: Parameters<typeof import("./archive/into-file.ts").intoFile>) =>
    (await import("./archive/into-file.ts")).intoFile(...given),
};

/** What few need, and takes long to load. */
export const web = {
  fetchUrl: async (...given: Parameters<typeof import("./fetch-url.ts").fetchUrl>) =>
    (await import("./fetch-url.ts")).fetchUrl(...given),
  resolveDigest: async (...given: Parameters<typeof import("./registry/pull.ts").resolveDigest>) =>
    (await import("./registry/pull.ts")).resolveDigest(...given),
  searchRegistry: async (...given: Parameters<typeof import("./registry/catalogue.ts").searchRegistry>) =>
    (await import("./registry/catalogue.ts")).searchRegistry(...given),
};
export { type WorkerAnswer, WorkerPool } from "./worker-pool.ts";
