/** The paths of rules that a container may not have as the host has them. */
import type { RuleWatch } from "./rule-watch.ts";

export class OpenPaths {
  readonly #paths = new Map<RuleWatch, Set<string>>();

  add(watch: RuleWatch, paths: Iterable<string>): void {
    const open = this.#paths.get(watch) ?? new Set();
    for (const path of paths) open.add(path);
    if (open.size > 0) this.#paths.set(watch, open);
  }

  /** Takes all paths out. */
  take(): [RuleWatch, Set<string>][] {
    const all = [...this.#paths];
    this.#paths.clear();
    return all;
  }

  /** The container has this path. */
  remove(watch: RuleWatch, path: string): void {
    const open = this.#paths.get(watch);
    if (open?.delete(path) && open.size === 0) this.#paths.delete(watch);
  }

  drop(watch: RuleWatch): void {
    this.#paths.delete(watch);
  }

  get isEmpty(): boolean {
    return this.#paths.size === 0;
  }
}
