/** Exporting a build's steps to a registry or a directory. */

import { cpSync, existsSync, linkSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { type Descriptor, type ImageStore, MEDIA, putImage } from "../../image/index.ts";
import { cacheConfig, type PackedStep } from "./cache-format.ts";
import type { CacheTarget } from "./cache-option.ts";

/** The most layers that a registry accepts in an image. */
const MAX_LAYERS = LIMITS.image.cacheLayers;

/** Writes the steps to the target. Throws the registry's errors, and the system's errors for a directory. */
export async function exportCache(
  images: ImageStore,
  target: Exclude<CacheTarget, { kind: "inline" }>,
  steps: readonly PackedStep[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const config = cacheConfig(steps);
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length > MAX_LAYERS)
    throw new BayError(
      "CACHE_TOO_LARGE",
      `the cache has ${diffIds.length} layers; ${MAX_LAYERS} can be exported`,
      {
        hint: "mode=min exports the steps of the image only",
      },
    );
  const { content } = images;
  const layers = diffIds.map((digest) => ({
    mediaType: MEDIA.layer,
    digest,
    size: content.piece(digest).size,
  }));
  await images.during(async () => {
    const manifest = putImage(content, config, layers);
    if (target.kind === "local") return writeLayout(images, target.path, manifest, layers);
    await images.registries.pushManifest(target.reference, manifest, signal);
  });
}

/** An OCI layout, which keeps the blobs of earlier exports. */
function writeLayout(
  { content }: ImageStore,
  directory: string,
  manifest: Descriptor,
  layers: readonly Descriptor[],
): void {
  const blobs = join(directory, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const { config } = JSON.parse(content.read(manifest.digest).toString("utf8")) as { config: Descriptor };
  for (const { digest } of [...layers, config, manifest]) {
    const place = join(blobs, digest.slice("sha256:".length));
    if (!existsSync(place)) copyBlob(content.path(digest), place);
  }
  const put = (name: string, text: string) => {
    writeFileSync(join(directory, `.${name}.new`), text);
    renameSync(join(directory, `.${name}.new`), join(directory, name));
  };
  put("oci-layout", '{"imageLayoutVersion":"1.0.0"}\n');
  put("index.json", JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests: [manifest] }));
}

/** Blobs never change, so a hard link is enough on the same disk. */
function copyBlob(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    cpSync(from, to);
  }
}
