/** Images: created, pulled, loaded, and unpacked for containers; with the store's blobs and layers. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import { canonicalReference } from "../../core/image-reference.ts";
import type { Store } from "../../store/index.ts";
import { ImageArchives } from "../archive/image-archives.ts";
import { LayerStore, layerName } from "../layers/layer-store.ts";
import { type ImageConfig, parseImageConfig, parseManifest } from "../model/manifest.ts";
import { RegistryImages } from "../registry/registry-images.ts";
import { AptCache } from "../sources/apt/apt-cache.ts";
import type { CommitOptions, ImportOptions } from "../sources/new-image.ts";
import type { ImageSource } from "../sources/source.ts";
import { madeFrom, staleReason } from "../sources/stale.ts";
import { ContentStore, type Descriptor } from "./content-store.ts";
import type { Swept } from "./garbage.ts";
import { type ImageRecord, ImageRecords, notFound, untagged } from "./image-records.ts";
import { forgetConfigs, wholeConfig } from "./inspect-image.ts";
import { SharedWork } from "./shared-work.ts";
import type { StoreUsage } from "./usage.ts";

export interface Image extends ImageRecord {
  config: ImageConfig;
  /** Directory names below `layersDirectory`, the topmost first. */
  lower: string[];
  layersDirectory: string;
}

export interface EnsureOptions {
  signal?: AbortSignal | undefined;
  /** Called with progress lines if it takes long. */
  say?: ((line: string) => void) | undefined;
}

export class ImageStore {
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly #cache = new Map<string, Image>();
  /** Running operations that may need blobs which no image refers to yet. */
  readonly making = new Map<string, Promise<Image>>();
  /** Those of them that create an image from a definition. */
  readonly #shared = new Map<string, SharedWork<Image>>();
  /** Progress callbacks for each image that is being created, by its reference. */
  readonly #told = new Map<string, Set<(line: string) => void>>();
  readonly #held = new Set<{ record: ImageRecord }>();
  #serial = 0;

  readonly records: ImageRecords;
  readonly archives = new ImageArchives(this);
  readonly registries = new RegistryImages(this);
  readonly apt: AptCache;

  constructor(root: string, store: Store) {
    this.content = new ContentStore(root);
    this.layers = new LayerStore(root);
    this.records = new ImageRecords(root, store);
    this.apt = new AptCache(root);
    const layout = join(root, "oci-layout");
    if (!existsSync(layout)) writeFileSync(layout, '{"imageLayoutVersion":"1.0.0"}\n');
  }

  /**
   * Returns an image by reference, unpacked. With an ID, it is the image that had the name earlier, though the name may refer
   * to another one by now. Throws IMAGE_NOT_FOUND.
   */
  async get(reference: string, id?: string): Promise<Image> {
    const named = this.records.find(reference);
    const record = id === undefined || named?.id === id ? named : this.records.byId(id);
    if (!record) throw notFound(reference);
    return this.#load(record);
  }

  async #load(record: ImageRecord): Promise<Image> {
    const known = this.#cache.get(record.manifest.digest);
    if (known) return { ...known, ...record };
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
    const lower = diffIds.map(layerName).reverse();
    const image = {
      ...record,
      config,
      lower: [...new Set(lower), this.layers.mountPoints()],
      layersDirectory: this.layers.directory,
    };
    this.#cache.set(record.manifest.digest, image);
    return image;
  }

  /** Records the image that a name refers to from now on. */
  async keep(
    reference: string,
    manifest: Descriptor,
    origin: Pick<ImageRecord, "made" | "pulled" | "fetched">,
  ): Promise<Image> {
    const parsed = parseManifest(this.content.read(manifest.digest));
    const record: ImageRecord = {
      reference,
      manifest,
      id: parsed.config.digest,
      size: parsed.layers.reduce((sum, layer) => sum + layer.size, 0),
      createdAt: new Date().toISOString(),
      ...origin,
    };
    const image = await this.#load(record);
    this.records.put(record);
    return image;
  }

  /**
   * Returns the image of a definition; creates it if it does not exist or its inputs have changed. Throws ABORTED; the work
   * is stopped when no caller waits for it any more.
   */
  async ensure(
    reference: string,
    source: ImageSource,
    { signal, say = () => {} }: EnsureOptions = {},
  ): Promise<Image> {
    const told = this.#told.get(reference) ?? new Set();
    this.#told.set(reference, told.add(say));
    try {
      return await this.#ensure(reference, source, signal);
    } finally {
      told.delete(say);
      if (told.size === 0) this.#told.delete(reference);
    }
  }

  #ensure(reference: string, source: ImageSource, signal: AbortSignal | undefined): Promise<Image> {
    const shared = this.#shared.get(reference);
    if (shared) return shared.join(signal);
    const running = this.making.get(reference);
    if (running) return running;
    const record = this.records.find(reference);
    const isCurrent =
      record !== undefined &&
      staleReason(record, source) === undefined &&
      wholeConfig(this.content, record) !== undefined;
    const making = new SharedWork(
      (stop) => (isCurrent ? this.get(reference) : this.#make(reference, source, stop)),
      () => {
        this.making.delete(reference);
        this.#shared.delete(reference);
      },
    );
    this.making.set(reference, making.done);
    this.#shared.set(reference, making);
    return making.join(signal);
  }

  async #make(reference: string, source: ImageSource, signal: AbortSignal): Promise<Image> {
    const { makeImage } = await import("../sources/make-image.ts");
    const say = (line: string) => {
      for (const tell of this.#told.get(reference) ?? []) tell(line);
    };
    const { content, layers, apt } = this;
    const { manifest, inputs } = await makeImage(source, { content, layers, apt, signal, say });
    return this.keep(canonicalReference(reference), manifest, { made: madeFrom(source, inputs) });
  }

  configOf({ id }: ImageRecord): ImageConfig {
    return parseImageConfig(this.content.read(id));
  }

  layersOf({ manifest }: ImageRecord): Descriptor[] {
    return parseManifest(this.content.read(manifest.digest)).layers;
  }

  /**
   * Checks that every blob matches its digest, and every layer exists. A damaged blob is renamed, so that the next pull, load
   * or up fetches it again.
   */
  async verify() {
    const { verifyStore } = await import("./verify.ts");
    const result = await this.busy("verify", () =>
      verifyStore(this.content, this.layers, this.records.list()),
    );
    for (const digest of result.damaged) this.content.putAside(digest);
    if (result.damaged.length > 0) {
      this.#cache.clear();
      forgetConfigs();
    }
    return result;
  }

  /** Runs an action whose blobs and layers no image refers to yet: no sweep runs meanwhile. */
  during<T>(action: () => Promise<T>): Promise<T> {
    return this.busy("other", action);
  }

  /**
   * Removes blobs and layers that no image needs, and with `unfinished` the data of interrupted pulls. Waits for running
   * operations such as pulls, whose blobs no image refers to yet.
   */
  async sweep(options: { unfinished?: boolean } = {}): Promise<Swept> {
    const { sweep } = await import("./garbage.ts");
    while (this.making.size > 0) await Promise.allSettled(this.making.values());
    this.#cache.clear();
    const held = [...this.#held].map(({ record }) => record);
    const swept = sweep(this.content, this.layers, [...this.records.list(), ...held], options.unfinished);
    this.records.catchUp();
    return swept;
  }

  /** Keeps an image's blobs and layers, even without a name, until the returned function is called. */
  hold(record: ImageRecord): () => void {
    const held = { record };
    this.#held.add(held);
    return () => void this.#held.delete(held);
  }

  async busy<T>(key: string, action: () => Promise<T>): Promise<T> {
    const task = action();
    const name = `${key} ${this.#serial++}`;
    this.making.set(name, task as Promise<never>);
    try {
      return await task;
    } finally {
      this.making.delete(name);
    }
  }

  /**
   * Creates an image from another one and a writable layer on top. Nothing may write there meanwhile. Throws FILE_CHANGED,
   * BAD_REFERENCE.
   */
  commit(base: Image, upper: string, options: CommitOptions): Promise<ImageRecord> {
    const layers = this.layersOf(base);
    return this.#new(options.name, async ({ imageOfContainer }) =>
      imageOfContainer(this.content, { config: base.config, layers }, upper, options),
    );
  }

  /**
   * Creates an image from a tar of a file system, plain or compressed. Throws BAD_TAR, BAD_LAYER, BAD_PLATFORM,
   * BAD_REFERENCE.
   */
  importTar(file: string, options: ImportOptions): Promise<ImageRecord> {
    return this.#new(options.name, ({ imageOfTar }) => imageOfTar(this.content, file, options));
  }

  /** Adds an image made from blobs, with its names. `make` returns the manifest; no sweep runs meanwhile. */
  add(names: readonly string[], make: () => Promise<Descriptor>): Promise<ImageRecord> {
    const references = names.map(canonicalReference);
    return this.busy("add", async () => {
      const manifest = await make();
      const { config } = parseManifest(this.content.read(manifest.digest));
      let record: ImageRecord | undefined;
      for (const reference of references.length > 0 ? references : [untagged(config.digest)])
        record = await this.keep(reference, manifest, {});
      return record!;
    });
  }

  #new(
    name: string | undefined,
    make: (by: typeof import("../sources/new-image.ts")) => Promise<Descriptor>,
  ): Promise<ImageRecord> {
    const reference = name === undefined ? undefined : canonicalReference(name);
    return this.busy("new", async () => {
      const manifest = await make(await import("../sources/new-image.ts"));
      const { config } = parseManifest(this.content.read(manifest.digest));
      return this.keep(reference ?? untagged(config.digest), manifest, {});
    });
  }

  /** The disk usage of images. */
  async usage(): Promise<StoreUsage> {
    const { measureStore } = await import("./usage.ts");
    return measureStore(this.content, this.layers, this.records.list());
  }
}
