/**
 * Where each value of a stack came from, beside the plain values: by the mapping or list that holds it. Merging makes new
 * mappings and takes the places along, the latest first.
 */
import type { SourcePosition } from "../../core/diagnostics.ts";

export interface Origin {
  /** Of the value. */
  place: SourcePosition;
  /** Of its key, where it has one. */
  key?: SourcePosition;
  /** What is done with what the value is merged over (Compose specification, 13-merge.md). */
  tag?: "reset" | "override";
}

type Holder = object;
type Step = string | number;
type Noted = WeakMap<Holder, Map<string, readonly Origin[]>>;

function put(noted: Noted, holder: Holder, step: Step, origins: readonly Origin[]): void {
  const own = noted.get(holder) ?? new Map<string, readonly Origin[]>();
  own.set(String(step), [...origins]);
  noted.set(holder, own);
}

export class Origins {
  readonly #known: Noted = new WeakMap();
  /** Of what was taken away: where that is said, and what it was over. */
  readonly #removed: Noted = new WeakMap();

  note(holder: Holder, step: Step, origins: readonly Origin[]): void {
    put(this.#known, holder, step, origins);
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
    for (const [step, origins] of this.#removed.get(from) ?? []) this.noteRemoved(to, step, origins);
  }

  noteRemoved(holder: Holder, step: Step, origins: readonly Origin[]): void {
    put(this.#removed, holder, step, origins);
  }

  /** Where a part of a holder was taken away; undefined where that is not known. */
  removed(holder: unknown, step: Step): readonly Origin[] | undefined {
    return typeof holder === "object" && holder !== null
      ? this.#removed.get(holder)?.get(String(step))
      : undefined;
  }

  /** The places of the deepest part of a path that is known, and those of what a part above it was put over whole. */
  chain(root: unknown, path: readonly Step[]): readonly Origin[] {
    const found = this.find(root, path);
    const above: Origin[] = [];
    let holder = root;
    for (const step of path.slice(0, (found?.depth ?? 0) - 1)) {
      const [latest, ...earlier] = this.of(holder, step);
      if (latest?.tag === "override") above.push(...earlier);
      holder = (holder as Record<Step, unknown>)[step];
    }
    return [...(found?.origins ?? []), ...above];
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
  locate(root: unknown, path: readonly Step[], atKey = false): SourcePosition | undefined {
    const found = this.find(root, path);
    if (!found) return undefined;
    const { place, key } = found.origins[0]!;
    return atKey && found.depth === path.length ? (key ?? place) : place;
  }
}
