/** ADD of a remote source: a file of a web server, or a git repository. */
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, rmSync, utimesSync } from "node:fs";
import { basename, join } from "node:path";
import { BayError } from "../../core/errors.ts";
import { withoutPasswords } from "../../core/redaction.ts";
import { web } from "../../image/index.ts";
import type { BuildContext, StepPosition } from "../build-context.ts";
import type { InstructionOf } from "../dockerfile/instructions.ts";
import { NotLookedAt } from "../outdated.ts";
import { isGitUrl, parseGitUrl } from "../sources/git-url.ts";
import { digestOf, type StageState } from "../stage-state.ts";
import { type CopyOptions, literal, runTreeTask, type Selection } from "../tree/tasks.ts";

/** Only the owner can read a downloaded file, as the reference says. */
const DOWNLOADED_MODE = "600";

export const isRemoteSource = (word: string): boolean => /^https?:\/\//.test(word) || isGitUrl(word);

type Add = InstructionOf<"add">;

/** Throws WRONG_DIGEST if --checksum differs, GIT_FAILED, FETCH_FAILED. */
export function addRemote(
  context: BuildContext,
  state: StageState,
  instruction: Add,
  position: StepPosition,
  url: string,
  options: CopyOptions,
): Promise<StageState> {
  if (context.setting.isDry) throw new NotLookedAt(`the current content of ${withoutPasswords(url)}`);
  const add = isGitUrl(url) ? clone : download;
  return add(context, state, instruction, position, url, options);
}

async function download(
  context: BuildContext,
  state: StageState,
  { checksum, unpack, text, place }: Add,
  position: StepPosition,
  url: string,
  options: CopyOptions,
): Promise<StageState> {
  // on the disk, because a large download could fill /run
  const folder = context.setting.manager.images.layers.temporary();
  mkdirSync(folder, { mode: 0o700 });
  try {
    const name = nameOf(url, options.target);
    const file = join(folder, name);
    const { headers } = await web.fetchUrl(url, file, { signal: context.setting.signal });
    const modified = Date.parse(String([headers["last-modified"] ?? ""].flat()[0]));
    const time = Number.isNaN(modified) ? 0 : modified / 1000;
    utimesSync(file, time, time);
    const digest = await fileDigest(file);
    const wanted = checksum && position.scope.text(checksum);
    if (wanted && wanted !== digest)
      throw new BayError(
        "WRONG_DIGEST",
        `ADD ${withoutPasswords(url)}: the digest is ${digest}, expected ${wanted}`,
      );
    const isUnpacked = unpack === true;
    const mode = options.mode ?? (isUnpacked ? undefined : DOWNLOADED_MODE);
    const own = { ...options, unpack: isUnpacked, mode };
    const selection = everything(folder, literal(name));
    const key = digestOf(["download", state.key, name, digest, own]);
    return await context.step(state, { text, place }, position, key, async (places) => {
      await runTreeTask({ kind: "copy", selection, into: context.into(state, places), options: own });
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The name of a downloaded file: from its URL or from the target. Throws BAD_DOCKERFILE. */
function nameOf(url: string, target: string): string {
  const name = basename(new URL(url).pathname);
  if (name !== "") return name;
  if (!target.endsWith("/")) return "download";
  throw new BayError("BAD_DOCKERFILE", `ADD: ${withoutPasswords(url)} does not end with a file name`, {
    hint: "add the file name to the target",
  });
}

const everything = (path: string, source: string): Selection => ({
  root: { kind: "folder", path },
  sources: [source],
  ignore: [],
  excludes: [],
});

async function fileDigest(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(file)) hash.update(part as Buffer);
  return `sha256:${hash.digest("hex")}`;
}

/** The commit identifies the files; they are checked out only if the step is not cached. */
async function clone(
  context: BuildContext,
  state: StageState,
  { checksum, keepGitDir, text, place }: Add,
  position: StepPosition,
  url: string,
  options: CopyOptions,
): Promise<StageState> {
  const { repositories, folders } = context.setting;
  const given = parseGitUrl(url);
  const wanted = (checksum && position.scope.text(checksum)) || given.checksum;
  const repository = { ...given, keepGitDir: keepGitDir || given.keepGitDir, checksum: wanted };
  const commit = await repositories.resolve(repository, folders.setting.access);
  const own = { ...options, unpack: false };
  const { folder, submodules } = repository;
  const key = digestOf(["git", state.key, commit, folder, submodules, repository.keepGitDir, own]);
  return context.step(state, { text, place }, position, key, async (places) => {
    const { path } = await folders.checkedOut(repository, commit);
    const into = context.into(state, places);
    await runTreeTask({ kind: "copy", selection: everything(path, "/"), into, options: own });
  });
}
