/** RUN: a command on the stage's files, in a task of the runtime. */
import { join } from "node:path";
import type { TaskConfig } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import { resolveInLayers } from "../../image/index.ts";
import type { BuildContext, LayerPlaces, StepPosition } from "../build-context.ts";
import type { InstructionOf } from "../dockerfile/instructions.ts";
import { parseRunMount, placeRunMount, type RunMount } from "../dockerfile/run-mount.ts";
import { checkRuns } from "../emulation.ts";
import { checkEntitlements } from "../entitlements.ts";
import { StepFailure } from "../failure.ts";
import { commandWords } from "../run-config.ts";
import { digestOf, lowerOf, oneLine, type StageState } from "../stage-state.ts";
import { literal, runTreeTask, type Selection } from "../tree/tasks.ts";
import { removeStubs } from "./mount-stubs.ts";
import { OutputTail } from "./output-tail.ts";
import { type MountSource, RunMounts } from "./run-mounts.ts";

const OUTPUT_KEPT = 40;
/** The most output that one step reports, so that it cannot flood clients. BuildKit has the same limit. */
const OUTPUT_TOLD = 2 << 20;
const SHM_SIZE = 64 << 20;

/** Mounted files: a key of their inputs, and how to fetch them when they are needed. */
interface Mounted {
  key: string;
  files: () => Promise<MountSource>;
}

/** Returns the state of another stage or image, by the name in `from`. */
export type StateOf = (name: string) => Promise<StageState>;

export async function run(
  context: BuildContext,
  state: StageState,
  instruction: InstructionOf<"run">,
  position: StepPosition,
  stateOf: StateOf,
): Promise<StageState> {
  const { request } = context;
  // checked again for triggers of the base image, which are unknown before the build
  checkEntitlements(instruction, request);
  const args = commandWords(state.config, { ...instruction.command, words: commandText(instruction) });
  const { User = "", WorkingDir = "/" } = state.config;
  const mounts = instruction.mounts.map((text) =>
    placeRunMount(parseRunMount(position.scope.text(text)), WorkingDir || "/"),
  );
  const mounted = await Promise.all(mounts.map((mount) => sourceOf(context, mount, stateOf)));
  const { env, proxies } = position.scope.environment();
  const network = instruction.network === "default" ? request.network : instruction.network;
  const sources = mounted.map((each) => each?.key ?? "");
  const { security } = instruction;
  const key = digestOf(["run", state.key, args, env, User, WorkingDir, mounts, sources, network, security]);
  const make = async ({ upper, work }: LayerPlaces, step: number) => {
    checkRuns(state.platform);
    const { manager, tell, signal } = context.setting;
    const output = new OutputTail(OUTPUT_KEPT);
    let left = OUTPUT_TOLD;
    const onOutput: TaskConfig["onOutput"] = (_stream, bytes) => {
      output.add(bytes);
      if (left <= 0) return;
      left -= bytes.length;
      const end = left <= 0 ? "\n[output clipped, log limit 2MiB reached]\n" : "";
      tell({ step, kind: "output", title: position.title, text: bytes.toString("utf8") + end });
    };
    const lower = [...lowerOf(state), manager.images.layers.mountPoints()];
    const directories = lower.map((name) => join(context.layersDirectory, name));
    const targets = mounts.flatMap(({ target = "/" }) => resolveInLayers(directories, target));
    const places = new RunMounts(context);
    try {
      for (const [index, mount] of mounts.entries()) await places.add(mount, await mounted[index]?.files());
      const code = await manager.tasks.run({
        name: `build ${position.title.slice(0, 40)}`,
        args,
        env: [...env, ...proxies, ...places.env],
        workdir: WorkingDir,
        user: User,
        overlay: { layersDirectory: context.layersDirectory, lower, upper, work },
        mounts: places.mounts,
        network,
        extraHosts: request.extraHosts,
        hostname: "build",
        shmSize: request.shmSize ?? SHM_SIZE,
        ulimits: request.ulimits,
        insecure: security === "insecure",
        onOutput,
        signal,
      });
      if (code !== 0) throw failed(context, instruction, code, output);
      removeStubs(upper, targets);
    } finally {
      places.close();
    }
  };
  return context.step(state, instruction, position, key, make, {
    createdBy: `RUN ${oneLine(args.join(" "))}`,
  });
}

function failed(
  context: BuildContext,
  { place }: InstructionOf<"run">,
  code: number,
  output: OutputTail,
): StepFailure {
  const cause = new BayError("BUILD_FAILED", `the command ended with exit code ${code}`);
  return new StepFailure(cause, place, context.setting.dockerfile.source, output.lines());
}

/** The command to run: for a shell with its here-documents, or in exec form. */
function commandText({ command, heredocs }: InstructionOf<"run">): string[] {
  if (!command.isShell || heredocs.length === 0) return command.words;
  const [line = ""] = command.words;
  const [only] = heredocs;
  // `RUN <<EOF` alone: the document is the script
  if (heredocs.length === 1 && /^<<-?\s*(["']?)[^\s"']+\1$/.test(line.trim())) return [only!.content];
  return [[line, ...heredocs.map(({ content, name }) => `${content}${name}`)].join("\n")];
}

async function sourceOf(
  context: BuildContext,
  mount: RunMount,
  stateOf: StateOf,
): Promise<Mounted | undefined> {
  if (mount.type !== "bind" && (mount.type !== "cache" || mount.from === undefined)) return undefined;
  const { from, source } = mount;
  const { layersDirectory } = context;
  if (from !== undefined && !context.hasFiles(from)) {
    const state = await stateOf(from);
    const files = { key: state.key, layersDirectory, lower: lowerOf(state) };
    return { key: state.key, files: () => Promise.resolve(files) };
  }
  const selection = {
    root: await context.folder(from),
    sources: [literal(source)],
    ignore: from === undefined ? context.request.ignore : [],
    excludes: [],
  };
  const key = digestOf(["mounted", source, await context.digest(selection)]);
  return { key, files: () => copied(context, selection, key, source) };
}

/** Files of a directory as a layer, without files that the ignore file excludes, and without owners of this host. */
async function copied(
  context: BuildContext,
  selection: Selection,
  key: string,
  source: string,
): Promise<MountSource> {
  const { steps } = context.setting;
  const { layersDirectory, staging } = context;
  const make = async ({ upper, work }: LayerPlaces) => {
    const into = { directory: layersDirectory, lower: [], upper, work, staging };
    const options = { target: "/", owner: undefined, mode: undefined, parents: true, unpack: false };
    await runTreeTask({ kind: "copy", selection, into, options: { ...options, newest: undefined } });
  };
  const known = steps.find(key) ?? (await steps.run(key, `mounted ${source}`, make));
  return { key, layersDirectory, lower: known.layer === undefined ? [] : [known.layer] };
}
