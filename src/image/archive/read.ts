/** Images in an archive: an OCI layout (image-spec image-layout.md), or what `docker save` writes. */
import { z } from "zod";
import { BayError } from "../../core/errors.ts";
import { compressionAt } from "../compression/index.ts";
import { Budget } from "../layers/bounds.ts";
import type { Piece } from "../layers/layer-pool.ts";
import type { LayerStore } from "../layers/layer-store.ts";
import { MEDIA, parseImageConfig, parseIndex, parseManifest } from "../model/manifest.ts";
import { choosePlatform, type Platform } from "../model/platform.ts";
import type { ContentStore, Descriptor } from "../store/content-store.ts";
import { binary } from "../tar/header.ts";
import type { ArchiveFiles } from "./files.ts";

const dockerManifest = z.array(
  z.object({ Config: z.string(), RepoTags: z.array(z.string()).nullish(), Layers: z.array(z.string()) }),
);
const REF_NAME = "org.opencontainers.image.ref.name";
/** containerd and docker write the full name here, and only the tag in the standard annotation. */
const FULL_NAME = "io.containerd.image.name";

interface ArchivedLayer {
  piece: Piece;
  mediaType: string;
  digest: string | undefined;
}

/** An image as described in the archive; nothing is verified yet. */
export interface ArchivedImage {
  names: string[];
  /** The name in an OCI layout, which may be only a tag. */
  refName?: string | undefined;
  /** In an OCI layout the manifest's bytes, and their digest. */
  manifest: { bytes: Buffer; descriptor: Descriptor } | undefined;
  config: Buffer;
  configDigest: string | undefined;
  layers: ArchivedLayer[];
}

const blobName = (digest: string) => `blobs/${digest.replace(":", "/")}`;

/** Returns the images of the archive for the platform. Throws BAD_ARCHIVE. */
export function findImages(files: ArchiveFiles, platform: Platform): ArchivedImage[] {
  const index = files.read("index.json");
  if (files.read("oci-layout") && index) return layoutImages(files, index, platform);
  const manifest = files.read("manifest.json");
  if (manifest) return dockerImages(files, manifest);
  throw new BayError("BAD_ARCHIVE", "the archive is neither an OCI layout nor an archive of docker save", {
    hint: "use rootfs: in the stack file, or bay image import, for a plain file system",
  });
}

function need(files: ArchiveFiles, name: string): Buffer {
  const bytes = files.read(name);
  if (!bytes) throw new BayError("BAD_ARCHIVE", `the archive lacks ${name}`);
  return bytes;
}

function locate(files: ArchiveFiles, name: string): Piece {
  const piece = files.locate(name);
  if (!piece) throw new BayError("BAD_ARCHIVE", `the archive lacks ${name}`);
  return piece;
}

function layoutImages(files: ArchiveFiles, index: Buffer, platform: Platform): ArchivedImage[] {
  return parseIndex(index).manifests.map((listed) => {
    let descriptor: Descriptor = listed;
    for (let depth = 0; MEDIA.isIndex(descriptor.mediaType); depth++) {
      if (depth > 3) throw new BayError("BAD_ARCHIVE", "circular image index in the archive");
      const nested = parseIndex(need(files, blobName(descriptor.digest)));
      descriptor = choosePlatform(nested.manifests, platform, "the archive");
    }
    const bytes = need(files, blobName(descriptor.digest));
    const { config, layers } = parseManifest(bytes);
    const annotations = listed.annotations ?? {};
    const name = annotations[FULL_NAME] ?? annotations[REF_NAME];
    return {
      names: name ? [name] : [],
      refName: annotations[REF_NAME],
      manifest: { bytes, descriptor },
      config: need(files, blobName(config.digest)),
      configDigest: config.digest,
      layers: layers.map(({ digest, mediaType }) => ({
        piece: locate(files, blobName(digest)),
        mediaType,
        digest,
      })),
    };
  });
}

function dockerImages(files: ArchiveFiles, manifest: Buffer): ArchivedImage[] {
  let json: unknown;
  try {
    json = JSON.parse(manifest.toString("utf8"));
  } catch (cause) {
    throw new BayError("BAD_ARCHIVE", "the archive's manifest.json is not JSON", { cause });
  }
  const parsed = dockerManifest.safeParse(json);
  if (!parsed.success) throw new BayError("BAD_ARCHIVE", "the archive's manifest.json is malformed");
  return parsed.data.map(({ Config, RepoTags, Layers }) => ({
    names: RepoTags ?? [],
    manifest: undefined,
    config: need(files, binary(Config)),
    configDigest: undefined,
    layers: Layers.map((name) => ({
      piece: locate(files, binary(name)),
      mediaType: MEDIA.layer,
      digest: undefined,
    })),
  }));
}

/** Returns the selected image. Throws BAD_ARCHIVE, naming the available images. */
export function chooseImage(images: readonly ArchivedImage[], name: string | undefined): ArchivedImage {
  const wanted = name
    ? images.filter(
        ({ names, refName, manifest }) =>
          names.includes(name) || refName === name || manifest?.descriptor.digest === name,
      )
    : images;
  const [first] = wanted;
  if (first && (wanted.length === 1 || name)) return first;
  const known = images.flatMap(({ names, manifest }) =>
    names.length > 0 ? names : [manifest?.descriptor.digest ?? "an image without a name"],
  );
  throw new BayError("BAD_ARCHIVE", `the archive has ${images.length} images: ${known.join(", ")}`, {
    hint: "select one with reference: in the stack file, or by :TAG or @DIGEST after oci-layout://",
  });
}

/**
 * Copies an image's blobs into the store and unpacks its layers, both concurrently. Returns the manifest's descriptor. Throws
 * WRONG_DIGEST, BAD_MANIFEST, BAD_LAYER.
 */
export async function importImage(
  image: ArchivedImage,
  content: ContentStore,
  layers: LayerStore,
): Promise<Descriptor> {
  const diffIds = parseImageConfig(image.config).rootfs.diff_ids;
  if (diffIds.length !== image.layers.length)
    throw new BayError("BAD_MANIFEST", "the archive's image has different numbers of layers and diff_ids");
  const config = content.put(image.config, MEDIA.config);
  if (image.configDigest !== undefined && config.digest !== image.configDigest)
    throw new BayError(
      "WRONG_DIGEST",
      `the digest of the config is ${config.digest}, but the manifest has ${image.configDigest}`,
    );
  const budget = new Budget().shared;
  const described = await Promise.all(
    image.layers.map(({ piece, ...layer }, index) =>
      importLayer({ ...layer, piece: { ...piece, budget } }, diffIds[index]!, content, layers),
    ),
  );
  const { manifest } = image;
  if (!manifest) {
    const made = { schemaVersion: 2, mediaType: MEDIA.manifest, config, layers: described };
    return content.put(JSON.stringify(made), MEDIA.manifest);
  }
  const stored = content.put(manifest.bytes, manifest.descriptor.mediaType);
  if (stored.digest !== manifest.descriptor.digest)
    throw new BayError(
      "WRONG_DIGEST",
      `the digest of the manifest is ${stored.digest}, but the index has ${manifest.descriptor.digest}`,
    );
  return stored;
}

async function importLayer(
  { piece, digest, mediaType }: ArchivedLayer,
  diffId: string,
  content: ContentStore,
  layers: LayerStore,
): Promise<Descriptor> {
  const kind = compressionAt(piece.file, piece.offset);
  // an uncompressed layer has one digest, and the copy verifies it
  const expected = digest ?? (kind === "none" ? diffId : undefined);
  const [copied, unpacked] = await Promise.allSettled([
    content.adopt(piece, digest === undefined && kind === "gzip" ? MEDIA.gzipLayer : mediaType, expected),
    // hashed independently: the result of the copy is not known yet, and other images may share the layer
    layers.unpack(piece, diffId),
  ]);
  if (copied.status === "rejected") throw copied.reason;
  if (unpacked.status === "rejected") throw unpacked.reason;
  return copied.value;
}
