/** COPY and ADD: files of a context, another stage, a URL or the Dockerfile itself become a layer. */
import { posix } from "node:path";
import { resolveOwner } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import { withoutPasswords } from "../../core/redaction.ts";
import type { BuildContext, LayerPlaces, StepPosition } from "../build-context.ts";
import type { InstructionOf } from "../dockerfile/instructions.ts";
import type { Scope } from "../scope.ts";
import { isGitUrl } from "../sources/git-url.ts";
import { digestOf, lowerOf, type StageState } from "../stage-state.ts";
import { parseMode } from "../tree/mode.ts";
import { type CopyOptions, runTreeTask, type TreeRoot } from "../tree/tasks.ts";
import { epochOf } from "../types.ts";
import { addRemote, isRemoteSource } from "./add-remote.ts";
import type { StateOf } from "./run.ts";

type Transfer = InstructionOf<"copy"> | InstructionOf<"add">;

export async function transfer(
  context: BuildContext,
  state: StageState,
  instruction: Transfer,
  position: StepPosition,
  stateOf: StateOf,
): Promise<StageState> {
  const words = instruction.sources.map((source) => position.scope.text(source));
  const isRemote = (word: string) => instruction.kind === "add" && isRemoteSource(word);
  const local = words.filter((word) => !isRemote(word));
  if (instruction.kind === "add") checkChecksum(instruction, position.scope, words);
  else refuseUrls(words);
  const options = copyOptions(context, state, instruction, position.scope);
  let next = state;
  if (local.length > 0) next = await copy(context, next, instruction, position, stateOf, local, options);
  if (instruction.kind === "add")
    for (const url of words.filter(isRemote))
      next = await addRemote(context, next, instruction, position, url, options);
  if (instruction.heredocs.length > 0) next = await writeGiven(context, next, instruction, position, options);
  return next;
}

/** Ignoring a checksum would make it look verified. */
function checkChecksum({ checksum, heredocs }: InstructionOf<"add">, scope: Scope, words: string[]): void {
  const wanted = checksum && scope.text(checksum);
  if (!wanted) return;
  const bad = (message: string, hint: string) =>
    new BayError("BAD_DOCKERFILE", `ADD --checksum: ${message}`, { hint });
  const [word = "", ...more] = words;
  if (more.length > 0 || heredocs.length > 0)
    throw bad("--checksum supports only one source", "use one ADD per source");
  if (!isRemoteSource(word))
    throw bad(`${word} is neither a URL nor a git repository`, "only downloads can have a checksum");
  if (isGitUrl(word) ? !/^[0-9a-f]{7,64}$/.test(wanted) : !/^sha256:[0-9a-f]{64}$/.test(wanted))
    throw bad(
      `invalid ${isGitUrl(word) ? "commit" : "digest"} ${JSON.stringify(wanted)}`,
      isGitUrl(word)
        ? "use the hash of the commit, or its beginning"
        : "use sha256: and 64 hexadecimal digits",
    );
}

function refuseUrls(words: readonly string[]): void {
  const url = words.find((word) => /^https?:\/\//.test(word));
  if (url === undefined) return;
  throw new BayError("BAD_DOCKERFILE", `COPY does not support URLs: ${withoutPasswords(url)}`, {
    hint: "use ADD",
  });
}

function copyOptions(
  context: BuildContext,
  state: StageState,
  instruction: Transfer,
  scope: Scope,
): CopyOptions {
  const written = scope.text(instruction.target);
  const base = posix.join(written.startsWith("/") ? "/" : state.config.WorkingDir || "/", written);
  const isDirectory = /(^|\/)\.{0,2}$/.test(written);
  if (instruction.sources.length + instruction.heredocs.length > 1 && !isDirectory)
    throw new BayError(
      "BAD_DOCKERFILE",
      "with several sources the target must be a directory that ends with /",
    );
  const mode = instruction.chmod && scope.text(instruction.chmod);
  if (mode) parseMode(mode);
  const owner = instruction.chown && scope.text(instruction.chown);
  return {
    target: `${base.replace(/(.)\/$/, "$1")}${isDirectory && base !== "/" ? "/" : ""}`,
    owner: owner ? resolveOwner(owner, context.layersDirectory, lowerOf(state)) : undefined,
    mode: mode || undefined,
    parents: instruction.kind === "copy" && instruction.parents,
    unpack: instruction.kind === "add" && instruction.unpack !== false,
    newest: epochOf(context.request),
  };
}

async function copy(
  context: BuildContext,
  state: StageState,
  instruction: Transfer,
  position: StepPosition,
  stateOf: StateOf,
  sources: string[],
  options: CopyOptions,
): Promise<StageState> {
  const { scope } = position;
  const from = instruction.kind === "copy" && instruction.from ? scope.text(instruction.from) : undefined;
  const excludes = instruction.excludes.map((pattern) => scope.text(pattern));
  const ignore = from === undefined ? context.request.ignore : [];
  const selection = { root: await rootOf(context, from, stateOf), sources, ignore, excludes };
  const digest = await context.digest(selection);
  // the number changes with the rules of copying; --link: a layer of its own, for any base, in which no symlink of the base leads anywhere
  const { link } = instruction;
  const key = digestOf(["copy 2", link ? "" : state.key, digest, options, instruction.kind]);
  const make = async (places: LayerPlaces) => {
    const into = context.into(state, places);
    await runTreeTask({ kind: "copy", selection, into: link ? { ...into, lower: [] } : into, options });
  };
  return context.step(state, instruction, position, key, make, { isIndependent: link });
}

async function rootOf(context: BuildContext, from: string | undefined, stateOf: StateOf): Promise<TreeRoot> {
  if (from === undefined || context.hasFiles(from)) return context.folder(from);
  const lower = lowerOf(await stateOf(from));
  return { kind: "layers", directory: context.layersDirectory, lower, staging: context.staging };
}

async function writeGiven(
  context: BuildContext,
  state: StageState,
  instruction: Transfer,
  position: StepPosition,
  options: CopyOptions,
): Promise<StageState> {
  const files = instruction.heredocs.map(({ name, content, expand }) => ({
    name,
    content: expand ? expandLines(content, position.scope) : content,
  }));
  const key = digestOf(["write", state.key, files, options]);
  return context.step(state, instruction, position, key, async (places) => {
    await runTreeTask({ kind: "write", files, into: context.into(state, places), options });
  });
}

/** In a here-document variables are replaced, and quotes have no meaning. */
function expandLines(content: string, scope: Scope): string {
  return content.replace(/\\\$|\$(?:\{[^}]*\}|[A-Za-z_][A-Za-z0-9_]*)/g, (found) =>
    found === "\\$" ? "$" : scope.text(found),
  );
}
