/** Building an image from a Dockerfile: read, solve, assemble, and export the cache. */
import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { type ContainerManager, mountPoint } from "../container/index.ts";
import { BayError, messageOf } from "../core/errors.ts";
import { type Descriptor, type ImageConfig, type ImageRecord, putImage } from "../image/index.ts";
import type { FindImage } from "./build-context.ts";
import { type PackedStep, withSteps } from "./cache/cache-format.ts";
import type { CacheMounts } from "./cache/cache-mounts.ts";
import { exportCache } from "./cache/export-cache.ts";
import { ImportedCaches } from "./cache/imported-caches.ts";
import type { StepStore } from "./cache/step-store.ts";
import { LayerPacker, type PackedLayer } from "./layer-packer.ts";
import { CacheMiss, NotLookedAt, placeOf } from "./outdated.ts";
import { accessOf, checkDockerfile, readFiles } from "./read-request.ts";
import { Semaphore } from "./semaphore.ts";
import { Solver } from "./solve.ts";
import { ContextFolders } from "./sources/context-folders.ts";
import { GitRepositories } from "./sources/git.ts";
import type { KeptRepositories } from "./sources/kept-repositories.ts";
import type { Link, StageState } from "./stage-state.ts";
import { type BuildNews, type BuildRequest, epochOf } from "./types.ts";
import { unusedArgsWarning } from "./unused-args.ts";

type Tell = (news: BuildNews) => void;
type Used = Solver["used"];

/** The builds of one bayd, which share their results. */
export class Builder {
  readonly #repositories: GitRepositories;
  readonly #packer: LayerPacker;
  readonly #semaphore = new Semaphore(Math.max(2, availableParallelism()));

  constructor(
    readonly manager: ContainerManager,
    readonly steps: StepStore,
    readonly cacheMounts: CacheMounts,
    repositories: KeptRepositories,
  ) {
    this.#repositories = new GitRepositories(repositories.directory);
    this.#packer = new LayerPacker(manager.images, steps);
  }

  /** Throws BAD_DOCKERFILE, StepFailure, ABORTED. */
  async build(
    request: BuildRequest,
    tell: Tell,
    signal: AbortSignal | undefined,
    findImage?: FindImage,
  ): Promise<ImageRecord> {
    const { images } = this.manager;
    const warn = (text: string) => tell({ step: -1, kind: "note", title: "", text });
    const folders = this.#folders(request, signal);
    const sources = request.cacheFrom;
    const imported = new ImportedCaches({ sources, images, steps: this.steps, signal, warn });
    const build = async () => {
      const read = await readFiles(request, folders);
      const { dockerfile, briefly } = checkDockerfile(read.dockerfile, read.ignore);
      const solver = new Solver({
        manager: this.manager,
        steps: this.steps,
        cacheMounts: this.cacheMounts,
        imported,
        semaphore: this.#semaphore,
        repositories: this.#repositories,
        folders,
        dockerfile,
        request: read,
        tell,
        findImage,
        signal,
        isDry: false,
        // errors are reported when the image is assembled
        onLayer: (record) => void this.#packer.packed(record, epochOf(request)).catch(() => {}),
      });
      try {
        const state = await solver.solve();
        const image = await images.add(request.tags, () => this.#image(state, request, solver.used));
        await this.#exportCaches(request, solver, warn, signal);
        if (solver.unusedArgs.length > 0) warn(unusedArgsWarning(solver.unusedArgs));
        if (briefly.length > 0) warn(`${briefly.join("\n")}\n--check shows the lines`);
        return image;
      } finally {
        solver.close();
      }
    };
    try {
      // steps of other caches do not belong to an image yet
      return await this.steps.during(() => (sources.length > 0 ? images.during(build) : build()));
    } finally {
      imported.close();
      folders.close();
      if (!this.steps.isInUse) await this.manager.tasks.tidy();
    }
  }

  /**
   * Why a build would give another image than `known`, on this host: the first instruction that is not in the cache,
   * or a different config. Undefined if the image would be the same, or if only a build can tell.
   * Only reads.
   */
  async outdated(
    request: BuildRequest,
    known: { id: string },
    findImage?: FindImage,
  ): Promise<string | undefined> {
    const { context, cacheTo } = request;
    const isFar = context !== undefined && context.kind !== "folder";
    if (isFar || request.pull || cacheTo.some(({ kind }) => kind === "inline")) return undefined;
    const folders = this.#folders(request, undefined);
    const setting = { sources: [], images: this.manager.images, steps: this.steps, signal: undefined };
    try {
      const read = await readFiles(request, folders);
      const { dockerfile } = checkDockerfile(read.dockerfile, read.ignore);
      const solver = new Solver({
        manager: this.manager,
        steps: this.steps,
        cacheMounts: this.cacheMounts,
        imported: new ImportedCaches({ ...setting, warn: () => {} }),
        semaphore: this.#semaphore,
        repositories: this.#repositories,
        folders,
        dockerfile,
        request: read,
        tell: () => {},
        findImage,
        signal: undefined,
        isDry: true,
        onLayer: () => {},
      });
      try {
        return this.#configDiffers(await solver.solve(), request, known);
      } finally {
        solver.close();
      }
    } catch (error) {
      if (error instanceof NotLookedAt) return undefined;
      if (error instanceof CacheMiss) return `the cache is not valid from ${placeOf(error.instruction)} on`;
      if (error instanceof BayError) return `the build would fail: ${error.message.split("\n")[0]}`;
      throw error;
    } finally {
      folders.close();
    }
  }

  #configDiffers(state: StageState, request: BuildRequest, known: { id: string }): string | undefined {
    const diffIds = state.links.map((link) => (link.kind === "image" ? link.diffId : link.record.diffId));
    // with an epoch the layers differ from the steps' own layers
    if (epochOf(request) !== undefined || diffIds.some((diffId) => diffId === undefined)) return undefined;
    const config = JSON.stringify(imageConfig(state, request, diffIds as string[]));
    const id = `sha256:${createHash("sha256").update(config).digest("hex")}`;
    return id === known.id ? undefined : "the image is outdated";
  }

  #folders(request: BuildRequest, signal: AbortSignal | undefined): ContextFolders {
    return new ContextFolders({
      repositories: this.#repositories,
      access: accessOf(request, signal),
      staging: mountPoint(this.manager),
    });
  }

  /** The config and manifest of a stage. */
  async #image(state: StageState, request: BuildRequest, used: Used): Promise<Descriptor> {
    const epoch = epochOf(request);
    const layers = await Promise.all(state.links.map((link) => this.#layer(link, epoch)));
    const config = imageConfig(
      state,
      request,
      layers.map(({ diffId }) => diffId),
    );
    const isInline = request.cacheTo.some(({ kind }) => kind === "inline");
    return putImage(
      this.manager.images.content,
      isInline ? withSteps(config, await this.#packedSteps(used, "min")) : config,
      layers.map(({ descriptor }) => descriptor),
    );
  }

  #layer(link: Link, epoch: number | undefined): Promise<PackedLayer> {
    if (link.kind === "step") return this.#packer.packed(link.record, epoch);
    return Promise.resolve({ descriptor: link.descriptor, diffId: link.diffId });
  }

  /** The steps of the image, or those of all stages. */
  async #packedSteps(used: Used, mode: "min" | "max"): Promise<PackedStep[]> {
    const chosen = used.filter(({ isKept }) => isKept || mode === "max");
    const steps: PackedStep[] = [];
    for (const { record } of chosen) {
      const diffId = record.layer && (await this.#packer.packed(record, undefined)).diffId;
      steps.push({ record, diffId });
    }
    return steps;
  }

  async #exportCaches(
    { cacheTo }: BuildRequest,
    solver: Solver,
    warn: (text: string) => void,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (const target of cacheTo) {
      if (target.kind === "inline") continue;
      const name = target.kind === "registry" ? target.reference : target.path;
      try {
        await solver.timed(`[cache] to ${name}`, async () =>
          exportCache(this.manager.images, target, await this.#packedSteps(solver.used, target.mode), signal),
        );
      } catch (error) {
        if (!target.ignoreError || signal?.aborted) throw error;
        warn(`the cache was not exported to ${name}: ${messageOf(error)}`);
      }
    }
  }
}

function withLabels(config: StageState["config"], labels: Record<string, string>): StageState["config"] {
  if (Object.keys(labels).length === 0) return config;
  return { ...config, Labels: { ...config.Labels, ...labels } };
}

function imageConfig(state: StageState, request: BuildRequest, diffIds: string[]): ImageConfig {
  const epoch = epochOf(request);
  // with an epoch the result must not depend on the current time
  const at = (time: string | undefined) =>
    epoch !== undefined && time !== undefined && Date.parse(time) > epoch * 1000
      ? new Date(epoch * 1000).toISOString()
      : time;
  return {
    created: at(state.createdAt),
    ...(state.author ? { author: state.author } : {}),
    ...state.platform,
    config: withLabels(state.config, request.labels),
    rootfs: { type: "layers", diff_ids: diffIds },
    history: state.history.map((entry) => ({ ...entry, created: at(entry.created) })),
  };
}
