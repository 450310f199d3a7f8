/** Building an image of a Dockerfile: read, solve, and put together. */
import { join } from "node:path";
import type { ContainerManager } from "../container/index.ts";
import { type Diagnostic, formatDiagnostic } from "../diagnostics.ts";
import { BayError } from "../errors.ts";
import {
  type Descriptor,
  hostPlatform,
  type ImageConfig,
  type ImageRecord,
  MEDIA,
  putImage,
} from "../image/index.ts";
import type { FindImage } from "./build-context.ts";
import { Solver } from "./solve.ts";
import type { Link, StageState } from "./stage-state.ts";
import { type Dockerfile, readDockerfile } from "./stages.ts";
import type { StepRecord, StepStore } from "./step-store.ts";
import { type BuildNews, type BuildRequest, epochOf } from "./types.ts";

/** Throws BAD_DOCKERFILE with everything that is wrong with the file; gives its warnings. */
export function checkDockerfile({ source, file }: BuildRequest["dockerfile"]): {
  dockerfile: Dockerfile;
  warnings: string[];
} {
  const problems: Diagnostic[] = [];
  const dockerfile = readDockerfile(source, file, (problem) => problems.push(problem));
  const sources = new Map([[file, source]]);
  const show = (severity: Diagnostic["severity"]) =>
    problems.filter((each) => each.severity === severity).map((each) => formatDiagnostic(each, sources));
  const errors = show("error");
  if (errors.length > 0) throw new BayError("BAD_DOCKERFILE", errors.join("\n\n"));
  return { dockerfile, warnings: show("warning") };
}

function withLabels(config: StageState["config"], labels: Record<string, string>): StageState["config"] {
  if (Object.keys(labels).length === 0) return config;
  return { ...config, Labels: { ...config.Labels, ...labels } };
}

interface PackedLayer {
  descriptor: Descriptor;
  diffId: string;
}

/** Builds of one bayd: they share what they make, and wait for each other's cache mounts. */
export class Builder {
  readonly #cacheLocks = new Map<string, Promise<void>>();
  /** Layers that are being packed, by their directories' names. */
  readonly #packing = new Map<string, Promise<PackedLayer>>();

  constructor(
    readonly manager: ContainerManager,
    readonly steps: StepStore,
  ) {}

  /** Throws BAD_DOCKERFILE, StepFailure, ABORTED. */
  async build(
    request: BuildRequest,
    tell: (news: BuildNews) => void,
    signal: AbortSignal | undefined,
    findImage?: FindImage,
  ): Promise<ImageRecord> {
    const { dockerfile, warnings } = checkDockerfile(request.dockerfile);
    for (const text of warnings) tell({ step: -1, kind: "note", title: "", text });
    try {
      return await this.steps.during(async () => {
        const solver = new Solver({
          manager: this.manager,
          steps: this.steps,
          cacheLocks: this.#cacheLocks,
          dockerfile,
          request,
          tell,
          findImage,
          signal,
          // what fails is said when the image is put together
          onLayer: (record) => void this.#packed(record, epochOf(request)).catch(() => {}),
        });
        try {
          const state = await solver.solve();
          return await this.manager.images.add(request.tags, () => this.#image(state, request));
        } finally {
          solver.close();
        }
      });
    } finally {
      if (!this.steps.isInUse) await this.manager.tidyTasks();
    }
  }

  /** The config and manifest of a stage. */
  async #image(state: StageState, request: BuildRequest): Promise<Descriptor> {
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
    return putImage(
      this.manager.images.content,
      config,
      layers.map(({ descriptor }) => descriptor),
    );
  }

  #layer(link: Link, epoch: number | undefined): Promise<PackedLayer> {
    if (link.kind === "step") return this.#packed(link.record, epoch);
    return Promise.resolve({ descriptor: link.descriptor, diffId: link.diffId });
  }

  /** Packs a step's layer; two builds that have it pack it once. */
  #packed(record: StepRecord, epoch: number | undefined): Promise<PackedLayer> {
    const { layer } = record;
    if (layer === undefined) throw new BayError("INTERNAL", "a step without files has no layer");
    const name = `${layer} ${epoch ?? ""}`;
    const known = this.#packing.get(name);
    if (known) return known;
    const packing = (epoch === undefined ? this.#pack(record, layer) : this.#packAsOf(layer, epoch)).finally(
      () => this.#packing.delete(name),
    );
    this.#packing.set(name, packing);
    return packing;
  }

  /** Its times are not those of the step's directory, so the image's layer is unpacked by itself. */
  async #packAsOf(layer: string, epoch: number): Promise<PackedLayer> {
    const { content } = this.manager.images;
    const descriptor = await content.pack(join(this.steps.directory, layer), MEDIA.layer, epoch);
    return { descriptor, diffId: descriptor.digest };
  }

  async #pack(record: StepRecord, layer: string): Promise<PackedLayer> {
    const { content, layers } = this.manager.images;
    const known = this.steps.find(record.key) ?? record;
    const { diffId } = known.layer === layer ? known : record;
    if (diffId !== undefined && content.has(diffId)) {
      layers.link(diffId, layer);
      const descriptor = { mediaType: MEDIA.layer, digest: diffId, size: content.piece(diffId).size };
      return { descriptor, diffId };
    }
    const descriptor = await content.pack(join(this.steps.directory, layer), MEDIA.layer);
    if (known.layer === layer) this.steps.save({ ...known, diffId: descriptor.digest });
    layers.link(descriptor.digest, layer);
    return { descriptor, diffId: descriptor.digest };
  }
}
