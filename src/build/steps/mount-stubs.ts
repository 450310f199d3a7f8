/** Mount points that the runtime had to make in a step's layer, and that are no part of what the step did. */
import { existsSync, lstatSync, rmdirSync, unlinkSync } from "node:fs";
import { join, posix } from "node:path";

/** Removes those that hold nothing, and the directories above that hold nothing then. */
export function removeStubs(upper: string, targets: readonly string[]): void {
  for (const target of targets)
    for (let at = posix.join("/", target); at !== "/"; at = posix.dirname(at)) {
      const place = join(upper, at);
      if (existsSync(place) && !removeIfPlain(place)) break;
    }
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
