/**
 * The files of a commit in a directory. The commit is untrusted: its sizes and its number of files are checked before
 * anything is written, and symbolic links that lead out of the repository are left out.
 */

import { lstatSync, mkdirSync, readFileSync, readlinkSync, realpathSync, renameSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { formatSize } from "../../core/sizes.ts";
import type { Clone } from "./repositories.ts";

const MAX_FILES = LIMITS.gitops.files;
const MAX_FILE = LIMITS.gitops.fileBytes;
const MAX_TOTAL = LIMITS.gitops.totalBytes;
const LFS = "version https://git-lfs.github.com/spec/v1";
const LFS_LENGTH = 200;

export interface Entry {
  mode: string;
  object: string;
  /** Bytes; 0 for directories and submodules. */
  size: number;
}

export interface CheckedOut {
  directory: string;
  /** Files and directories by path. */
  entries: ReadonlyMap<string, Entry>;
  /** Paths of links that lead out of the repository, with their targets. They were not checked out. */
  leading: ReadonlyMap<string, string>;
  /** Paths that are only pointers of Git LFS. */
  pointers: readonly string[];
}

const refused = (message: string, hint?: string) => new BayError("GITOPS_COMMIT", message, { hint });

/** Parses `git ls-tree -r -t -l -z`. Throws GITOPS_COMMIT if there are too many files, or they are too large. */
export function readTree(listing: string): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  let total = 0;
  let files = 0;
  for (const row of listing.split("\0")) {
    if (row === "") continue;
    const tab = row.indexOf("\t");
    const [mode = "", , object = "", length = "-"] = row.slice(0, tab).split(/ +/);
    const path = row.slice(tab + 1);
    const size = length === "-" ? 0 : Number(length);
    if (path.split("/").some((part) => part === ".." || part === "." || part.toLowerCase() === ".git"))
      throw refused(`the path ${JSON.stringify(path)} is not allowed in a repository`);
    if (mode !== "040000") files += 1;
    if (files > MAX_FILES) throw refused(`the commit has more than ${MAX_FILES} files`);
    if (size > MAX_FILE)
      throw refused(
        `${path} has ${formatSize(size)}; at most ${formatSize(MAX_FILE)} are allowed for a file`,
      );
    total += size;
    if (total > MAX_TOTAL) throw refused(`the files of the commit have more than ${formatSize(MAX_TOTAL)}`);
    entries.set(path, { mode, object, size });
  }
  return entries;
}

/** Writes the files of the commit in place of those in the directory. Throws GITOPS_COMMIT, GIT_FAILED. */
export async function checkOut(
  { run, commit }: Pick<Clone, "run" | "commit">,
  directory: string,
): Promise<CheckedOut> {
  const entries = readTree(await run(["ls-tree", "-r", "-t", "-l", "-z", commit]));
  const fresh = `${directory}.new`;
  await rm(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true, mode: 0o700 });
  try {
    const index = { GIT_INDEX_FILE: `${fresh}/.git-index` };
    await run(["read-tree", commit], index);
    await run([`--work-tree=${fresh}`, "checkout-index", "-q", "-a", "-f"], index);
    rmSync(`${fresh}/.git-index`, { force: true });
    const leading = removeLinksThatLeadOut(fresh, entries);
    const pointers = pointersOfLfs(fresh, entries);
    await rm(directory, { recursive: true, force: true });
    renameSync(fresh, directory);
    return { directory, entries, leading, pointers };
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw error;
  }
}

const LINK = "120000";

/** Also removes links to links: what a link refers to in the end must be inside. */
function removeLinksThatLeadOut(top: string, entries: ReadonlyMap<string, Entry>): Map<string, string> {
  const real = realpathSync(top);
  const isInside = (path: string) => path === real || path.startsWith(`${real}/`);
  const links = [...entries].filter(([, { mode }]) => mode === LINK).map(([path]) => path);
  const leading = new Map<string, string>();
  const drop = (path: string, target: string) => {
    leading.set(path, target.slice(0, 200));
    rmSync(join(real, path), { force: true });
  };
  for (const path of links) {
    const target = readlinkSync(join(real, path));
    // the text decides first, so that a link is dropped even if its target does not exist yet
    if (target.startsWith("/") || !isInside(resolve(dirname(join(real, path)), target))) drop(path, target);
  }
  // what remains has relative targets; a chain of them can still lead out
  for (const path of links) {
    if (leading.has(path)) continue;
    const full = join(real, path);
    if (!lstatSync(full, { throwIfNoEntry: false })) continue;
    try {
      if (!isInside(realpathSync(full))) drop(path, readlinkSync(full));
    } catch {
      drop(path, readlinkSync(full)); // it is broken or circular, so that nothing can be said about it
    }
  }
  return leading;
}

function pointersOfLfs(top: string, entries: ReadonlyMap<string, Entry>): string[] {
  return [...entries].flatMap(([path, { mode, size }]) => {
    if (!mode.startsWith("100") || size < LFS.length || size > LFS_LENGTH) return [];
    const stat = lstatSync(join(top, path), { throwIfNoEntry: false });
    return stat?.isFile() && readFileSync(join(top, path), "latin1").startsWith(LFS) ? [path] : [];
  });
}

/** The path below the directory; undefined if it is outside. */
export function pathInside(directory: string, path: string): string | undefined {
  const inner = relative(directory, path);
  return inner === ".." || inner.startsWith("../") || inner.startsWith("/") ? undefined : inner;
}
