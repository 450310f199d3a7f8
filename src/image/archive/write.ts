/**
 * Writes an archive that docker, podman, skopeo and bay can load: an OCI layout with docker save's manifest.json, which
 * refers to the same blobs. Blobs are written as they are in the store.
 */
import { createReadStream } from "node:fs";
import { familiarReference } from "../../core/image-reference.ts";
import { type Manifest, MEDIA, parseManifest } from "../model/manifest.ts";
import type { ContentStore, Descriptor } from "../store/content-store.ts";
import { PLAIN_ENTRY } from "../tar/describe.ts";
import { BLOCK, encodeEntry, padding } from "../tar/header.ts";

export interface SavedImage {
  manifest: Descriptor;
  /** Canonical references. */
  names: string[];
}

const REF_NAME = "org.opencontainers.image.ref.name";
const FULL_NAME = "io.containerd.image.name";
const blobName = (digest: string) => `blobs/${digest.replace(":", "/")}`;

/** The target of an archive, which is written in order. */
export interface ArchiveSink {
  put(bytes: Buffer): Promise<void>;
  /** Appends the first `size` bytes of a file of the store. */
  putFile(file: string, size: number): Promise<void>;
}

/** A sink that accepts only bytes: files are read for it. */
export const readingSink = (put: ArchiveSink["put"]): ArchiveSink => ({
  put,
  putFile: async (file) => {
    for await (const part of createReadStream(file, { highWaterMark: 1 << 20 })) await put(part as Buffer);
  },
});

/** Writes the archive to a sink in pieces. Throws MISSING_BLOB, and errors of the sink. */
export async function writeArchive(
  content: ContentStore,
  images: readonly SavedImage[],
  { put, putFile }: ArchiveSink,
): Promise<void> {
  const small = async (name: string, text: string) => {
    const bytes = Buffer.from(text);
    await put(encodeEntry({ ...PLAIN_ENTRY, name, type: "file", mode: 0o644, size: bytes.length }));
    await put(Buffer.concat([bytes, padding(bytes.length)]));
  };
  for (const name of ["blobs", "blobs/sha256"])
    await put(encodeEntry({ ...PLAIN_ENTRY, name, type: "directory", mode: 0o755 }));
  const parsed = images.map(({ manifest }) => parseManifest(content.read(manifest.digest)));
  for (const digest of blobsOf(images, parsed)) {
    const { file, size } = content.piece(digest);
    await put(encodeEntry({ ...PLAIN_ENTRY, name: blobName(digest), type: "file", mode: 0o644, size }));
    await putFile(file, size);
    await put(padding(size));
  }
  await small(
    "index.json",
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests: listing(images) }),
  );
  await small("manifest.json", JSON.stringify(dockerListing(images, parsed)));
  await small("oci-layout", '{"imageLayoutVersion":"1.0.0"}');
  await put(Buffer.alloc(2 * BLOCK));
}

function blobsOf(images: readonly SavedImage[], parsed: readonly Manifest[]): Set<string> {
  return new Set(
    images.flatMap(({ manifest }, index) => [
      manifest.digest,
      parsed[index]!.config.digest,
      ...parsed[index]!.layers.map(({ digest }) => digest),
    ]),
  );
}

function listing(images: readonly SavedImage[]): object[] {
  return images.flatMap(({ manifest: { mediaType, digest, size }, names }) => {
    const descriptor = { mediaType, digest, size };
    if (names.length === 0) return [descriptor];
    return names.map((name) => ({
      ...descriptor,
      annotations: { [FULL_NAME]: name, [REF_NAME]: name.slice(name.lastIndexOf(":") + 1) },
    }));
  });
}

function dockerListing(images: readonly SavedImage[], parsed: readonly Manifest[]): object[] {
  return images.map(({ names }, index) => ({
    Config: blobName(parsed[index]!.config.digest),
    RepoTags: names.length === 0 ? null : names.map(familiarReference),
    Layers: parsed[index]!.layers.map(({ digest }) => blobName(digest)),
  }));
}
