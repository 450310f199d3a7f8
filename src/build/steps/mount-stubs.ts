/** Mount points that the runtime created in a step's layer, which are not part of the step's result. */
import { lstatSync, rmdirSync, unlinkSync } from "node:fs";
import { join, posix } from "node:path";

/**
 * Removes empty mount points, and their parent directories that are then empty. The command may have replaced a part of
 * the path by a symlink to the host, so only paths through real directories are removed.
 */
export function removeStubs(upper: string, targets: readonly string[]): void {
  for (const target of targets)
    for (let at = posix.join("/", target); at !== "/"; at = posix.dirname(at)) {
      if (!isBelowDirectories(upper, at)) continue;
      const place = join(upper, at);
      if (lstatSync(place, { throwIfNoEntry: false }) && !removeIfPlain(place)) break;
    }
}

function isBelowDirectories(upper: string, path: string): boolean {
  for (let at = posix.dirname(path); at !== "/"; at = posix.dirname(at))
    if (!lstatSync(join(upper, at), { throwIfNoEntry: false })?.isDirectory()) return false;
  return true;
}

/** Returns false if it is not empty. */
function removeIfPlain(place: string): boolean {
  const stat = lstatSync(place);
  try {
    if (stat.isDirectory()) rmdirSync(place);
    else if (stat.isFile() && stat.size === 0) unlinkSync(place);
    else return false;
    return true;
  } catch {
    return false;
  }
}
