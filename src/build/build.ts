/** Building an image of a Dockerfile: read, solve, put together, and give the cache away. */
import { type ContainerManager, mountPoint } from "../container/index.ts";
import { messageOf } from "../errors.ts";
import {
  type Descriptor,
  hostPlatform,
  type ImageConfig,
  type ImageRecord,
  putImage,
} from "../image/index.ts";
import type { FindImage } from "./build-context.ts";
import { type PackedStep, withSteps } from "./cache/cache-format.ts";
import type { CacheMounts } from "./cache/cache-mounts.ts";
import { exportCache } from "./cache/export-cache.ts";
import { ImportedCaches } from "./cache/imported-caches.ts";
import type { StepStore } from "./cache/step-store.ts";
import { LayerPacker, type PackedLayer } from "./layer-packer.ts";
import { accessOf, checkDockerfile, readFiles } from "./read-request.ts";
import { Solver } from "./solve.ts";
import { ContextFolders } from "./sources/context-folders.ts";
import { GitRepositories } from "./sources/git.ts";
import type { KeptRepositories } from "./sources/kept-repositories.ts";
import type { Link, StageState } from "./stage-state.ts";
import { type BuildNews, type BuildRequest, epochOf } from "./types.ts";

type Tell = (news: BuildNews) => void;
type Used = Solver["used"];

/** Builds of one bayd: they share what they make. */
export class Builder {
  readonly #repositories: GitRepositories;
  readonly #packer: LayerPacker;

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
    const folders = new ContextFolders({
      repositories: this.#repositories,
      access: accessOf(request, signal),
      staging: mountPoint(this.manager),
    });
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
        repositories: this.#repositories,
        folders,
        dockerfile,
        request: read,
        tell,
        findImage,
        signal,
        // what fails is said when the image is put together
        onLayer: (record) => void this.#packer.packed(record, epochOf(request)).catch(() => {}),
      });
      try {
        const state = await solver.solve();
        const image = await images.add(request.tags, () => this.#image(state, request, solver.used));
        await this.#exportCaches(request, solver, warn, signal);
        if (briefly.length > 0) warn(`${briefly.join("\n")}\n--check shows the lines`);
        return image;
      } finally {
        solver.close();
      }
    };
    try {
      // what other caches give is no image's yet
      return await this.steps.during(() => (sources.length > 0 ? images.during(build) : build()));
    } finally {
      imported.close();
      folders.close();
      if (!this.steps.isInUse) await this.manager.tidyTasks();
    }
  }

  /** The config and manifest of a stage. */
  async #image(state: StageState, request: BuildRequest, used: Used): Promise<Descriptor> {
    const epoch = epochOf(request);
    const layers = await Promise.all(state.links.map((link) => this.#layer(link, epoch)));
    // with an epoch nothing of the day may show
    const at = (time: string | undefined) =>
      epoch !== undefined && time !== undefined && Date.parse(time) > epoch * 1000
        ? new Date(epoch * 1000).toISOString()
        : time;
    const config: ImageConfig = {
      created: at(state.createdAt),
      ...(state.author ? { author: state.author } : {}),
      ...hostPlatform(),
      config: withLabels(state.config, request.labels),
      rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
      history: state.history.map((entry) => ({ ...entry, created: at(entry.created) })),
    };
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

  /** The image's own steps, or those of all stages. */
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
