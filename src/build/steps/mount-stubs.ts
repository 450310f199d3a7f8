/** Mount points that the runtime created in a step's layer, which are not part of the step's result. */
import { lstatSync, rmdirSync, unlinkSync } from "node:fs";
import { join, posix } from "node:path";

/**
 * Removes those that hold nothing, and the directories above that hold nothing then. The command may have put a symlink
 * in the way of one, which leads to the host: what is not below real directories stays.
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

/** False where it holds something. */
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
