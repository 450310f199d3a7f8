/** Paths below others. */
import { isAbsolute, relative } from "node:path";

/** Where a path is below a directory; undefined if it is outside. */
export function belowRoot(root: string, path: string): string | undefined {
  const found = relative(root, path);
  return found === ".." || found.startsWith("../") || isAbsolute(found) ? undefined : found;
}
