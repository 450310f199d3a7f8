/** Images: references, the content store, layers, and the sources of images. */

export { familiarReference, nameOrId, parseReference } from "../core/image-reference.ts";
export type { SyncOperation, SyncOwner, SyncResult } from "./archive/sync-operations.ts";
export { setLayerBounds } from "./layers/bounds.ts";
export { isInLayers, kindInLayers, readImageFile, resolveInLayers } from "./layers/layer-lookup.ts";
export { type ListedChange, runLayerTask } from "./layers/layer-pool.ts";
export { layerName } from "./layers/layer-store.ts";
export { removeTree, removeTreeNow } from "./layers/remove-tree.ts";
export { keepWorkerFiles, startWorker } from "./layers/worker-file.ts";
export { DEFAULT_PATH, type ImageConfig, MEDIA, type RunConfig } from "./model/manifest.ts";
export {
  formatPlatform,
  hostPlatform,
  type Platform,
  parsePlatform,
  samePlatform,
} from "./model/platform.ts";
export type { ArtifactPart } from "./registry/artifacts.ts";
export type { Credentials } from "./registry/credentials.ts";
export { findCredentials, keepCredentials } from "./registry/credentials.ts";
export { checkLogin } from "./registry/login.ts";
export type { PullProgress } from "./registry/pull-request.ts";
export { PullSummary } from "./registry/pull-summary.ts";
export { putImage } from "./sources/new-image.ts";
export type { ImageSource } from "./sources/source.ts";
export { sourceProblems } from "./sources/source-problems.ts";
export { staleReason } from "./sources/stale.ts";
export type { Descriptor } from "./store/content-store.ts";
export { type ImageRecord, isUntagged, registryDigests } from "./store/image-records.ts";
export { type Image, ImageStore } from "./store/image-store.ts";
export { inspectImage } from "./store/inspect-image.ts";
export { measureDirectory } from "./store/usage.ts";
export { isArchive } from "./tar/detect.ts";
export { fillVolume } from "./volume-files/fill-volume.ts";
export type { PackedVolume } from "./volume-files/pack-volume.ts";
export { runVolumeTask, type UnpackedVolume } from "./volume-files/volume-task.ts";

/** Loaded lazily, because few commands need it. */
export const archives = {
  intoFile: async (...given: Parameters<typeof import("./archive/into-file.ts").intoFile>) =>
    (await import("./archive/into-file.ts")).intoFile(...given),
};

/** Loaded lazily, because few commands need it and it takes long to load. */
export const web = {
  registrySettings: async () => (await import("./registry/settings.ts")).readSettings(),
  fetchUrl: async (...given: Parameters<typeof import("./sources/fetch-url.ts").fetchUrl>) =>
    (await import("./sources/fetch-url.ts")).fetchUrl(...given),
  resolveDigest: async (...given: Parameters<typeof import("./registry/pull.ts").resolveDigest>) =>
    (await import("./registry/pull.ts")).resolveDigest(...given),
  pullArtifact: async (...given: Parameters<typeof import("./registry/artifacts.ts").pullArtifact>) =>
    (await import("./registry/artifacts.ts")).pullArtifact(...given),
  pushArtifact: async (...given: Parameters<typeof import("./registry/artifacts.ts").pushArtifact>) =>
    (await import("./registry/artifacts.ts")).pushArtifact(...given),
  listTags: async (...given: Parameters<typeof import("./registry/tags.ts").listTags>) =>
    (await import("./registry/tags.ts")).listTags(...given),
  describeImage: async (...given: Parameters<typeof import("./registry/describe.ts").describeImage>) =>
    (await import("./registry/describe.ts")).describeImage(...given),
  searchRegistry: async (...given: Parameters<typeof import("./registry/catalogue.ts").searchRegistry>) =>
    (await import("./registry/catalogue.ts")).searchRegistry(...given),
};
export { WorkerPool } from "./layers/worker-pool.ts";
