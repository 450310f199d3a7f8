/** Caches of other builds, opened once each; a step's layer is fetched when the step is needed. */
import { BayError } from "../../core/errors.ts";
import { type Image, type ImageStore, layerName } from "../../image/index.ts";
import { type CachedStep, cachedSteps } from "./cache-format.ts";
import type { CacheSource } from "./cache-option.ts";
import type { StepRecord, StepStore } from "./step-store.ts";

interface Opened {
  steps: Map<string, CachedStep>;
  fetchLayer: (diffId: string) => Promise<void>;
}

export class ImportedCaches {
  #opened: Promise<Opened[]> | undefined;
  readonly #held: (() => void)[] = [];

  constructor(
    readonly setting: {
      sources: readonly CacheSource[];
      images: ImageStore;
      steps: StepStore;
      signal: AbortSignal | undefined;
      /** Called for a cache that cannot be imported, which does not fail the build. */
      warn: (text: string) => void;
    },
  ) {}

  /** A step that another build ran; from then on it belongs to this host. */
  async find(key: string): Promise<StepRecord | undefined> {
    const { sources, steps, warn } = this.setting;
    if (sources.length === 0) return undefined;
    this.#opened ??= Promise.all(sources.map((source) => this.#openOrWarn(source)));
    for (const { steps: known, fetchLayer } of await this.#opened) {
      const found = known.get(key);
      if (!found) continue;
      const { diffId, createdAt, description } = found;
      try {
        if (diffId !== undefined) await fetchLayer(diffId);
      } catch (error) {
        if (!(error instanceof BayError) || error.code === "ABORTED") throw error;
        warn(`the cached step ${description} cannot be downloaded: ${error.message}`);
        continue;
      }
      const layer = diffId === undefined ? undefined : layerName(diffId);
      const record = { key, layer, description, createdAt, usedAt: new Date().toISOString() };
      const whole = diffId === undefined ? record : { ...record, diffId };
      steps.save(whole);
      return whole;
    }
    return undefined;
  }

  async #openOrWarn(source: CacheSource): Promise<Opened> {
    try {
      return await this.#open(source);
    } catch (error) {
      if (!(error instanceof BayError) || error.code === "ABORTED") throw error;
      const name = source.kind === "registry" ? source.reference : source.path;
      this.setting.warn(`the cache ${name} cannot be imported: ${error.message}`);
      return { steps: new Map(), fetchLayer: () => Promise.resolve() };
    }
  }

  async #open(source: CacheSource): Promise<Opened> {
    const { images, signal } = this.setting;
    if (source.kind === "registry") {
      const { config, fetchLayer } = await images.registries.openLazily(source.reference, signal);
      return { steps: byKey(cachedSteps(config)), fetchLayer };
    }
    const image: Image = await images.archives.take(source.path, undefined);
    this.#held.push(images.hold(image));
    return { steps: byKey(cachedSteps(image.config)), fetchLayer: () => Promise.resolve() };
  }

  close(): void {
    for (const letGo of this.#held) letGo();
  }
}

const byKey = (steps: readonly CachedStep[]) => new Map(steps.map((step) => [step.key, step]));
