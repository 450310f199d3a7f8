/** Removes blobs and layers that cannot be reached from the images' records. */
import { renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { type LayerStore, layerName } from "../layers/layer-store.ts";
import { removeTree } from "../layers/remove-tree.ts";
import { parseImageConfig, parseManifest } from "../model/manifest.ts";
import type { ContentStore } from "./content-store.ts";
import type { ImageRecord } from "./image-records.ts";

export interface Swept {
  blobs: number;
  layers: number;
  /** Of the blobs; the size of unpacked layers is not counted. */
  bytes: number;
}

/** Days for which an incomplete blob is kept, so that a pull can resume it. */
const UNFINISHED_DAYS = 7;

/**
 * Digests of the blobs, and short names of the layers, that images need. For a damaged image, those that can still be
 * determined.
 */
export function reachable(
  content: ContentStore,
  records: readonly ImageRecord[],
): { blobs: Set<string>; layers: Set<string> } {
  const blobs = new Set<string>();
  const layers = new Set<string>();
  for (const { manifest, id, pulled } of records) {
    for (const digest of [manifest.digest, id, pulled?.digest]) if (digest) blobs.add(digest);
    try {
      const parsed = parseManifest(content.read(manifest.digest));
      for (const layer of parsed.layers) blobs.add(layer.digest);
      for (const diffId of parseImageConfig(content.read(parsed.config.digest)).rootfs.diff_ids)
        layers.add(layerName(diffId));
    } catch {
      // `bay image verify` reports the damage
    }
  }
  return { blobs, layers };
}

/**
 * The store must not change during the call; slow work continues after it. Blobs of interrupted pulls are removed with
 * `unfinished`, and otherwise when they are old.
 */
export function sweep(
  content: ContentStore,
  layers: LayerStore,
  records: readonly ImageRecord[],
  unfinished = false,
): Swept {
  const needed = reachable(content, records);
  const swept: Swept = { blobs: 0, layers: 0, bytes: 0 };
  const old = Date.now() - UNFINISHED_DAYS * 24 * 3600 * 1000;
  for (const { digest, file, size } of content.list()) {
    if (needed.blobs.has(digest)) continue;
    rmSync(file, { force: true });
    swept.blobs += 1;
    swept.bytes += size;
  }
  for (const file of content.aside()) rmSync(file, { force: true });
  for (const file of content.unfinished()) {
    const { mtimeMs, size } = statSync(file);
    if (!unfinished && mtimeMs >= old) continue;
    rmSync(file, { force: true });
    swept.blobs += 1;
    swept.bytes += size;
  }
  for (const name of layers.list()) {
    if (needed.layers.has(name)) continue;
    // rename it first, so that the same layer can be created again immediately
    const gone = join(layers.directory, `.gone-${name}-${process.pid}-${Date.now()}`);
    renameSync(join(layers.directory, name), gone);
    void removeTree(gone);
    swept.layers += 1;
  }
  return swept;
}
