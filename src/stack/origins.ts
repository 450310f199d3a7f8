/**
 * Where each value of a stack came from, beside the plain values: by the mapping or list that holds it. Merging makes new
 * mappings and takes the places along, the latest first.
 */
import type { Place } from "../diagnostics.ts";

export interface Origin {
  /** Of the value. */
  place: Place;
  /** Of its key, where it has one. */
  key?: Place;
  /** What is done with what the value is merged over (Compose specification, 13-merge.md). */
  tag?: "reset" | "override";
}

type Holder = object;
type Step = string | number;

export class Origins {
  readonly #known = new WeakMap<Holder, Map<string, Origin[]>>();

  note(holder: Holder, step: Step, origins: readonly Origin[]): void {
    const own = this.#known.get(holder) ?? new Map<string, Origin[]>();
    own.set(String(step), [...origins]);
    this.#known.set(holder, own);
  }

  /** The latest first; none where nothing is known. */
  of(holder: unknown, step: Step): readonly Origin[] {
    if (typeof holder !== "object" || holder === null) return [];
    return this.#known.get(holder)?.get(String(step)) ?? [];
  }

  tag(holder: unknown, step: Step): Origin["tag"] {
    return this.of(holder, step)[0]?.tag;
  }

  /** What holds the same at the same places. */
  copy(from: unknown, to: Holder): void {
    if (typeof from !== "object" || from === null) return;
    for (const [step, origins] of this.#known.get(from) ?? []) this.note(to, step, origins);
  }

  /** The places of the deepest part of a path that is known; `depth` tells how much of it that is. */
  find(root: unknown, path: readonly Step[]): { origins: readonly Origin[]; depth: number } | undefined {
    let holder = root;
    let found: { origins: readonly Origin[]; depth: number } | undefined;
    for (const [index, step] of path.entries()) {
      const origins = this.of(holder, step);
      if (origins.length > 0) found = { origins, depth: index + 1 };
      if (typeof holder !== "object" || holder === null || !Object.hasOwn(holder, step)) break;
      holder = (holder as Record<Step, unknown>)[step];
    }
    return found;
  }

  /** Where something stands: its value, or its key. */
  locate(root: unknown, path: readonly Step[], atKey = false): Place | undefined {
    const found = this.find(root, path);
    if (!found) return undefined;
    const { place, key } = found.origins[0]!;
    return atKey && found.depth === path.length ? (key ?? place) : place;
  }
}
