/** Shared by the steps of one build: directories, the request, and progress. */
import { type ContainerManager, mountPoint } from "../container/index.ts";
import { BayError } from "../core/errors.ts";
import {
  findCredentials,
  formatPlatform,
  hostPlatform,
  type Image,
  type Platform,
  parseReference,
  samePlatform,
} from "../image/index.ts";
import type { CacheMounts } from "./cache/cache-mounts.ts";
import type { ImportedCaches } from "./cache/imported-caches.ts";
import type { StepRecord, StepStore } from "./cache/step-store.ts";
import type { Instruction } from "./dockerfile/instructions.ts";
import { CacheMiss, NotLookedAt } from "./outdated.ts";
import type { Scope } from "./scope.ts";
import type { Semaphore } from "./semaphore.ts";
import type { ContextFolders } from "./sources/context-folders.ts";
import type { GitRepositories } from "./sources/git.ts";
import { digestOf, lowerOf, oneLine, type StageState, withStep } from "./stage-state.ts";
import type { Dockerfile, Stage } from "./stages.ts";
import { runTreeTask, type Selection, type TreeRoot, type TreeTarget } from "./tree/tasks.ts";
import type { BuildNews, ContextSource, ReadRequest } from "./types.ts";

/** Images that are made in another way: those of a stack. */
export type FindImage = (name: string) => Promise<Image | undefined> | undefined;

export interface BuildSetting {
  manager: ContainerManager;
  steps: StepStore;
  cacheMounts: CacheMounts;
  imported: ImportedCaches;
  /** Steps of all builds take turns. */
  semaphore: Semaphore;
  dockerfile: Dockerfile;
  request: ReadRequest;
  folders: ContextFolders;
  repositories: GitRepositories;
  tell: (news: BuildNews) => void;
  findImage: FindImage | undefined;
  signal: AbortSignal | undefined;
  /** Nothing is executed: a step that is not cached ends the check with CacheMiss. */
  isDry: boolean;
  /** Called for each layer of the image as soon as it exists. */
  onLayer: (record: StepRecord) => void;
}

/** The position of an instruction. */
export interface StepPosition {
  stage: Stage;
  /** Its layers become part of the image. */
  isKept: boolean;
  scope: Scope;
  /** `[build 2/5] RUN make`. */
  title: string;
}

/** An overlay's directories that a step fills. */
export interface LayerPlaces {
  upper: string;
  work: string;
}

export class BuildContext {
  readonly #images = new Map<string, Promise<Image>>();
  readonly #held: (() => void)[] = [];
  /** Steps that the build reached, for exporters. */
  readonly used: { record: StepRecord; isKept: boolean }[] = [];
  #serial = 0;

  constructor(readonly setting: BuildSetting) {}

  get request(): ReadRequest {
    return this.setting.request;
  }

  get layersDirectory(): string {
    return this.setting.steps.directory;
  }

  /** The directory for workers' mounts, each in a separate mount namespace. */
  get staging(): string {
    return mountPoint(this.setting.manager);
  }

  checkSignal(): void {
    if (this.setting.signal?.aborted) throw new BayError("ABORTED", "the build was interrupted");
  }

  /** Runs a step or takes it from the cache, and adds it to the stage. `make` receives the step's number. */
  async step(
    state: StageState,
    instruction: Pick<Instruction, "text" | "place">,
    { title, stage, isKept }: StepPosition,
    key: string,
    make: (places: LayerPlaces, step: number) => Promise<void>,
    { createdBy = oneLine(instruction.text), isIndependent = false } = {},
  ): Promise<StageState> {
    const { steps, imported, tell, onLayer, isDry } = this.setting;
    const { noCache, noCacheFilter } = this.request;
    const step = this.#serial++;
    // a step that was just run counts as fresh and is not run again
    const isFresh = !isDry && (noCache || noCacheFilter.includes(stage.from.as ?? String(stage.index)));
    const known = isFresh ? undefined : (steps.find(key) ?? (await imported.find(key)));
    if (known) {
      this.used.push({ record: known, isKept });
      tell({ step, kind: "cached", title });
      return withStep(state, known, createdBy, isIndependent);
    }
    if (isDry) throw new CacheMiss(instruction);
    const record = await this.#timed<StepRecord>(step, title, () =>
      steps.run(key, oneLine(instruction.text), (places) =>
        this.setting.semaphore.run(() => make(places, step)),
      ),
    );
    this.used.push({ record, isKept });
    if (isKept && record.layer !== undefined) onLayer(record);
    return withStep(state, record, createdBy, isIndependent);
  }

  /** Work that is shown like a step. */
  timed<T>(title: string, action: () => Promise<T>): Promise<T> {
    return this.#timed(this.#serial++, title, action);
  }

  async #timed<T>(step: number, title: string, action: () => Promise<T>): Promise<T> {
    const { tell } = this.setting;
    tell({ step, kind: "started", title });
    const begun = Date.now();
    const seconds = () => (Date.now() - begun) / 1000;
    try {
      const result = await action();
      tell({ step, kind: "done", title, seconds: seconds() });
      return result;
    } catch (error) {
      tell({ step, kind: "failed", title, seconds: seconds() });
      throw error;
    }
  }

  /** Finds an image by name: another context, an image of the stack, or one of this host or its registry. */
  image(name: string, platform: Platform): Promise<Image> {
    const context = this.context(name);
    if (this.hasFiles(name))
      throw new BayError("UNSUPPORTED", `${name}: this context is a directory, expected an image`);
    if (context?.kind === "layout") return this.#layout(context);
    const reference = context?.kind === "image" ? context.reference : name;
    const key = `${reference} ${formatPlatform(platform)}`;
    return this.#images.get(key) ?? this.#remember(key, this.#getImage(reference, platform));
  }

  #remember(name: string, getting: Promise<Image>): Promise<Image> {
    const held = getting.then((image) => {
      this.#held.push(this.setting.manager.images.hold(image));
      return image;
    });
    this.#images.set(name, held);
    return held;
  }

  /** Releases the base images: call it when the new image exists. */
  close(): void {
    for (const letGo of this.#held) letGo();
  }

  /** An image of an OCI layout by its tag or digest. */
  #layout({ path, reference }: Extract<ContextSource, { kind: "layout" }>): Promise<Image> {
    const name = `${path}\0${reference ?? ""}`;
    const known = this.#images.get(name);
    if (known) return known;
    return this.#remember(name, this.setting.manager.images.archives.take(path, reference));
  }

  async #getImage(reference: string, platform: Platform): Promise<Image> {
    const { findImage, manager, signal, isDry } = this.setting;
    const { images } = manager;
    const own = await findImage?.(reference);
    if (own) return own;
    const known = images.records.byId(reference) ?? images.records.find(reference);
    const image = known && (await images.get(known.reference, known.id));
    const fits = image !== undefined && samePlatform(image.config, platform);
    if (fits && !this.request.pull) return image;
    const other = fits || this.request.pull ? undefined : await this.#foreign(reference, platform);
    if (other) return other;
    if (isDry) throw new NotLookedAt(`check the registry for a newer ${reference}`);
    const pulled = await this.timed(`[image] ${reference}`, () =>
      this.#pull(reference, platform, signal).catch((error: unknown) => {
        // an image that bay made itself is in no registry
        if (!image || signal?.aborted) throw error;
        return undefined;
      }),
    );
    if (pulled) return pulled;
    if (!fits) this.#warnOfPlatform(reference, image!, platform);
    return image!;
  }

  /** An image for another platform gets no name, because the name belongs to the host's own image. */
  async #pull(reference: string, platform: Platform, signal: AbortSignal | undefined): Promise<Image> {
    const { images } = this.setting.manager;
    const credentials = await findCredentials(parseReference(reference).registry);
    const isNameless = !samePlatform(platform, hostPlatform());
    const options = { platform: formatPlatform(platform), isNameless };
    const image = await images.registries.pull(reference, { ...options, credentials, signal });
    if (isNameless) this.setting.steps.store.put(foreignKey(reference, platform), image.id);
    return image;
  }

  /** An image that was pulled earlier for another platform. */
  async #foreign(reference: string, platform: Platform): Promise<Image | undefined> {
    const { images } = this.setting.manager;
    const id = this.setting.steps.store.get<string>(foreignKey(reference, platform));
    const record = id === undefined ? undefined : images.records.byId(id);
    return record && images.get(record.reference, record.id);
  }

  #warnOfPlatform(reference: string, { config }: Image, platform: Platform): void {
    const text = `InvalidBaseImagePlatform: ${reference} is for ${formatPlatform(config)}, not for ${formatPlatform(platform)}`;
    this.setting.tell({ step: -1, kind: "note", title: "", text: `warning: ${text}` });
  }

  /** Another context by this name, case-insensitive. */
  context(name: string): ContextSource | undefined {
    const { contexts } = this.request;
    const found = Object.keys(contexts).find((key) => key.toLowerCase() === name.toLowerCase());
    return found === undefined ? undefined : contexts[found];
  }

  /** Whether another context by this name has files. */
  hasFiles(name: string): boolean {
    const kind = this.context(name)?.kind;
    return kind !== undefined && kind !== "image" && kind !== "layout";
  }

  /** The files of a named context, or of the build's own if undefined. Throws NO_CONTEXT and errors of the sources. */
  async folder(name: string | undefined): Promise<TreeRoot> {
    const source = name === undefined ? this.request.context : this.context(name);
    if (source && source.kind !== "image" && source.kind !== "layout")
      return this.setting.folders.folderOf(source);
    throw new BayError("NO_CONTEXT", "the build has no context to copy from", {
      hint: "use a directory as the main context",
    });
  }

  /** A digest of the selected files; for directories the digests of contents are cached. */
  digest(selection: Selection): Promise<string> {
    const { root } = selection;
    const name = root.kind === "folder" && !root.isPassing ? digestOf([root.path]).slice(0, 24) : undefined;
    const cacheFile = name === undefined ? undefined : this.setting.cacheMounts.digestFile(name);
    return runTreeTask({ kind: "digest", selection, cacheFile });
  }

  into(state: StageState, places: LayerPlaces): TreeTarget {
    return { directory: this.layersDirectory, lower: lowerOf(state), ...places, staging: this.staging };
  }
}

const foreignKey = (reference: string, platform: Platform) =>
  `build-base/${formatPlatform(platform)} ${reference}`;
