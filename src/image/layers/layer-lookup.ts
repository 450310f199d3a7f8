/**
 * Looks up files in a stack of layers from outside, without mounting it: the topmost layer that contains a name decides, a
 * whiteout hides the layers below, and symlinks resolve inside the image.
 */
import { posix } from "node:path";
import { BayError } from "../../core/errors.ts";
import { type PathKind, pathKindInRoot, readInRoot } from "../../linux/index.ts";

const MAX_LINKS = 40;

function entryAt(
  directories: readonly string[],
  path: string,
): { directory: string; what: PathKind } | undefined {
  for (const directory of directories) {
    const what = pathKindInRoot(directory, path);
    if (what) return what.kind === "whiteout" ? undefined : { directory, what };
  }
  return undefined;
}

/** An absolute path with all symlinks of the image resolved; components that do not exist are kept. Throws TOO_MANY_LINKS. */
export function resolveInLayers(directories: readonly string[], path: string): string {
  const pending = path.split("/").filter(Boolean);
  let at = "/";
  for (let links = 0; pending.length > 0; ) {
    const part = pending.shift()!;
    if (part === "." || part === "..") {
      at = posix.join(at, part);
      continue;
    }
    const next = posix.join(at, part);
    const found = entryAt(directories, next);
    if (found?.what.kind !== "symlink") {
      at = next;
      continue;
    }
    if (++links > MAX_LINKS) throw new BayError("TOO_MANY_LINKS", `${path}: too many symlinks in the image`);
    const { target } = found.what;
    pending.unshift(...target.split("/").filter(Boolean));
    if (posix.isAbsolute(target)) at = "/";
  }
  return at;
}

/** The kind of file at a path, with all symlinks resolved; undefined if it does not exist. */
export function kindInLayers(directories: readonly string[], path: string): PathKind["kind"] | undefined {
  return entryAt(directories, resolveInLayers(directories, path))?.what.kind;
}

/** The text of a file of an image; undefined if it does not exist. */
export function readImageFile(directories: readonly string[], path: string): string | undefined {
  const real = resolveInLayers(directories, path);
  const found = entryAt(directories, real);
  return found?.what.kind === "file" ? readInRoot(found.directory, real)?.toString("utf8") : undefined;
}

/** True if one of the layers contains a path, and none above hides it. Symlinks in the path are not followed. */
export function isInLayers(directories: readonly string[], path: string): boolean {
  return entryAt(directories, path) !== undefined;
}
