/** Images by reference: which manifest a name means, what its config says, and its unpacked layers. */
import { existsSync, lstatSync, rmSync, writeFileSync } from "node:fs";
import { isAbsolute, join, relative, resolve } from "node:path";
import { BayError } from "../errors.ts";
import type { Store, StoreReader } from "../store/index.ts";
import { replaceFile } from "../store/index.ts";
import type { AptPackages } from "./apt/build.ts";
import type {
  ArchivedImage,
  chooseImage as ChooseImage,
  importImage as ImportImage,
} from "./archive/read.ts";
import { type BlobWriter, ContentStore, type Descriptor } from "./content-store.ts";
import type { Swept } from "./garbage.ts";
import { LayerStore } from "./layer-store.ts";
import { type ImageConfig, MEDIA, parseImageConfig, parseManifest, type RunConfig } from "./manifest.ts";
import { hostPlatform, parsePlatform } from "./platform.ts";
import { canonicalReference, familiarReference, parseReference } from "./reference.ts";
import type { Credentials } from "./registry/credentials.ts";
import type { PullProgress } from "./registry/pull.ts";
import type { PushProgress } from "./registry/push.ts";
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
  /** For images of a registry: what the name stood for there, and when. */
  pulled?: { digest: string; at: string };
}

export interface Image extends ImageRecord {
  config: ImageConfig;
  /** Directory names below `layersDirectory`, the topmost first. */
  lower: string[];
  layersDirectory: string;
}

export interface PullOptions {
  /** `linux/arm64`; undefined is this machine's. */
  platform?: string | undefined;
  /** For the image's own registry, instead of those that are kept. */
  credentials?: Credentials | undefined;
  onProgress?: (progress: PullProgress) => void;
  signal?: AbortSignal | undefined;
}

export interface PushOptions {
  credentials?: Credentials | undefined;
  onProgress?: (progress: PushProgress) => void;
  signal?: AbortSignal | undefined;
}

const KEY = "image/";
const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The reference of an image that has no name (any more). */
const untagged = (id: string) => `<none>@${id}`;
export const isUntagged = (reference: string): boolean => reference.startsWith("<none>@");

export class ImageStore {
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly #cache = new Map<string, Image>();
  readonly #making = new Map<string, Promise<Image>>();
  #serial = 0;

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

  /**
   * An image by reference, unpacked. With an ID it is the one that had the name then, though the name may mean
   * another by now. Throws IMAGE_NOT_FOUND.
   */
  async get(reference: string, id?: string): Promise<Image> {
    const named = this.find(reference);
    const record = id === undefined || named?.id === id ? named : this.byId(id);
    if (!record) {
      throw new BayError("IMAGE_NOT_FOUND", `the image ${reference} is not on this host`, {
        hint: `bay image pull ${reference} fetches it from its registry`,
      });
    }
    return this.#load(record);
  }

  /** An image by its ID, of which the beginning is enough, whatever its name. */
  byId(id: string): ImageRecord | undefined {
    const wanted = id.replace(/^sha256:/, "");
    if (!/^[0-9a-f]{6,64}$/.test(wanted)) return undefined;
    const found = this.list().filter((record) => record.id.startsWith(`sha256:${wanted}`));
    return found.find(({ reference }) => !isUntagged(reference)) ?? found[0];
  }

  /** By name or ID. Throws IMAGE_NOT_FOUND. */
  need(reference: string): ImageRecord {
    const record = this.byId(reference) ?? this.find(reference);
    if (!record)
      throw new BayError("IMAGE_NOT_FOUND", `the image ${reference} is not on this host`, {
        hint: `bay image pull ${reference} fetches it from its registry`,
      });
    return record;
  }

  /** Gives an image one more name. Throws IMAGE_NOT_FOUND, BAD_REFERENCE. */
  tag(reference: string, name: string): void {
    const { made: _, ...record } = this.need(reference);
    this.#put({ ...record, reference: canonicalReference(name) });
    this.#writeIndex();
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

  /**
   * Fetches an image from its registry, with what of it is not here yet. Two calls for one image pull it once.
   * Throws what the registry says, and ABORTED.
   */
  pull(reference: string, options: PullOptions = {}): Promise<Image> {
    const key = `pull ${canonicalReference(reference)} ${options.platform ?? ""}`;
    const running = this.#making.get(key);
    if (running) return running;
    const pulling = this.#pull(reference, options).finally(() => this.#making.delete(key));
    this.#making.set(key, pulling);
    return pulling;
  }

  async #pull(text: string, { platform, credentials, onProgress, signal }: PullOptions): Promise<Image> {
    const reference = parseReference(text);
    const [{ pullImage }, { findCredentials }] = await Promise.all([
      import("./registry/pull.ts"),
      import("./registry/credentials.ts"),
    ]);
    const { manifest, digest } = await pullImage(this.content, this.layers, {
      reference,
      platform: parsePlatform(platform),
      credentialsOf: async (host) =>
        credentials && host === reference.registry ? credentials : findCredentials(host),
      ...(onProgress ? { onProgress } : {}),
      signal,
    });
    return this.#keep(canonicalReference(text), manifest, {
      pulled: { digest, at: new Date().toISOString() },
    });
  }

  /** Records what a name stands for from now on. */
  async #keep(
    reference: string,
    manifest: Descriptor,
    origin: Pick<ImageRecord, "made" | "pulled">,
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
    this.#put(record);
    this.#writeIndex();
    return image;
  }

  /** The image that had the name before keeps its record under its ID: containers may be made of it. */
  #put(record: ImageRecord): void {
    const before = this.store.get<ImageRecord>(KEY + record.reference);
    if (before && before.id !== record.id && !this.#hasOtherName(before)) {
      const reference = untagged(before.id);
      this.store.put(KEY + reference, { ...before, reference, made: undefined });
    }
    this.store.put(KEY + record.reference, record);
    this.store.delete(KEY + untagged(record.id));
  }

  #hasOtherName({ id, reference }: ImageRecord): boolean {
    return this.list().some((other) => other.id === id && other.reference !== reference);
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
    return this.#keep(canonicalReference(reference), manifest, {
      made: {
        definition: definitionOf(source),
        base: source.base,
        inputs: inputs.map((path) => stateOf(movable(path, source.base), source.base)),
      },
    });
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
    if (source.kind === "apt") return { layer: await this.#buildApt(source), inputs: [] };
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

  async #buildApt(packages: AptPackages): Promise<Descriptor> {
    const { buildAptTar } = await import("./apt/build.ts");
    const file = this.layers.temporary();
    try {
      await buildAptTar(packages, file);
      return await this.content.adopt({ file, offset: 0, size: lstatSync(file).size }, MEDIA.layer);
    } finally {
      rmSync(file, { force: true });
    }
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

  #readArchive(path: string, reference: string | undefined): Promise<Descriptor> {
    return this.#withArchive(path, async (images, importImage, chooseImage) =>
      importImage(chooseImage(images, reference), this.content, this.layers),
    );
  }

  async #withArchive<T>(
    path: string,
    action: (
      images: ArchivedImage[],
      importImage: typeof ImportImage,
      chooseImage: typeof ChooseImage,
    ) => Promise<T>,
  ): Promise<T> {
    const [{ openArchive }, { chooseImage, findImages, importImage }] = await Promise.all([
      import("./archive/files.ts"),
      import("./archive/read.ts"),
    ]);
    const files = await openArchive(path, this.layers.temporary());
    try {
      return await action(findImages(files, hostPlatform()), importImage, chooseImage);
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

  /** Takes a record away; what nothing else needs is swept. */
  remove(record: ImageRecord): Promise<Swept> {
    this.forget(record);
    return this.sweep();
  }

  /** Takes a name away; an image that loses its last one stays under its ID, or is forgotten where it had none. */
  untag(record: ImageRecord): void {
    this.forget(record);
    if (!isUntagged(record.reference) && !this.#hasOtherName(record)) {
      const reference = untagged(record.id);
      this.store.put(KEY + reference, { ...record, reference, made: undefined });
    }
  }

  /** Takes a record away and leaves what it needed to the next sweep. */
  forget({ reference }: ImageRecord): void {
    this.store.delete(KEY + reference);
    this.#writeIndex();
  }

  configOf({ id }: ImageRecord): ImageConfig {
    return parseImageConfig(this.content.read(id));
  }

  layersOf({ manifest }: ImageRecord): Descriptor[] {
    return parseManifest(this.content.read(manifest.digest)).layers;
  }

  /** Whether every blob is what its name says, and every layer is there. */
  async verify() {
    const { verifyStore } = await import("./garbage.ts");
    return this.#busy("verify", () => verifyStore(this.content, this.layers, this.list()));
  }

  /** Sends an image to the registry of its name. Throws what the registry says. */
  async push(
    record: ImageRecord,
    { credentials, onProgress, signal }: PushOptions = {},
  ): Promise<{ digest: string; size: number }> {
    const reference = parseReference(record.reference);
    const [{ pushImage }, { findCredentials }] = await Promise.all([
      import("./registry/push.ts"),
      import("./registry/credentials.ts"),
    ]);
    const siblings = this.list()
      .filter(({ reference: other, id, pulled }) => pulled && id === record.id && !isUntagged(other))
      .map(({ reference: other }) => parseReference(other))
      .filter(
        ({ registry, repository }) => registry === reference.registry && repository !== reference.repository,
      )
      .map(({ repository }) => repository);
    return this.#busy("push", async () =>
      pushImage(this.content, {
        reference,
        manifest: record.manifest,
        siblings,
        credentials: credentials ?? (await findCredentials(reference.registry)),
        ...(onProgress ? { onProgress } : {}),
        signal,
      }),
    );
  }

  /** Gives an archive of images piece by piece, as `docker save` does. A name that is an ID gives the image none. */
  async saveArchive(
    chosen: readonly { record: ImageRecord; name: string }[],
    put: (bytes: Buffer) => Promise<void>,
  ): Promise<void> {
    const { writeArchive } = await import("./archive/write.ts");
    const byId = new Map<string, { manifest: Descriptor; names: string[] }>();
    for (const { record, name } of chosen) {
      const image = byId.get(record.id) ?? { manifest: record.manifest, names: [] };
      if (name === record.reference && !name.includes("@")) image.names.push(name);
      byId.set(record.id, image);
    }
    return this.#busy("save", () => writeArchive(this.content, [...byId.values()], put));
  }

  /** Removes blobs and layers that no image needs. It waits for pulls and the like, whose blobs have no image yet. */
  async sweep(): Promise<Swept> {
    const { sweep } = await import("./garbage.ts");
    while (this.#making.size > 0) await Promise.allSettled(this.#making.values());
    this.#cache.clear();
    return sweep(this.content, this.layers, this.list());
  }

  /** Does something that puts blobs into the store which no image needs yet: nothing is swept meanwhile. */
  async #busy<T>(key: string, action: () => Promise<T>): Promise<T> {
    const task = action();
    const name = `${key} ${this.#serial++}`;
    this.#making.set(name, task as Promise<never>);
    try {
      return await task;
    } finally {
      this.#making.delete(name);
    }
  }

  /** Images of an archive of docker save or an OCI layout, under the names that it gives them. Throws BAD_ARCHIVE. */
  loadArchive(path: string): Promise<ImageRecord[]> {
    return this.#busy("load", async () => {
      const loaded: ImageRecord[] = [];
      await this.#withArchive(path, async (images, importImage) => {
        for (const image of images) {
          const manifest = await importImage(image, this.content, this.layers);
          const id = parseManifest(this.content.read(manifest.digest)).config.digest;
          const names = image.names.length > 0 ? image.names.map(canonicalReference) : [untagged(id)];
          for (const name of names) loaded.push(await this.#keep(name, manifest, {}));
        }
      });
      return loaded;
    });
  }

  /** index.json of the layout, so that other tools can read what is stored. */
  #writeIndex(): void {
    const manifests = this.list().map(({ reference, manifest }) => ({
      ...manifest,
      ...(isUntagged(reference)
        ? {}
        : { annotations: { "org.opencontainers.image.ref.name": familiarReference(reference) } }),
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
