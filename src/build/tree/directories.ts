/** Paths in the thread's root: resolving their symlinks, and creating their directories. */
import { chmodSync, lchownSync, lstatSync, mkdirSync, readlinkSync, realpathSync } from "node:fs";
import { posix } from "node:path";
import { BayError, hasCode } from "../../core/errors.ts";
import { bytesOf } from "../../image/for-workers.ts";
import { setTimes } from "../../linux/index.ts";
import type { CopyOptions, Owner } from "./tasks.ts";

/** The owner of new files, unless another is given. */
export const ROOT: Owner = { uid: 0, gid: 0 };

/** A path in the thread's root, with symlinks followed as far as the path exists. */
export function resolveIn(path: string, links = 0): string {
  const normal = posix.join("/", path).replace(/(.)\/$/, "$1");
  try {
    return realpathSync(bytesOf(normal), "latin1") as unknown as string;
  } catch (error) {
    if (hasCode(error, "ENOENT"))
      return resolveLast(resolveIn(posix.dirname(normal), links), posix.basename(normal), links);
    if (hasCode(error, "ENOTDIR"))
      throw new BayError("BAD_TARGET", `not a directory: a part of ${JSON.stringify(shown(normal))}`);
    throw error;
  }
}

/** A symlink to a target that does not exist yet is followed too. */
function resolveLast(directory: string, last: string, links: number): string {
  const place = posix.join(directory, last);
  if (!lstatSync(bytesOf(place), { throwIfNoEntry: false })?.isSymbolicLink()) return place;
  if (links >= MAX_LINKS)
    throw new BayError("BAD_TARGET", `circular symbolic link ${JSON.stringify(shown(place))}`);
  return resolveIn(posix.resolve(directory, readlinkSync(bytesOf(place), "latin1")), links + 1);
}
const MAX_LINKS = 40;

/** The error for a path that must be a directory and is not. */
export const notDirectory = (place: string) =>
  new BayError("BAD_TARGET", `${JSON.stringify(shown(place))} exists and is not a directory`);

/** A path for a message: without control characters. */
export const shown = (path: string) => bytesOf(path).toString("utf8").replace(/\p{C}/gu, "?");

/**
 * Makes a directory and those above it that are missing, all with mode 755: a --chmod of 644 for a file must not close
 * them. Returns the path with its symlinks resolved. Throws BAD_TARGET.
 */
export function makeDirectories(
  path: string,
  { owner = ROOT, newest }: Pick<CopyOptions, "owner" | "newest">,
): string {
  const resolved = resolveIn(path);
  const missing: string[] = [];
  for (
    let at = resolved;
    at !== "/" && !lstatSync(bytesOf(at), { throwIfNoEntry: false });
    at = posix.dirname(at)
  )
    missing.unshift(at);
  for (const at of missing) {
    mkdirSync(bytesOf(at));
    lchownSync(bytesOf(at), owner.uid, owner.gid);
    chmodSync(bytesOf(at), 0o755);
  }
  if (newest !== undefined) for (const at of missing.reverse()) setTimes(bytesOf(at), newest, 0);
  if (!lstatSync(bytesOf(resolved)).isDirectory()) throw notDirectory(resolved);
  return resolved;
}
