/**
 * A build: stages become layers, step by step. A step's key says all that goes into it, and what has a key that is
 * known is not done again. Stages that do not need each other go on at once.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  utimesSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join, posix } from "node:path";
import { type ContainerManager, resolveOwner } from "../container/index.ts";
import { BayError } from "../errors.ts";
import {
  type Descriptor,
  findCredentials,
  hostPlatform,
  type Image,
  type ImageConfig,
  parsePlatform,
  parseReference,
  type RunConfig,
  web,
} from "../image/index.ts";
import type { Instruction, InstructionOf, Transfer } from "./dockerfile/instructions.ts";
import { readInstruction } from "./dockerfile/instructions.ts";
import { parseInstruction } from "./dockerfile/parse.ts";
import { parseRunMount, type RunMount } from "./dockerfile/run-mount.ts";
import { expand } from "./dockerfile/words.ts";
import { StepFailure } from "./failure.ts";
import { applyToConfig, commandWords, isMeta, workingDirectory } from "./run-config.ts";
import { commandText, type MountSource, RunMounts } from "./run-step.ts";
import { globalArgs, platformArgs, Scope } from "./scope.ts";
import { type Dockerfile, findStage, type Stage, targetStage } from "./stages.ts";
import type { StepRecord, StepStore } from "./step-store.ts";
import {
  type CopyOptions,
  runTreeTask,
  type Selection,
  type TreeRoot,
  type TreeTarget,
} from "./tree/tasks.ts";
import type { BuildNews, BuildRequest } from "./types.ts";

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const OUTPUT_KEPT = 40;
const SHM_SIZE = 64 << 20;

/** One layer of a stage: the base image's, or a step's. */
export type Link =
  | { kind: "image"; name: string; descriptor: Descriptor; diffId: string }
  | { kind: "step"; record: StepRecord };

type History = NonNullable<ImageConfig["history"]>[number];

/** A stage as far as it has come. */
export interface StageState {
  key: string;
  /** Lowest first. */
  links: Link[];
  config: RunConfig;
  history: History[];
  createdAt: string;
  author: string | undefined;
}

export class Solver {
  readonly #solved = new Map<number, Promise<StageState>>();
  readonly #images = new Map<string, Promise<Image>>();
  readonly #globals: Map<string, string>;
  readonly #options: { escape: string };
  readonly #needed: Set<number>;
  readonly #turns = new Turns(Math.max(2, availableParallelism()));
  #serial = 0;

  constructor(
    readonly manager: ContainerManager,
    readonly steps: StepStore,
    readonly cacheLocks: Map<string, Promise<void>>,
    readonly dockerfile: Dockerfile,
    readonly request: BuildRequest,
    readonly tell: (news: BuildNews) => void,
    readonly findImage: ((name: string) => Promise<Image | undefined> | undefined) | undefined,
    readonly signal: AbortSignal | undefined,
  ) {
    const platform = request.platform ? parsePlatform(request.platform) : hostPlatform();
    if (platform.os !== hostPlatform().os || platform.architecture !== hostPlatform().architecture)
      throw new BayError("UNSUPPORTED", `a build for ${request.platform} on this host is not supported yet`);
    const target = targetStage(dockerfile, request.target);
    this.#options = { escape: dockerfile.directives.escape };
    const automatic = platformArgs(platform, hostPlatform(), target.from.as ?? "default");
    this.#globals = globalArgs(dockerfile.globals, request.args, automatic, this.#options);
    this.#needed = reachable(dockerfile.stages, target, (text) => this.#global(text));
  }

  /** The target stage, and all that it needs. Throws StepFailure, with the place in the Dockerfile. */
  async solve(): Promise<StageState> {
    const target = targetStage(this.dockerfile, this.request.target);
    // all begin; each waits for those that it copies from
    const all = [...this.#needed].map((index) => this.#stage(this.dockerfile.stages[index]!));
    const results = await Promise.allSettled(all);
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
    return this.#stage(target);
  }

  #global(text: string): string {
    return expand(text, (name) => this.#globals.get(name), this.#options).text;
  }

  #stage(stage: Stage): Promise<StageState> {
    const known = this.#solved.get(stage.index);
    if (known) return known;
    const solving = this.#solve(stage);
    solving.catch(() => {}); // whoever waits for it is told
    this.#solved.set(stage.index, solving);
    return solving;
  }

  async #solve(stage: Stage): Promise<StageState> {
    let state = await this.#placed(stage.from, () => this.#begin(stage));
    const scope = new Scope(this.#globals, this.request.args, this.#options, state.config.Env ?? []);
    const triggers = (state.config.OnBuild ?? []).map((text) =>
      readInstruction(parseInstruction(text, "\\", stage.from.place)),
    );
    if (triggers.length > 0) state = { ...state, config: { ...state.config, OnBuild: null } };
    const all: Instruction[] = [...triggers, ...stage.instructions];
    const counted = all.filter(({ kind }) => FILE_STEPS.includes(kind));
    let hasOwnCommand = false;
    for (const instruction of all) {
      const number = counted.indexOf(instruction) + 1;
      const title = `[${stage.from.as ?? `stage-${stage.index}`} ${number}/${counted.length}] ${oneLine(instruction.text)}`;
      state = await this.#placed(instruction, () =>
        this.#apply(state, instruction, { stage, scope, title, hasOwnCommand }),
      );
      scope.env = state.config.Env ?? [];
      hasOwnCommand ||= instruction.kind === "cmd";
    }
    return state;
  }

  /** Errors of an instruction carry its place. */
  async #placed<T>(instruction: Pick<Instruction, "place" | "text">, action: () => Promise<T>): Promise<T> {
    try {
      if (this.signal?.aborted) throw new BayError("ABORTED", "the build was broken off");
      return await action();
    } catch (error) {
      if (error instanceof StepFailure || !(error instanceof BayError) || error.code === "ABORTED")
        throw error;
      throw new StepFailure(error, instruction.place, this.dockerfile.source);
    }
  }

  async #begin(stage: Stage): Promise<StageState> {
    const name = this.#global(stage.from.image);
    const platform = stage.from.platform && this.#global(stage.from.platform);
    if (platform) {
      const wanted = parsePlatform(platform);
      if (wanted.architecture !== hostPlatform().architecture || wanted.os !== hostPlatform().os)
        throw new BayError("UNSUPPORTED", `a stage for ${platform} on this host is not supported yet`);
    }
    const base = findStage(this.dockerfile.stages, name, stage.index);
    if (base) return this.#stage(base);
    if (name === "scratch")
      return {
        key: "scratch",
        links: [],
        config: { Env: [DEFAULT_PATH] },
        history: [],
        createdAt: new Date(0).toISOString(),
        author: undefined,
      };
    return this.#fromImage(await this.#image(name));
  }

  #fromImage(image: Image): StageState {
    const { config } = image;
    const layers = this.manager.images.layersOf(image);
    const names = new Map(image.lower.map((name) => [name, name]));
    return {
      key: digestOf(["image", image.manifest.digest]),
      links: config.rootfs.diff_ids.map((diffId, index) => ({
        kind: "image",
        name: names.get(diffId.slice(7, 23))!,
        descriptor: layers[index]!,
        diffId,
      })),
      config: config.config ?? {},
      history: [...(config.history ?? [])],
      createdAt: config.created ?? image.createdAt,
      author: config.author,
    };
  }

  /** An image by name: another context's, or one of this host or its registry. */
  #image(name: string): Promise<Image> {
    const context = this.request.contexts[name];
    if (context?.kind === "folder")
      throw new BayError("UNSUPPORTED", `FROM ${name}: that context is a folder, and no image`);
    const reference = context?.reference ?? name;
    const known = this.#images.get(reference);
    if (known) return known;
    const step = this.#serial++;
    const title = `[image] ${reference}`;
    const getting = (async () => {
      const { images } = this.manager;
      const own = await this.findImage?.(reference);
      if (own) return own;
      const isHere = images.records.byId(reference) ?? images.records.find(reference);
      if (isHere && !this.request.pull) return images.get(isHere.reference, isHere.id);
      this.tell({ step, kind: "started", title });
      const begun = Date.now();
      const credentials = await findCredentials(parseReference(reference).registry);
      try {
        const image = await images.pull(reference, { credentials, signal: this.signal });
        this.tell({ step, kind: "done", title, seconds: (Date.now() - begun) / 1000 });
        return image;
      } catch (error) {
        // one that bay made itself is in no registry
        if (isHere) return images.get(isHere.reference, isHere.id);
        this.tell({ step, kind: "failed", title });
        throw error;
      }
    })();
    this.#images.set(reference, getting);
    return getting;
  }

  async #apply(
    state: StageState,
    instruction: Instruction,
    place: { stage: Stage; scope: Scope; title: string; hasOwnCommand: boolean },
  ): Promise<StageState> {
    const { scope } = place;
    switch (instruction.kind) {
      case "from":
        return state;
      case "arg":
        scope.declare(instruction);
        return this.#noted(state, instruction, []);
      case "maintainer":
        return { ...this.#noted(state, instruction, [instruction.value]), author: instruction.value };
      case "run":
        return this.#run(state, instruction, place);
      case "copy":
      case "add":
        return this.#transfer(state, instruction, place);
      case "workdir":
        return this.#workdir(state, instruction, place);
      default: {
        if (!isMeta(instruction)) return state;
        const config = applyToConfig(state.config, instruction, {
          lookup: scope.lookup,
          options: this.#options,
          hasOwnCommand: place.hasOwnCommand,
        });
        return { ...this.#noted(state, instruction, []), config };
      }
    }
  }

  /** An instruction that makes no layer. ARG and ENV are part of the keys of the RUNs that see them, and of no others. */
  #noted(state: StageState, { text }: Instruction, _parts: unknown[]): StageState {
    const history = [
      ...state.history,
      { created: state.createdAt, created_by: oneLine(text), empty_layer: true, comment: COMMENT },
    ];
    return { ...state, history };
  }

  #lower(state: StageState): string[] {
    const names = state.links.flatMap((link) =>
      link.kind === "image" ? [link.name] : link.record.layer === undefined ? [] : [link.record.layer],
    );
    return [...new Set(names.reverse())];
  }

  /** Does a step or takes it from the cache, and puts it on the stage. */
  async #step(
    state: StageState,
    instruction: Instruction,
    { title, stage }: { title: string; stage: Stage },
    key: string,
    make: (places: { upper: string; work: string }, step: number) => Promise<void>,
    createdBy = oneLine(instruction.text),
  ): Promise<StageState> {
    const step = this.#serial++;
    const isFresh =
      this.request.noCache || this.request.noCacheFilter.includes(stage.from.as ?? String(stage.index));
    let record = isFresh ? undefined : this.steps.find(key);
    if (record) this.tell({ step, kind: "cached", title });
    else {
      this.tell({ step, kind: "started", title });
      const begun = Date.now();
      const seconds = () => (Date.now() - begun) / 1000;
      try {
        record = await this.steps.run(key, oneLine(instruction.text), (places) =>
          this.#turns.take(() => make(places, step)),
        );
      } catch (error) {
        this.tell({ step, kind: "failed", title, seconds: seconds() });
        throw error;
      }
      this.tell({ step, kind: "done", title, seconds: seconds() });
    }
    const isEmpty = record.layer === undefined;
    return {
      ...state,
      // what was made anew makes all that follows anew
      key: digestOf([key, record.createdAt]),
      links: isEmpty ? state.links : [...state.links, { kind: "step", record }],
      createdAt: record.createdAt,
      history: [
        ...state.history,
        {
          created: record.createdAt,
          created_by: createdBy,
          comment: COMMENT,
          ...(isEmpty ? { empty_layer: true } : {}),
        },
      ],
    };
  }

  // ---- RUN

  async #run(
    state: StageState,
    instruction: InstructionOf<"run">,
    place: { stage: Stage; scope: Scope; title: string },
  ): Promise<StageState> {
    const { scope } = place;
    if (instruction.security === "insecure" && !this.request.insecure)
      throw new BayError("NOT_ALLOWED", "RUN --security=insecure was not allowed", {
        hint: "--allow security.insecure",
      });
    const words = commandText(instruction);
    const args = commandWords(state.config, { ...instruction.command, words });
    const mounts = instruction.mounts.map((text) => parseRunMount(scope.text(text)));
    const sources = await Promise.all(mounts.map((mount) => this.#mountSource(mount, place.stage)));
    const { env, proxies } = scope.environment();
    const network = instruction.network === "default" ? this.request.network : instruction.network;
    const config = state.config;
    const key = digestOf([
      "run",
      state.key,
      args,
      env,
      config.User ?? "",
      config.WorkingDir ?? "",
      mounts,
      sources.map((source) => source?.key ?? ""),
      network,
      instruction.security,
    ]);
    const make = async ({ upper, work }: { upper: string; work: string }, step: number) => {
      const runMounts = new RunMounts(this.manager, this.request, (id) => this.#lockCache(id));
      const output = new Tail(OUTPUT_KEPT);
      try {
        for (const [index, mount] of mounts.entries()) await runMounts.add(mount, sources[index]?.files);
        const { images } = this.manager;
        const code = await this.manager.runTask({
          name: `build ${place.title.slice(0, 40)}`,
          args,
          env: [...env, ...proxies, ...runMounts.env],
          workdir: config.WorkingDir ?? "/",
          user: config.User ?? "",
          overlay: {
            layersDirectory: this.steps.directory,
            lower: [...this.#lower(state), images.layers.mountPoints()],
            upper,
            work,
          },
          mounts: runMounts.mounts,
          network,
          extraHosts: this.request.extraHosts,
          hostname: "buildkitsandbox",
          shmSize: this.request.shmSize ?? SHM_SIZE,
          ulimits: this.request.ulimits,
          insecure: instruction.security === "insecure",
          onOutput: (_stream, bytes) => {
            const text = bytes.toString("utf8");
            output.add(text);
            this.tell({ step, kind: "output", title: place.title, text });
          },
          signal: this.signal,
        });
        if (code !== 0)
          throw new StepFailure(
            new BayError("BUILD_FAILED", `the command ended with exit code ${code}`),
            instruction.place,
            this.dockerfile.source,
            output.lines(),
          );
        removeStubs(
          upper,
          mounts.flatMap((mount) => (mount.target === undefined ? [] : [mount.target])),
        );
      } finally {
        runMounts.close();
      }
    };
    return this.#step(state, instruction, place, key, make, `RUN ${oneLine(args.join(" "))}`);
  }

  async #mountSource(
    mount: RunMount,
    stage: Stage,
  ): Promise<{ key: string; files: MountSource | undefined } | undefined> {
    if (mount.type !== "bind") return undefined;
    if (mount.from === undefined) {
      const key = await this.#contextDigest({
        root: this.#contextRoot(undefined),
        sources: [mount.source],
        ignore: this.request.ignore,
        excludes: [],
      });
      return { key, files: undefined };
    }
    const state = await this.#stateOf(mount.from, stage);
    return { key: state.key, files: { layersDirectory: this.steps.directory, lower: this.#lower(state) } };
  }

  /** A stage, an image, by what `from` calls it. */
  async #stateOf(name: string, stage: Stage): Promise<StageState> {
    const other = findStage(this.dockerfile.stages, name, stage.index);
    if (other) return this.#stage(other);
    return this.#fromImage(await this.#image(name));
  }

  /** Others wait until the holder is done. */
  async #lockCache(id: string): Promise<() => void> {
    while (this.cacheLocks.has(id)) await this.cacheLocks.get(id);
    let release: () => void = () => {};
    this.cacheLocks.set(
      id,
      new Promise((resolve) => {
        release = () => {
          this.cacheLocks.delete(id);
          resolve();
        };
      }),
    );
    return release;
  }

  // ---- COPY, ADD, WORKDIR

  #contextRoot(name: string | undefined): TreeRoot {
    if (name !== undefined) {
      const named = this.request.contexts[name];
      if (named?.kind === "folder") return { kind: "folder", path: named.path };
    }
    if (this.request.context === undefined)
      throw new BayError("NO_CONTEXT", "the build has no context to copy from", {
        hint: "give it a folder",
      });
    return { kind: "folder", path: this.request.context };
  }

  #contextDigest(selection: Selection): Promise<string> {
    const { root } = selection;
    const directory = join(this.manager.roots.root, "build-cache");
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const cacheFile =
      root.kind === "folder"
        ? join(directory, `digests-${digestOf([root.path]).slice(0, 24)}.json`)
        : undefined;
    return runTreeTask({ kind: "digest", selection, cacheFile });
  }

  get #staging(): string {
    return join(this.manager.roots.run, "rootfs");
  }

  #into(state: StageState, { upper, work }: { upper: string; work: string }): TreeTarget {
    return {
      directory: this.steps.directory,
      lower: this.#lower(state),
      upper,
      work,
      staging: this.#staging,
    };
  }

  async #transfer(
    state: StageState,
    instruction: InstructionOf<"copy"> | InstructionOf<"add">,
    place: { stage: Stage; scope: Scope; title: string },
  ): Promise<StageState> {
    const { scope } = place;
    const words = instruction.sources.map((source) => scope.text(source));
    const isRemote = (source: string) =>
      instruction.kind === "add" && /^(https?|ftp):\/\/|^git@|\.git(#|$)/.test(source);
    const [remote, sources] = [words.filter(isRemote), words.filter((word) => !isRemote(word))];
    const options = this.#copyOptions(state, instruction, scope, words.length);
    let next = state;
    if (sources.length > 0) next = await this.#copy(next, instruction, place, sources, options);
    for (const url of remote) next = await this.#download(next, instruction, place, url, options);
    if (instruction.heredocs.length > 0) next = await this.#writeGiven(next, instruction, place, options);
    return next;
  }

  #copyOptions(
    state: StageState,
    instruction: Transfer & { kind: string },
    scope: Scope,
    count: number,
  ): CopyOptions {
    const written = scope.text(instruction.target);
    const base = written.startsWith("/") ? written : posix.join(state.config.WorkingDir || "/", written);
    const isDirectory = /(^|\/)\.{0,2}$/.test(written);
    const target = `${posix.normalize(base).replace(/(.)\/$/, "$1")}${isDirectory && base !== "/" ? "/" : ""}`;
    if (count + instruction.heredocs.length > 1 && !isDirectory)
      throw new BayError(
        "BAD_DOCKERFILE",
        "with several sources the target is a directory, and ends with a /",
      );
    const mode = instruction.chmod === undefined ? undefined : scope.text(instruction.chmod);
    if (mode !== undefined && !/^[0-7]{1,4}$/.test(mode))
      throw new BayError("BAD_DOCKERFILE", `--chmod: ${JSON.stringify(mode)} is no octal mode`);
    const epoch = this.request.args.SOURCE_DATE_EPOCH;
    return {
      target,
      owner:
        instruction.chown === undefined
          ? undefined
          : resolveOwner(scope.text(instruction.chown), this.steps.directory, this.#lower(state)),
      mode: mode === undefined ? undefined : Number.parseInt(mode, 8),
      parents: "parents" in instruction && instruction.parents === true,
      unpack: instruction.kind === "add" && (instruction as InstructionOf<"add">).unpack !== false,
      newest: epoch !== undefined && /^\d+$/.test(epoch) ? Number(epoch) : undefined,
    };
  }

  async #copy(
    state: StageState,
    instruction: InstructionOf<"copy"> | InstructionOf<"add">,
    place: { stage: Stage; scope: Scope; title: string },
    sources: string[],
    options: CopyOptions,
  ): Promise<StageState> {
    const from =
      instruction.kind === "copy" && instruction.from ? place.scope.text(instruction.from) : undefined;
    const excludes = instruction.excludes.map((pattern) => place.scope.text(pattern));
    const named = from === undefined ? undefined : this.request.contexts[from];
    const isFolder = from === undefined || named?.kind === "folder";
    const root: TreeRoot = isFolder
      ? this.#contextRoot(from)
      : {
          kind: "layers",
          directory: this.steps.directory,
          lower: this.#lower(await this.#stateOf(from, place.stage)),
          staging: this.#staging,
        };
    const selection = { root, sources, ignore: from === undefined ? this.request.ignore : [], excludes };
    const digest = await this.#contextDigest(selection);
    const key = digestOf(["copy", state.key, digest, options, instruction.kind]);
    return this.#step(state, instruction, place, key, async (places) => {
      await runTreeTask({ kind: "copy", selection, into: this.#into(state, places), options });
    });
  }

  async #writeGiven(
    state: StageState,
    instruction: InstructionOf<"copy"> | InstructionOf<"add">,
    place: { stage: Stage; scope: Scope; title: string },
    options: CopyOptions,
  ): Promise<StageState> {
    const files = instruction.heredocs.map(({ name, content, expand: isExpanded }) => ({
      name,
      content: isExpanded ? expandLines(content, place.scope) : content,
    }));
    const key = digestOf(["write", state.key, files, options]);
    return this.#step(state, instruction, place, key, async (places) => {
      await runTreeTask({ kind: "write", files, into: this.#into(state, places), options });
    });
  }

  async #download(
    state: StageState,
    instruction: InstructionOf<"copy"> | InstructionOf<"add">,
    place: { stage: Stage; scope: Scope; title: string },
    url: string,
    options: CopyOptions,
  ): Promise<StageState> {
    if (!/^https?:\/\//.test(url) || /\.git(#|$)/.test(url))
      throw new BayError("UNSUPPORTED", `ADD ${url}: a git repository is not supported yet`, {
        hint: "clone it in a RUN",
      });
    const checksum =
      instruction.kind === "add" ? instruction.checksum && place.scope.text(instruction.checksum) : undefined;
    const folder = mkdtempSync(join(this.manager.roots.run, "build-"));
    try {
      const name = basename(new URL(url).pathname) || "index.html";
      const file = join(folder, name);
      const { headers } = await web.fetchUrl(url, file, { signal: this.signal });
      const modified = Date.parse(String([headers["last-modified"] ?? ""].flat()[0]));
      const time = Number.isNaN(modified) ? 0 : modified / 1000;
      utimesSync(file, time, time);
      const selection: Selection = {
        root: { kind: "folder", path: folder },
        sources: [name],
        ignore: [],
        excludes: [],
      };
      const hash = await fileDigest(file);
      if (checksum && checksum !== hash)
        throw new BayError("WRONG_DIGEST", `ADD ${url}: its content is ${hash}, and not ${checksum}`);
      const isUnpacked = instruction.kind === "add" && instruction.unpack === true;
      const fileOptions = {
        ...options,
        unpack: isUnpacked,
        mode: options.mode ?? (isUnpacked ? undefined : 0o600),
      };
      const key = digestOf(["download", state.key, name, hash, fileOptions]);
      return await this.#step(state, instruction, place, key, async (places) => {
        await runTreeTask({ kind: "copy", selection, into: this.#into(state, places), options: fileOptions });
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async #workdir(
    state: StageState,
    instruction: InstructionOf<"workdir">,
    place: { stage: Stage; scope: Scope; title: string },
  ): Promise<StageState> {
    const path = workingDirectory(state.config, place.scope.text(instruction.value));
    const config = { ...state.config, WorkingDir: path };
    const key = digestOf(["workdir", state.key, path, state.config.User ?? ""]);
    const owner = state.config.User
      ? resolveOwner(state.config.User, this.steps.directory, this.#lower(state))
      : { uid: 0, gid: 0 };
    const next = await this.#step(state, instruction, place, key, async (places) => {
      await runTreeTask({ kind: "directory", into: this.#into(state, places), path, owner });
    });
    return { ...next, config };
  }
}

const COMMENT = "bay build";
const FILE_STEPS = ["run", "copy", "add", "workdir"];

export const digestOf = (parts: unknown): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex");

async function fileDigest(file: string): Promise<string> {
  const hash = createHash("sha256");
  const { createReadStream } = await import("node:fs");
  for await (const part of createReadStream(file)) hash.update(part as Buffer);
  return `sha256:${hash.digest("hex")}`;
}

const oneLine = (text: string) => text.replace(/\s+/g, " ").trim();

/** In a here-document variables are replaced, and quotes mean nothing. */
function expandLines(content: string, scope: Scope): string {
  return content.replace(/\\\$|\$(?:\{[^}]*\}|[A-Za-z_][A-Za-z0-9_]*)/g, (found) =>
    found === "\\$" ? "$" : scope.text(found),
  );
}

/** Stages that a target needs. */
function reachable(stages: readonly Stage[], target: Stage, resolve: (text: string) => string): Set<number> {
  const needed = new Set<number>();
  const visit = (stage: Stage | undefined) => {
    if (!stage || needed.has(stage.index)) return;
    needed.add(stage.index);
    visit(findStage(stages, resolve(stage.from.image), stage.index));
    for (const instruction of stage.instructions) {
      if (instruction.kind === "copy" && instruction.from)
        visit(findStage(stages, resolve(instruction.from), stage.index));
      if (instruction.kind === "run")
        for (const mount of instruction.mounts) {
          const from = /(?:^|,)from=([^,]+)/.exec(mount)?.[1];
          if (from) visit(findStage(stages, resolve(from), stage.index));
        }
    }
  };
  visit(target);
  return needed;
}

/** Mount points that the runtime had to make, and that hold nothing, are no part of the layer. */
function removeStubs(upper: string, targets: readonly string[]): void {
  for (const target of targets)
    for (let at = posix.join("/", target); at !== "/"; at = posix.dirname(at)) {
      const place = join(upper, at);
      if (!existsSync(place)) continue;
      try {
        rmdirIfPlain(place);
      } catch {
        break; // there is something in it
      }
    }
}

function rmdirIfPlain(place: string): void {
  const stat = lstatSync(place);
  if (stat.isDirectory()) rmdirSync(place);
  else if (stat.isFile() && stat.size === 0) unlinkSync(place);
  else throw new Error("it holds something");
}

/** Only so many at once. */
class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async take<T>(action: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free -= 1;
    try {
      return await action();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}

/** The last lines of an output. */
class Tail {
  #text = "";

  constructor(readonly count: number) {}

  add(text: string): void {
    this.#text = `${this.#text}${text}`.slice(-(1 << 16));
  }

  lines(): string[] {
    return this.#text.trimEnd().split("\n").slice(-this.count);
  }
}
