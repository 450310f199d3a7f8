/** Creates images from a container's writable layer on top of its image, or from a tar of a file system. */
import { statSync } from "node:fs";
import { type ImageConfig, MEDIA, type RunConfig } from "../model/manifest.ts";
import { hostPlatform, parsePlatform } from "../model/platform.ts";
import type { ContentStore, Descriptor } from "../store/content-store.ts";

export interface CommitOptions {
  name: string | undefined;
  author?: string | undefined;
  comment?: string | undefined;
  /** Overrides the base's config. */
  config?: RunConfig;
}

export interface ImportOptions {
  name: string | undefined;
  comment?: string | undefined;
  /** The platform of the image; undefined for this machine's. */
  platform?: string | undefined;
  config?: RunConfig;
}

/** Stores a config and a manifest, and returns the manifest's descriptor. */
export function putImage(
  content: ContentStore,
  config: ImageConfig,
  layers: readonly Descriptor[],
): Descriptor {
  const described = content.put(JSON.stringify(config), MEDIA.config);
  const manifest = { schemaVersion: 2, mediaType: MEDIA.manifest, config: described, layers };
  return content.put(JSON.stringify(manifest), MEDIA.manifest);
}

/** Creates an image. Nothing may write to `upper` meanwhile. Throws FILE_CHANGED. */
export async function imageOfContainer(
  content: ContentStore,
  base: { config: ImageConfig; layers: readonly Descriptor[] },
  upper: string,
  { author, comment, config }: CommitOptions,
): Promise<Descriptor> {
  const layer = await content.pack(upper, MEDIA.layer);
  const created = new Date().toISOString();
  const whole: ImageConfig = {
    ...base.config,
    created,
    ...(author ? { author } : {}),
    config: { ...base.config.config, ...config },
    rootfs: { type: "layers", diff_ids: [...base.config.rootfs.diff_ids, layer.digest] },
    history: [
      ...(base.config.history ?? []),
      { created, created_by: "bay container commit", ...(comment ? { comment } : {}) },
    ],
  };
  return putImage(content, whole, [...base.layers, layer]);
}

/** Creates an image from a tar, plain or compressed, which is checked when it is unpacked. Throws BAD_LAYER, BAD_PLATFORM. */
export async function imageOfTar(
  content: ContentStore,
  file: string,
  { comment, platform, config }: ImportOptions,
): Promise<Descriptor> {
  const wanted = platform ? parsePlatform(platform) : hostPlatform();
  const layer = await content.adoptPlain({ file, offset: 0, size: statSync(file).size }, MEDIA.layer);
  const created = new Date().toISOString();
  const whole: ImageConfig = {
    created,
    ...wanted,
    config: config ?? {},
    rootfs: { type: "layers", diff_ids: [layer.digest] },
    history: [{ created, created_by: "bay image import", ...(comment ? { comment } : {}) }],
  };
  return putImage(content, whole, [layer]);
}
