/**
 * Parts of a watched path that a bind mount shows in the container already. They are not copied: the copy would be written
 * over the file that the user edits.
 */
import { posix } from "node:path";
import { BayError } from "../core/errors.ts";
import type { ServiceMount } from "../stack/index.ts";
import { belowRoot } from "./below-root.ts";

/**
 * The parts of a root that bind mounts have at the place of the rule's target, relative to the root; "" is all of it.
 * `realPath` resolves symlinks of the host. Throws BAD_WATCH_RULE if a copy would be written into the directory from which it
 * was read, and copied again without end; `where` names the rule.
 */
export function boundParts(
  { root, target, prunes }: { root: string; target: string; prunes: (directory: string) => boolean },
  mounts: readonly ServiceMount[],
  realPath: (path: string) => string,
  where: string,
): string[] {
  const binds = mounts.filter((mount) => mount.type === "bind");
  const around = binds
    .filter((mount) => belowRoot(mount.target, target) !== undefined)
    .sort((a, b) => b.target.length - a.target.length)
    .slice(0, 1)
    .map((mount) => ({
      part: "",
      source: posix.join(realPath(mount.source), belowRoot(mount.target, target)!),
    }));
  const inside = binds
    .filter((mount) => mount.target !== target && belowRoot(target, mount.target) !== undefined)
    .map((mount) => ({ part: belowRoot(target, mount.target)!, source: realPath(mount.source) }));
  return [...around, ...inside].flatMap(({ part, source }) => {
    const from = posix.join(root, part);
    if (source === from) return [part];
    if (belowRoot(from, source) !== undefined && !prunes(belowRoot(root, source)!))
      throw new BayError(
        "BAD_WATCH_RULE",
        `${where}: the target ${target} is the watched directory ${source} of the host, by a bind mount`,
        { hint: "add that directory to ignore, or remove the bind mount" },
      );
    return [];
  });
}
