/** A stack file in a git repository: `https://host/repository.git#REF:PATH`, also over ssh, git:// and from a directory. */
import { existsSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type GitAccess, type GitUrl, isGitUrl, loadGit, parseGitUrl } from "../../build/index.ts";
import { BayError } from "../../core/errors.ts";
import { withoutPasswords } from "../../core/redaction.ts";
import { mainFileIn, type RemoteFile } from "../../stack/index.ts";
import { boundPack, within } from "../git/bound-fetch.ts";
import { checkOut } from "../git/check-out.ts";
import { type Pins, placeOnce } from "./pins.ts";

/** A directory of this host is parsed as an address of this server. */
const STAND_IN = "git://localhost";
const FETCH_TIME = 10 * 60_000;

/** Parses the address. Throws REMOTE_FILE, BAD_GIT_URL. */
export function readGitAddress(address: string): GitUrl {
  const isLocal = address.startsWith("file:///") || address.startsWith("/");
  const path = address.replace(/^file:\/\//, "");
  const bad = (message: string, hint: string) =>
    new BayError("REMOTE_FILE", `${withoutPasswords(address)}: ${message}`, { hint });
  if (!isLocal && !isGitUrl(address))
    throw bad(
      "this is not a git repository or an artifact of a registry",
      "expected https://HOST/REPOSITORY.git#REF:PATH, ssh://, git://, file:///, or oci://REGISTRY/NAME:TAG",
    );
  // the syntax of the part after # is the same for a directory of this host
  const url = parseGitUrl(isLocal ? `${STAND_IN}${path}` : address);
  const remote = isLocal ? url.remote.replace(STAND_IN, "") : url.remote;
  return { ...url, remote, submodules: false };
}

/**
 * Variables with credentials. For an address that a fetched file names, only those with the server's name: whoever wrote the
 * file chose the server.
 */
export const secretsFor =
  (isForeign: boolean, environment: NodeJS.ProcessEnv): GitAccess["secret"] =>
  (id) =>
    isForeign && !id.includes(".") ? undefined : environment[id];

/** How git reaches the repository: with the variables that builds use too, and never with the settings of users. */
function accessOf(url: GitUrl, isForeign: boolean, signal: AbortSignal): GitAccess {
  const { GIT_SSL_CAINFO, GIT_SSH_COMMAND } = process.env;
  return {
    agent: process.env.SSH_AUTH_SOCK,
    secret: secretsFor(isForeign, process.env),
    signal,
    allowFiles: !isForeign && url.remote.startsWith("/"),
    environment: {
      ...(GIT_SSL_CAINFO ? { GIT_SSL_CAINFO } : {}),
      ...(GIT_SSH_COMMAND ? { GIT_SSH_COMMAND } : {}),
    },
  };
}

/** Fetches the commit that the address names now. Throws GIT_FAILED, GITOPS_TIMEOUT, NO_GIT_REF, GITOPS_COMMIT, REMOTE_FILE. */
export async function fetchGitFile(
  address: string,
  pins: Pins,
  isForeign: boolean,
): Promise<Omit<RemoteFile, "pinFile">> {
  const url = readGitAddress(address);
  const work = pins.workFolder();
  try {
    return await within(FETCH_TIME, new AbortController().signal, url.remote, (limit) =>
      fetchInto(work, url, address, pins, isForeign, limit),
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function fetchInto(
  work: string,
  url: GitUrl,
  address: string,
  pins: Pins,
  isForeign: boolean,
  limit: AbortSignal,
): Promise<Omit<RemoteFile, "pinFile">> {
  const { GitRepositories, runGit } = await loadGit();
  const repositories = new GitRepositories(work);
  const [bounded, end] = boundPack(repositories.repositoryOf(url.remote), limit);
  try {
    const access = accessOf(url, isForeign, bounded);
    const commit = await repositories.resolve(url, access);
    const root = pins.filesOf(address, commit);
    const name = basename(url.remote).replace(/\.git$/, "") || "repository";
    const top = join(root, name);
    if (!existsSync(top)) {
      const out = join(work, "files", name);
      mkdirSync(dirname(out), { recursive: true });
      const { leading, pointers } = await repositories.withCommit(url, commit, access, async (repository) => {
        const run = (words: readonly string[], environment: NodeJS.ProcessEnv = {}) =>
          runGit([`--git-dir=${repository}`, ...words], url, {
            ...access,
            environment: { ...access.environment, ...environment },
          });
        return checkOut({ run, commit }, out);
      });
      leaveOutPointers(out, pointers, url);
      for (const [path, target] of leading)
        process.stderr.write(
          `warning: ${withoutPasswords(url.remote)}: the symbolic link ${plain(path)} leads out of the repository (${plain(target)}), and is left out\n`,
        );
      placeOnce(out, top);
    }
    return { file: stackFileIn(top, url.folder, address), root: top, version: commit };
  } finally {
    end();
  }
}

/** A path of a repository could have escape sequences of terminals. */
const plain = (text: string): string => text.replace(/\p{C}/gu, "?");

const SHOWN_POINTERS = 5;

/** A pointer of Git LFS must not be used in place of the file: a stack that names the file then fails. */
export function leaveOutPointers(
  top: string,
  pointers: readonly string[],
  { remote }: Pick<GitUrl, "remote">,
): void {
  if (pointers.length === 0) return;
  for (const path of pointers) rmSync(join(top, path), { force: true });
  const more = pointers.length - SHOWN_POINTERS;
  const shown = [...pointers.slice(0, SHOWN_POINTERS), ...(more > 0 ? [`and ${more} more`] : [])];
  process.stderr.write(
    `warning: ${withoutPasswords(remote)}: these files are stored in Git LFS, which bay does not fetch, and are left out: ${plain(shown.join(", "))}\n`,
  );
}

/** The named file, or the main file of the named directory. Throws REMOTE_FILE. */
function stackFileIn(top: string, path: string, address: string): string {
  const named = join(top, path);
  const stat = lstatSync(named, { throwIfNoEntry: false });
  const bad = (message: string) => new BayError("REMOTE_FILE", `${withoutPasswords(address)}: ${message}`);
  if (stat?.isSymbolicLink()) throw bad(`${path} is a symbolic link`);
  if (!stat) throw bad(`${path} does not exist in the repository`);
  if (stat.isFile()) return named;
  const main = mainFileIn(named);
  if (!main) throw bad(`${path || "the repository"} has no stack file`);
  if (lstatSync(main).isSymbolicLink()) throw bad(`${basename(main)} is a symbolic link`);
  return main;
}
