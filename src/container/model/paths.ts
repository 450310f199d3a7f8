/** Paths of containers' files on the host. */
import { join } from "node:path";
import type { Roots } from "../../core/roots.ts";

interface HasRoots {
  readonly roots: Roots;
}

/** What a container keeps between its runs: its writable layer, its logs, its generated files. */
export const containerDirectory = (host: HasRoots, id: string) => join(host.roots.root, "containers", id);
/** What a running container has: its program, its FIFOs, its copies of secrets and configs. */
export const runDirectory = (host: HasRoots, id: string) =>
  join(host.roots.run, "containers", id.slice(0, 16));
