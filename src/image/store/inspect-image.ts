/** Reads an image's properties from the state only: for the planner, and for commands without bayd. */
import { hasCode } from "../../core/errors.ts";
import { canonicalReference } from "../../core/image-reference.ts";
import type { StoreReader } from "../../store/index.ts";
import { type ImageConfig, parseImageConfig, parseManifest } from "../model/manifest.ts";
import { ContentStore } from "./content-store.ts";
import { IMAGE_KEY, type ImageRecord } from "./image-records.ts";

const configs = new Map<string, ImageConfig>();

/**
 * Returns an image's properties from the state only, without unpacking anything; undefined if it is not, or not completely,
 * on this host.
 */
export function inspectImage(
  state: StoreReader,
  root: string,
  reference: string,
  /** The ID of the image that the name referred to earlier. */
  id?: string,
): { record: ImageRecord; config: ImageConfig } | undefined {
  const named = state.get<ImageRecord>(IMAGE_KEY + canonicalReference(reference));
  const record =
    id === undefined || named?.id === id
      ? named
      : state.list<ImageRecord>(IMAGE_KEY).find((other) => other.id === id);
  if (!record) return undefined;
  let config = configs.get(record.id);
  if (!config) {
    config = wholeConfig(new ContentStore(root), record);
    if (!config) return undefined;
    if (configs.size > 500) configs.clear();
    configs.set(record.id, config);
  }
  return { record, config };
}

/** The config of an image if all its blobs exist. */
export function wholeConfig(content: ContentStore, { id, manifest }: ImageRecord): ImageConfig | undefined {
  try {
    const { layers } = parseManifest(content.read(manifest.digest));
    return layers.every(({ digest }) => content.has(digest)) ? parseImageConfig(content.read(id)) : undefined;
  } catch (error) {
    if (hasCode(error, "MISSING_BLOB", "BAD_MANIFEST")) return undefined;
    throw error;
  }
}

/** Drops cached configs after blobs have changed. */
export function forgetConfigs(): void {
  configs.clear();
}
