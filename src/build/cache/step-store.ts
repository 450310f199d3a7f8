/**
 * The results of build steps, by their inputs: each is a directory beside the images' layers, or nothing. A
 * step that two builds reach at the same time runs once.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import { type ImageStore, removeTree } from "../../image/index.ts";
import type { Store } from "../../store/index.ts";
import { requireRoom } from "../../store/index.ts";

export interface StepRecord {
  key: string;
  /** The name of its directory among the layers; undefined if the step changed no file. */
  layer: string | undefined;
  /** The instruction, for people. */
  description: string;
  createdAt: string;
  usedAt: string;
  /** The digest of its packed layer; known once an image was made with it. */
  diffId?: string;
}

const KEY = "build/";
const PREFIX = "build-";
/** The interval at which the use of a step is recorded. */
const NOTE_AFTER = 3600_000;

export class StepStore {
  readonly #running = new Map<string, Promise<StepRecord>>();
  #builds = 0;

  constructor(
    readonly images: ImageStore,
    readonly store: Store,
  ) {}

  /** Nothing is removed while a build runs, because the build may have found it. */
  async during<T>(build: () => Promise<T>): Promise<T> {
    this.#builds += 1;
    try {
      return await build();
    } finally {
      this.#builds -= 1;
    }
  }

  get isInUse(): boolean {
    return this.#builds > 0;
  }

  get directory(): string {
    return this.images.layers.directory;
  }

  list(): StepRecord[] {
    return this.store.list<StepRecord>(KEY);
  }

  /** The earlier result of a step, if it still exists. */
  find(key: string): StepRecord | undefined {
    const record = this.store.get<StepRecord>(KEY + key);
    if (!record) return undefined;
    if (record.layer !== undefined && !existsSync(join(this.directory, record.layer))) return undefined;
    if (Date.now() - Date.parse(record.usedAt) > NOTE_AFTER)
      this.save({ ...record, usedAt: new Date().toISOString() });
    return record;
  }

  save(record: StepRecord): void {
    this.store.put(KEY + record.key, record);
  }

  /**
   * Runs a step that is not cached. `make` fills `upper`, an overlay's upper directory; its content becomes the
   * step's layer. A failed step leaves nothing.
   */
  run(
    key: string,
    description: string,
    make: (places: { upper: string; work: string }) => Promise<void>,
  ): Promise<StepRecord> {
    const known = this.#running.get(key);
    // the step of another build, which may be interrupted
    if (known) return known.catch(() => this.find(key) ?? this.run(key, description, make));
    const running = this.#run(key, description, make).finally(() => this.#running.delete(key));
    this.#running.set(key, running);
    return running;
  }

  async #run(
    key: string,
    description: string,
    make: (places: { upper: string; work: string }) => Promise<void>,
  ): Promise<StepRecord> {
    requireRoom(this.directory);
    // the next start removes directories with such a name
    const temporary = join(this.directory, `.step-${randomBytes(6).toString("hex")}`);
    const [upper, work] = [join(temporary, "upper"), join(temporary, "work")];
    mkdirSync(upper, { recursive: true, mode: 0o755 });
    mkdirSync(work, { mode: 0o755 });
    try {
      await make({ upper, work });
      let layer: string | undefined;
      if (readdirSync(upper).length > 0) {
        layer = `${PREFIX}${randomBytes(8).toString("hex")}`;
        renameSync(upper, join(this.directory, layer));
      }
      const now = new Date().toISOString();
      const record = { key, layer, description, createdAt: now, usedAt: now };
      this.save(record);
      void removeTree(temporary); // empty except for overlayfs's own files: no need to wait
      return record;
    } catch (error) {
      // when the caller sees the failure, nothing is left
      await removeTree(temporary);
      throw error;
    }
  }

  /** Removes steps. A layer that an image also uses then belongs to the image. Throws BUILD_RUNNING. */
  remove(records: readonly StepRecord[]): void {
    if (this.isInUse && records.length > 0)
      throw new BayError("BUILD_RUNNING", "a build is running and may use objects to be removed", {
        hint: "try again when the build has ended",
      });
    for (const { key, layer } of records) {
      this.store.delete(KEY + key);
      if (layer !== undefined) this.#removeLayer(layer);
    }
  }

  #removeLayer(layer: string): void {
    if (!existsSync(join(this.directory, layer)) || this.images.layers.take(layer)) return;
    const gone = join(this.directory, `.gone-${layer}-${Date.now()}`);
    renameSync(join(this.directory, layer), gone);
    void removeTree(gone);
  }

  /** Removes what a killed bayd left: layers of steps that were not recorded. Only at start. */
  sweep(): void {
    const known = new Set(this.list().map(({ layer }) => layer));
    for (const name of readdirSync(this.directory))
      if (name.startsWith(PREFIX) && !known.has(name)) this.#removeLayer(name);
  }
}
