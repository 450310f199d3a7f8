/**
 * Creates images as the stack file's `images:` defines them: from files, a root file system, Debian packages or an archive.
 */
import { lstatSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { AptPackages } from "../../core/apt-packages.ts";
import { BayError } from "../../core/errors.ts";
import { openArchive } from "../archive/files.ts";
import { chooseImage, findImages, importImage } from "../archive/read.ts";
import type { LayerStore } from "../layers/layer-store.ts";
import { removeTree } from "../layers/remove-tree.ts";
import { DEFAULT_PATH, type ImageConfig, MEDIA, parseImageConfig, parseManifest } from "../model/manifest.ts";
import { hostPlatform } from "../model/platform.ts";
import type { BlobWriter, ContentStore, Descriptor } from "../store/content-store.ts";
import type { AptCache } from "./apt/apt-cache.ts";
import { putImage } from "./new-image.ts";
import type { ImageSource } from "./source.ts";

export interface MadeImage {
  manifest: Descriptor;
  /** Files whose change makes the image stale. */
  inputs: string[];
}

/** The directories and the progress callback for creating an image. */
export interface MakePlaces {
  content: ContentStore;
  layers: LayerStore;
  apt: AptCache;
  signal?: AbortSignal | undefined;
  say?: ((line: string) => void) | undefined;
}

/**
 * Creates an image from its definition. Throws BAD_ROOTFS, BAD_ARCHIVE, HOST_IMAGE, APT_FAILED and other errors of the
 * source.
 */
export async function makeImage(source: ImageSource, places: MakePlaces): Promise<MadeImage> {
  const { content, layers } = places;
  if (source.kind === "archive") {
    const path = resolve(source.base, source.path);
    const manifest = await fromArchive(content, layers, path, source.reference);
    return { manifest: withConfig(content, manifest, source.config), inputs: [path] };
  }
  const { layer, inputs } = await makeLayer(source, places);
  const config: ImageConfig = {
    architecture: hostPlatform().architecture,
    os: "linux",
    config: { Env: [DEFAULT_PATH], ...source.config },
    rootfs: { type: "layers", diff_ids: [layer.digest] },
    history: [{ created_by: `bay ${source.kind}` }],
  };
  return { manifest: putImage(content, config, [layer]), inputs };
}

/** Writes the single layer, uncompressed, of an image made from files. Returns it with the files. */
async function makeLayer(
  source: Exclude<ImageSource, { kind: "archive" }>,
  places: MakePlaces,
): Promise<{ layer: Descriptor; inputs: string[] }> {
  const { content } = places;
  if (source.kind === "apt") return { layer: await aptLayer(source, places), inputs: [] };
  if (source.kind === "host") {
    const { writeHostLayer } = await import("./host/build.ts");
    return write(content, (writer) => writeHostLayer(writer, source.entries, source.users, source.base));
  }
  const path = resolve(source.base, source.path);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) throw new BayError("BAD_ROOTFS", `the rootfs ${path} does not exist`);
  if (!stat.isDirectory()) {
    const piece = { file: path, offset: 0, size: stat.size };
    return { layer: await content.adoptPlain(piece, MEDIA.layer), inputs: [path] };
  }
  const { directorySources, writeLayer } = await import("../layers/tree-layer.ts");
  return write(content, (writer) => {
    const sources = directorySources(path);
    writeLayer(writer, sources, true);
    return [path, ...[...sources.values()].flatMap((entry) => ("path" in entry ? [entry.path] : []))];
  });
}

async function aptLayer(
  packages: AptPackages,
  { content, layers, apt, signal, say }: MakePlaces,
): Promise<Descriptor> {
  const folder = layers.temporary();
  const file = join(folder, "root.tar");
  mkdirSync(folder, { mode: 0o711 });
  try {
    await apt.makeTar(packages, file, { signal, say });
    return await content.adopt({ file, offset: 0, size: lstatSync(file).size }, MEDIA.layer);
  } finally {
    await removeTree(folder);
  }
}

function write(
  content: ContentStore,
  fill: (writer: BlobWriter) => string[],
): { layer: Descriptor; inputs: string[] } {
  const writer = content.writer();
  try {
    const inputs = fill(writer);
    return { layer: writer.commit(MEDIA.layer), inputs };
  } catch (error) {
    writer.abort();
    throw error;
  }
}

async function fromArchive(
  content: ContentStore,
  layers: LayerStore,
  path: string,
  reference: string | undefined,
): Promise<Descriptor> {
  const files = await openArchive(path, layers.temporary());
  try {
    return await importImage(chooseImage(findImages(files, hostPlatform()), reference), content, layers);
  } finally {
    files.close();
  }
}

/** The image of an archive with the stack file's `config:` applied. */
function withConfig(content: ContentStore, manifest: Descriptor, config: ImageSource["config"]): Descriptor {
  if (Object.keys(config).length === 0) return manifest;
  const parsed = parseManifest(content.read(manifest.digest));
  const own = parseImageConfig(content.read(parsed.config.digest));
  return putImage(content, { ...own, config: { ...own.config, ...config } }, parsed.layers);
}
