/**
 * A build: stages become layers, step by step. A step's key covers all of its inputs, and a step with a known key
 * is not run again. Independent stages run in parallel.
 */
import { nearest } from "../core/diagnostics.ts";
import { BayError } from "../core/errors.ts";
import {
  DEFAULT_PATH,
  formatPlatform,
  hostPlatform,
  type Image,
  layerName,
  type Platform,
  parsePlatform,
} from "../image/index.ts";
import { BuildContext, type BuildSetting, type StepPosition } from "./build-context.ts";
import { type Instruction, readInstruction } from "./dockerfile/instructions.ts";
import { parseInstruction } from "./dockerfile/parse.ts";
import { expand } from "./dockerfile/words.ts";
import { checkInstructions, checkStages } from "./entitlements.ts";
import { StepFailure } from "./failure.ts";
import { findStage } from "./find-stage.ts";
import { applyToConfig, isMeta } from "./run-config.ts";
import { globalArgs, platformArgs, Scope } from "./scope.ts";
import { neededStages } from "./stage-graph.ts";
import { digestOf, oneLine, type StageState, withNote } from "./stage-state.ts";
import { type Stage, targetStage } from "./stages.ts";
import { run } from "./steps/run.ts";
import { transfer } from "./steps/transfer.ts";
import { workdir } from "./steps/workdir.ts";
import { unusedArgs } from "./unused-args.ts";

/** Instructions that make layers; the numbers of steps count them. */
const FILE_STEPS = ["run", "copy", "add", "workdir"];

export class Solver {
  readonly #context: BuildContext;
  readonly #solved = new Map<number, Promise<StageState>>();
  /** Solved stages, for the stages that are based on them. */
  readonly #scopes = new Map<number, Scope>();
  readonly #globals: ReadonlyMap<string, string>;
  readonly #options: { escape: string };
  readonly #target: Stage;
  /** The platform of the image. */
  readonly #platform: Platform;
  /** The target and the stages that it is based on. */
  readonly #kept = new Set<number>();
  /** Names of the ARGs that the build reached. */
  readonly #declared = new Set<string>();
  /** Aborted by the first failure, with that failure as the reason. */
  readonly #broken = new AbortController();

  /** Throws UNKNOWN_TARGET, BAD_PLATFORM, UNSUPPORTED. */
  constructor(readonly setting: BuildSetting) {
    const { dockerfile, request } = setting;
    const { signal = this.#broken.signal } = setting;
    const anySignal = AbortSignal.any([signal, this.#broken.signal]);
    this.#context = new BuildContext({ ...setting, signal: anySignal });
    this.#platform = targetPlatform(request.platform);
    this.#target = targetStage(dockerfile, request.target);
    this.#options = { escape: dockerfile.directives.escape };
    const automatic = platformArgs(this.#platform, hostPlatform(), this.#target.from.as ?? "default");
    this.#globals = globalArgs(dockerfile.globals, request.args, automatic, this.#options);
    for (let stage: Stage | undefined = this.#target; stage; ) {
      this.#kept.add(stage.index);
      stage = this.#stageOf(stage.from.image, stage.index);
    }
  }

  /** Solves the target stage and all stages that it needs. Throws StepFailure, with the place in the Dockerfile; ABORTED. */
  async solve(): Promise<StageState> {
    const { stages, source } = this.setting.dockerfile;
    const needed = neededStages(this.#target, source, (name, before) => this.#stageOf(name, before));
    const { request } = this.setting;
    checkStages(
      needed.map((index) => stages[index]!),
      request,
      source,
    );
    // start all stages; each waits for those that it copies from
    const results = await Promise.allSettled(needed.map((index) => this.#stage(stages[index]!)));
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw this.#broken.signal.aborted ? this.#broken.signal.reason : failed.reason;
    return this.#stage(this.#target);
  }

  /** Names of --build-arg that no ARG uses; known when the build is solved. */
  get unusedArgs(): string[] {
    return unusedArgs(this.setting.dockerfile, this.setting.request.args, this.#declared);
  }

  /** Steps that the build reached, and whether they belong to the image. */
  get used() {
    return this.#context.used;
  }

  /** Work that is shown like a step. */
  timed<T>(title: string, action: () => Promise<T>): Promise<T> {
    return this.#context.timed(title, action);
  }

  close(): void {
    this.#context.close();
  }

  /** A stage by what FROM calls it, or a COPY of any stage where `before` is left out; another context by that name goes before. */
  #stageOf(name: string, before?: number): Stage | undefined {
    const { stages } = this.setting.dockerfile;
    const text = this.#global(name);
    if (this.#context.context(text)) return undefined;
    return findStage(stages, text, before ?? stages.length);
  }

  #global(text: string): string {
    return expand(text, (name) => this.#globals.get(name), this.#options).text;
  }

  #stage(stage: Stage): Promise<StageState> {
    const known = this.#solved.get(stage.index);
    if (known) return known;
    const solving = this.#solve(stage);
    // the stages that wait for this one get the error; the others stop
    solving.catch((error: unknown) => {
      if (!this.setting.isDry && !this.setting.signal?.aborted) this.#broken.abort(error);
    });
    this.#solved.set(stage.index, solving);
    return solving;
  }

  async #solve(stage: Stage): Promise<StageState> {
    let state = await this.#placed(stage.from, () => this.#begin(stage));
    const env = state.config.Env ?? [];
    const base = this.#stageOf(this.#global(stage.from.image), stage.index);
    const baseArgs = base && this.#scopes.get(base.index)?.args;
    const scope = new Scope(this.#globals, this.setting.request.args, this.#options, env, baseArgs);
    this.#scopes.set(stage.index, scope);
    // the ONBUILD triggers of the base
    const triggers = (state.config.OnBuild ?? []).map((text) =>
      readInstruction(parseInstruction(text, "\\", stage.from.place)),
    );
    if (triggers.length > 0) state = { ...state, config: { ...state.config, OnBuild: null } };
    checkInstructions(triggers, this.setting.request, this.setting.dockerfile.source);
    const all: Instruction[] = [...triggers, ...stage.instructions];
    const counted = all.filter(({ kind }) => FILE_STEPS.includes(kind));
    const name = stage.from.as ?? `stage-${stage.index}`;
    const isKept = this.#kept.has(stage.index);
    let hasOwnCommand = false;
    for (const instruction of all) {
      const number = `${counted.indexOf(instruction) + 1}/${counted.length}`;
      const title = `[${name} ${number}] ${oneLine(instruction.text)}`;
      const before = state;
      state = await this.#placed(instruction, () =>
        this.#apply(before, instruction, { stage, scope, title, isKept }, hasOwnCommand),
      );
      scope.env = state.config.Env ?? [];
      hasOwnCommand ||= instruction.kind === "cmd";
    }
    return state;
  }

  /** Errors of an instruction carry its place. */
  async #placed<T>({ place }: Pick<Instruction, "place">, action: () => Promise<T>): Promise<T> {
    try {
      this.#context.checkSignal();
      return await action();
    } catch (error) {
      if (error instanceof StepFailure || !(error instanceof BayError) || error.code === "ABORTED")
        throw error;
      throw new StepFailure(error, place, this.setting.dockerfile.source);
    }
  }

  async #begin(stage: Stage): Promise<StageState> {
    const name = this.#global(stage.from.image);
    const wanted = stage.from.platform && this.#global(stage.from.platform);
    const platform = wanted ? parsePlatform(wanted) : this.#platform;
    const other = this.#stageOf(name, stage.index);
    // a stage has the platform of the stage that it is based on
    if (other) return this.#stage(other);
    if (name !== "scratch") return this.#fromImage(await this.#context.image(name, platform));
    const isOwn = formatPlatform(platform) === formatPlatform(hostPlatform());
    return {
      key: isOwn ? "scratch" : `scratch ${formatPlatform(platform)}`,
      platform,
      links: [],
      config: { Env: [DEFAULT_PATH], WorkingDir: "/" },
      history: [],
      createdAt: new Date(0).toISOString(),
      author: undefined,
    };
  }

  /** Finds a stage or an image by the name in `from`. */
  async #stateOf(name: string): Promise<StageState> {
    const other = this.#stageOf(name);
    if (other) return this.#stage(other);
    const { stages } = this.setting.dockerfile;
    const isNumber = /^\d+$/.test(name) && !this.#context.context(name);
    if (isNumber)
      throw new BayError("BAD_DOCKERFILE", `the stage ${name} does not exist`, {
        hint: `stages are counted from 0, and the Dockerfile has ${stages.length}`,
      });
    try {
      return this.#fromImage(await this.#context.image(name, this.#platform));
    } catch (error) {
      if (!(error instanceof BayError) || error.code === "ABORTED") throw error;
      const close = nearest(
        name,
        stages.flatMap(({ from }) => from.as ?? []),
      );
      const hint = `no stage is named ${name}${close ? `; did you mean ${close}?` : ", so it is treated as an image"}`;
      throw new BayError(error.code, error.message, { hint, cause: error });
    }
  }

  #fromImage(image: Image): StageState {
    const { config } = image;
    const layers = this.setting.manager.images.layersOf(image);
    const { os, architecture, variant } = config;
    const { Env, ...given } = config.config ?? {};
    const hasPath = Env?.some((entry) => entry.startsWith("PATH=")) ?? false;
    return {
      key: digestOf(["image", image.manifest.digest]),
      platform: { os, architecture, ...(variant ? { variant } : {}) },
      links: config.rootfs.diff_ids.map((diffId, index) => ({
        kind: "image",
        name: layerName(diffId),
        descriptor: layers[index]!,
        diffId,
      })),
      config: { ...given, Env: hasPath ? Env : [...(Env ?? []), DEFAULT_PATH] },
      history: [...(config.history ?? [])],
      createdAt: config.created ?? image.createdAt,
      author: config.author,
    };
  }

  async #apply(
    state: StageState,
    instruction: Instruction,
    position: StepPosition,
    hasOwnCommand: boolean,
  ): Promise<StageState> {
    const stateOf = (name: string) => this.#stateOf(name);
    switch (instruction.kind) {
      case "from":
        return state;
      case "run":
        return run(this.#context, state, instruction, position, stateOf);
      case "copy":
      case "add":
        return transfer(this.#context, state, instruction, position, stateOf);
      case "workdir":
        return workdir(this.#context, state, instruction, position);
      case "arg":
        for (const name of position.scope.declare(instruction)) this.#declared.add(name);
        return withNote(state, instruction.text);
      case "maintainer":
        return { ...withNote(state, instruction.text), author: instruction.value };
      default: {
        if (!isMeta(instruction)) return state;
        const { lookup } = position.scope;
        const config = applyToConfig(state.config, instruction, {
          lookup,
          options: this.#options,
          hasOwnCommand,
        });
        return { ...withNote(state, instruction.text), config };
      }
    }
  }
}

/** Throws BAD_PLATFORM, and UNSUPPORTED for several platforms at once. */
function targetPlatform(text: string | undefined): Platform {
  if (text?.includes(","))
    throw new BayError("UNSUPPORTED", `cannot build for ${text}: only one platform can be built at a time`, {
      hint: "build each platform separately, under a different name",
    });
  return parsePlatform(text || undefined);
}
