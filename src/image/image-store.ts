/** Images by reference: which manifest a name means, what its config says, and its unpacked layers. */
import { existsSync, lstatSync, writeFileSync } from "node:fs";
import { isAbsolute, join, relative, resolve } from "node:path";
import { BayError } from "../errors.ts";
import type { Store, StoreReader } from "../store/index.ts";
import { replaceFile } from "../store/index.ts";
import { type BlobWriter, ContentStore, type Descriptor } from "./content-store.ts";
import { LayerStore } from "./layer-store.ts";
import { type ImageConfig, MEDIA, parseImageConfig, parseManifest, type RunConfig } from "./manifest.ts";
import { hostPlatform } from "./platform.ts";
import { canonicalReference, familiarReference } from "./reference.ts";
import type { ImageSource } from "./source.ts";

export interface ImageRecord {
  reference: string;
  manifest: Descriptor;
  /** The image's ID: the digest of its config. */
  id: string;
  size: number;
  createdAt: string;
  /** For images that bay made: the definition and the state of its inputs, to tell whether it is current. */
  made?: {
    definition: string;
    /** The folder of the stack that made it; another stack may name the same files from another folder. */
    base: string;
    inputs: [path: string, size: number, mtimeMs: number][];
  };
}

export interface Image extends ImageRecord {
  config: ImageConfig;
  /** Directory names below `layersDirectory`, the topmost first. */
  lower: string[];
  layersDirectory: string;
}

const KEY = "image/";
const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export class ImageStore {
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly #cache = new Map<string, Image>();
  readonly #making = new Map<string, Promise<Image>>();

  constructor(
    readonly root: string,
    readonly store: Store,
  ) {
    this.content = new ContentStore(root);
    this.layers = new LayerStore(root);
    const layout = join(root, "oci-layout");
    if (!existsSync(layout)) writeFileSync(layout, '{"imageLayoutVersion":"1.0.0"}\n');
  }

  list(): ImageRecord[] {
    return this.store.list<ImageRecord>(KEY);
  }

  find(reference: string): ImageRecord | undefined {
    return this.store.get<ImageRecord>(KEY + canonicalReference(reference));
  }

  /** An image by reference, unpacked. Throws IMAGE_NOT_FOUND. */
  async get(reference: string): Promise<Image> {
    const record = this.find(reference);
    if (!record) {
      throw new BayError("IMAGE_NOT_FOUND", `the image ${reference} is not on this host`, {
        hint: "define it under images: (host, rootfs or archive); pulling from registries is not supported yet",
      });
    }
    return this.#load(record);
  }

  async #load(record: ImageRecord): Promise<Image> {
    const known = this.#cache.get(record.manifest.digest);
    if (known && known.reference === record.reference) return known;
    const manifest = parseManifest(this.content.read(record.manifest.digest));
    const config = parseImageConfig(this.content.read(manifest.config.digest));
    const diffIds = config.rootfs.diff_ids;
    if (diffIds.length !== manifest.layers.length)
      throw new BayError("BAD_MANIFEST", `${record.reference}: layers and diff_ids differ`);
    await Promise.all(
      diffIds.map((diffId, index) => {
        if (this.layers.has(diffId)) return undefined;
        const { digest } = manifest.layers[index]!;
        return this.layers.unpack(this.content.piece(digest), diffId, digest);
      }),
    );
    const lower = diffIds.map(LayerStore.shortName).reverse();
    const image = {
      ...record,
      config,
      lower: [...new Set(lower), this.layers.mountPoints()],
      layersDirectory: this.layers.directory,
    };
    this.#cache.set(record.manifest.digest, image);
    return image;
  }

  /** Why the image must be made again, or undefined where it is current. */
  staleReason(reference: string, source: ImageSource): string | undefined {
    const record = this.find(reference);
    if (!record) return "not made yet";
    return staleReason(record, source);
  }

  /** The image that a definition describes, made where it is absent or its inputs changed. */
  ensure(reference: string, source: ImageSource): Promise<Image> {
    const running = this.#making.get(reference);
    if (running) return running;
    const making = (
      this.staleReason(reference, source) ? this.#make(reference, source) : this.get(reference)
    ).finally(() => this.#making.delete(reference));
    this.#making.set(reference, making);
    return making;
  }

  async #make(reference: string, source: ImageSource): Promise<Image> {
    const { manifest, inputs } = await this.#build(source);
    const parsed = parseManifest(this.content.read(manifest.digest));
    const record: ImageRecord = {
      reference: canonicalReference(reference),
      manifest,
      id: parsed.config.digest,
      size: parsed.layers.reduce((sum, layer) => sum + layer.size, 0),
      createdAt: new Date().toISOString(),
      made: {
        definition: definitionOf(source),
        base: source.base,
        inputs: inputs.map((path) => stateOf(movable(path, source.base), source.base)),
      },
    };
    const image = await this.#load(record);
    this.store.put(KEY + record.reference, record);
    this.#writeIndex();
    return image;
  }

  async #build(source: ImageSource): Promise<{ manifest: Descriptor; inputs: string[] }> {
    if (source.kind === "archive") {
      const path = resolve(source.base, source.path);
      const manifest = await this.#readArchive(path, source.reference);
      return { manifest: this.#withConfig(manifest, source.config), inputs: [path] };
    }
    const { layer, inputs } = await this.#buildLayer(source);
    const config: ImageConfig = {
      architecture: hostPlatform().architecture,
      os: "linux",
      config: { Env: [DEFAULT_PATH], ...source.config },
      rootfs: { type: "layers", diff_ids: [layer.digest] },
      history: [{ created_by: `bay ${source.kind}` }],
    };
    return { manifest: this.#putImage(config, [layer]), inputs };
  }

  /** The one layer, plain, of an image that is made of files; and the files. */
  async #buildLayer(
    source: Exclude<ImageSource, { kind: "archive" }>,
  ): Promise<{ layer: Descriptor; inputs: string[] }> {
    if (source.kind === "host") {
      const { writeHostLayer } = await import("./host/build.ts");
      return this.#writeLayer((writer) => writeHostLayer(writer, source.entries, source.users, source.base));
    }
    const path = resolve(source.base, source.path);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat) throw new BayError("BAD_ROOTFS", `the rootfs ${path} does not exist`);
    if (!stat.isDirectory()) {
      const piece = { file: path, offset: 0, size: stat.size };
      return { layer: await this.content.adoptPlain(piece, MEDIA.layer), inputs: [path] };
    }
    const { directorySources, writeLayer } = await import("./tree-layer.ts");
    return this.#writeLayer((writer) => {
      const sources = directorySources(path);
      writeLayer(writer, sources, true);
      return [path, ...[...sources.values()].flatMap((entry) => ("path" in entry ? [entry.path] : []))];
    });
  }

  #writeLayer(write: (writer: BlobWriter) => string[]): { layer: Descriptor; inputs: string[] } {
    const writer = this.content.writer();
    try {
      const inputs = write(writer);
      return { layer: writer.commit(MEDIA.layer), inputs };
    } catch (error) {
      writer.abort();
      throw error;
    }
  }

  async #readArchive(path: string, reference: string | undefined): Promise<Descriptor> {
    const [{ openArchive }, { chooseImage, findImages, importImage }] = await Promise.all([
      import("./archive/files.ts"),
      import("./archive/read.ts"),
    ]);
    const files = await openArchive(path, this.layers.temporary());
    try {
      const image = chooseImage(findImages(files, hostPlatform()), reference);
      return await importImage(image, this.content, this.layers);
    } finally {
      files.close();
    }
  }

  #putImage(config: ImageConfig, layers: Descriptor[]): Descriptor {
    const described = this.content.put(JSON.stringify(config), MEDIA.config);
    const manifest = { schemaVersion: 2, mediaType: MEDIA.manifest, config: described, layers };
    return this.content.put(JSON.stringify(manifest), MEDIA.manifest);
  }

  /** An archive's image with the stack file's `config:` laid over its own. */
  #withConfig(manifest: Descriptor, config: RunConfig): Descriptor {
    if (Object.keys(config).length === 0) return manifest;
    const parsed = parseManifest(this.content.read(manifest.digest));
    const own = parseImageConfig(this.content.read(parsed.config.digest));
    return this.#putImage({ ...own, config: { ...own.config, ...config } }, parsed.layers);
  }

  remove(reference: string): void {
    this.store.delete(KEY + canonicalReference(reference));
    this.#writeIndex();
  }

  /** index.json of the layout, so that other tools can read what is stored. */
  #writeIndex(): void {
    const manifests = this.list().map(({ reference, manifest }) => ({
      ...manifest,
      annotations: { "org.opencontainers.image.ref.name": familiarReference(reference) },
    }));
    const index = { schemaVersion: 2, mediaType: MEDIA.index, manifests };
    replaceFile(join(this.root, "index.json"), `${JSON.stringify(index)}\n`);
  }
}

/** A definition without its folder: a stack that is moved is still the same stack. */
function definitionOf(source: ImageSource): string {
  const own = "path" in source ? { ...source, path: movable(source.path, source.base) } : source;
  return JSON.stringify({ ...own, base: "" });
}

/** A path below the stack's folder, relative to it. */
function movable(path: string, base: string): string {
  const inside = relative(base, path);
  return inside.startsWith("..") || isAbsolute(inside) ? path : inside;
}

function stateOf(path: string, base: string): [path: string, size: number, mtimeMs: number] {
  const stat = lstatSync(resolve(base, path), { throwIfNoEntry: false });
  // whole milliseconds: copying tools keep no more
  return [path, stat?.isDirectory() ? 0 : (stat?.size ?? -1), Math.round(stat?.mtimeMs ?? 0)];
}

/** Why a made image is not what its definition and inputs give now. */
export function staleReason(record: ImageRecord, source: ImageSource): string | undefined {
  const { made } = record;
  // the stack may have moved with its files, or another stack may mean the same files
  const base = [source.base, made?.base].find(
    (folder) => folder !== undefined && made?.definition === definitionOf({ ...source, base: folder }),
  );
  if (!made || base === undefined) return "its definition changed";
  const changed = made.inputs.find(([path, size, mtimeMs]) => {
    const [, nowSize, nowTime] = stateOf(path, base);
    return nowSize !== size || nowTime !== mtimeMs;
  });
  return changed && `${changed[0]} changed`;
}

const configs = new Map<string, ImageConfig>();

/** What is known of an image from the state alone, without unpacking anything; undefined where it is not on this host. */
export function inspectImage(
  state: StoreReader,
  root: string,
  reference: string,
): { record: ImageRecord; config: ImageConfig } | undefined {
  const record = state.get<ImageRecord>(KEY + canonicalReference(reference));
  if (!record) return undefined;
  let config = configs.get(record.id);
  if (!config) {
    config = parseImageConfig(new ContentStore(root).read(record.id));
    if (configs.size > 500) configs.clear();
    configs.set(record.id, config);
  }
  return { record, config };
}
