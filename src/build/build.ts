/** Building an image of a Dockerfile: read, solve, and put together. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ContainerManager, mountPoint } from "../container/index.ts";
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
import { readInRoot } from "../linux/index.ts";
import type { FindImage } from "./build-context.ts";
import type { CacheMounts } from "./cache-mounts.ts";
import { ignoreLines } from "./ignore.ts";
import { Solver } from "./solve.ts";
import { ContextFolders } from "./sources/context-folders.ts";
import { type GitAccess, GitRepositories } from "./sources/git.ts";
import type { Link, StageState } from "./stage-state.ts";
import { type Dockerfile, readDockerfile } from "./stages.ts";
import type { StepRecord, StepStore } from "./step-store.ts";
import {
  type BuildNews,
  type BuildRequest,
  type DockerfileText,
  epochOf,
  type ReadRequest,
} from "./types.ts";

/** Throws BAD_DOCKERFILE with everything that is wrong with the file; gives its warnings. */
export function checkDockerfile({ source, file }: DockerfileText): {
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

/** What git is given of a build's secrets. */
function accessOf({ secrets, ssh }: BuildRequest, signal: AbortSignal | undefined): GitAccess {
  const secret = (id: string) => {
    const given = secrets[id];
    if (!given) return undefined;
    return "value" in given ? given.value : readFileSync(given.file, "utf8");
  };
  return { agent: ssh.default, secret, signal };
}

/** Reads the Dockerfile and the ignore file where they come with the context. Throws NO_DOCKERFILE, NO_CONTEXT. */
async function readFiles(request: BuildRequest, folders: ContextFolders): Promise<ReadRequest> {
  const { context, dockerfile, ignore } = request;
  const folder = context && (await folders.folderOf(context)).path;
  const text = "source" in dockerfile ? dockerfile : dockerfileIn(folder, dockerfile.path);
  if (ignore) return { ...request, dockerfile: text, ignore };
  const name = "source" in dockerfile ? "Dockerfile" : dockerfile.path;
  const found =
    folder && (readInRoot(folder, `/${name}.dockerignore`) ?? readInRoot(folder, "/.dockerignore"));
  return { ...request, dockerfile: text, ignore: found ? ignoreLines(found.toString("utf8")) : [] };
}

/** Of a context that was fetched: its symlinks lead nowhere but into it. */
function dockerfileIn(folder: string | undefined, path: string): DockerfileText {
  if (folder === undefined)
    throw new BayError("NO_DOCKERFILE", "there is no context to read the Dockerfile of");
  const names = path === "" ? ["Dockerfile", "dockerfile"] : [path];
  for (const file of names) {
    const bytes = readInRoot(folder, `/${file}`, 4 << 20);
    if (bytes) return { source: bytes.toString("utf8"), file };
  }
  throw new BayError("NO_DOCKERFILE", `the context has no ${names[0]}`, { hint: "-f names another" });
}

function withLabels(config: StageState["config"], labels: Record<string, string>): StageState["config"] {
  if (Object.keys(labels).length === 0) return config;
  return { ...config, Labels: { ...config.Labels, ...labels } };
}

interface PackedLayer {
  descriptor: Descriptor;
  diffId: string;
}

/** Builds of one bayd: they share what they make. */
export class Builder {
  readonly #repositories: GitRepositories;
  /** Layers that are being packed, by their directories' names. */
  readonly #packing = new Map<string, Promise<PackedLayer>>();

  constructor(
    readonly manager: ContainerManager,
    readonly steps: StepStore,
    readonly cacheMounts: CacheMounts,
  ) {
    this.#repositories = new GitRepositories(join(manager.roots.root, "build-sources"));
  }

  /** Throws BAD_DOCKERFILE, StepFailure, ABORTED. */
  async build(
    request: BuildRequest,
    tell: (news: BuildNews) => void,
    signal: AbortSignal | undefined,
    findImage?: FindImage,
  ): Promise<ImageRecord> {
    const folders = new ContextFolders({
      repositories: this.#repositories,
      access: accessOf(request, signal),
      staging: mountPoint(this.manager),
    });
    try {
      const read = await readFiles(request, folders);
      const { dockerfile, warnings } = checkDockerfile(read.dockerfile);
      for (const text of warnings) tell({ step: -1, kind: "note", title: "", text });
      return await this.steps.during(async () => {
        const solver = new Solver({
          manager: this.manager,
          steps: this.steps,
          cacheMounts: this.cacheMounts,
          repositories: this.#repositories,
          folders,
          dockerfile,
          request: read,
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
      folders.close();
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
