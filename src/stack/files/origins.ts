/**
 * The origin of each value of a stack, stored beside the plain values: by the mapping or list that holds it. Merging makes new
 * mappings and keeps the places, the latest first.
 */
import type { SourcePosition } from "../../core/diagnostics.ts";

export interface Origin {
  /** The place of the value. */
  place: SourcePosition;
  /** The place of its key, if it has one. */
  key?: SourcePosition;
  /** How the value is merged with the earlier one (Compose specification, 13-merge.md). */
  tag?: "reset" | "override";
  /** The value was written with a variable, or with a default of one. */
  isInterpolated?: boolean;
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
  /** For a removed part: the place of the tag that removed it, and the places of the earlier values. */
  readonly #removed: Noted = new WeakMap();

  note(holder: Holder, step: Step, origins: readonly Origin[]): void {
    put(this.#known, holder, step, origins);
  }

  /** The latest first; empty if no place is known. */
  of(holder: unknown, step: Step): readonly Origin[] {
    if (typeof holder !== "object" || holder === null) return [];
    return this.#known.get(holder)?.get(String(step)) ?? [];
  }

  tag(holder: unknown, step: Step): Origin["tag"] {
    return this.of(holder, step)[0]?.tag;
  }

  /** Copies the places of a mapping or list to another with the same content. */
  copy(from: unknown, to: Holder): void {
    if (typeof from !== "object" || from === null) return;
    for (const [step, origins] of this.#known.get(from) ?? []) this.note(to, step, origins);
    for (const [step, origins] of this.#removed.get(from) ?? []) this.noteRemoved(to, step, origins);
  }

  noteRemoved(holder: Holder, step: Step, origins: readonly Origin[]): void {
    put(this.#removed, holder, step, origins);
  }

  /** The places at which a part of a holder was removed; undefined if not known. */
  removed(holder: unknown, step: Step): readonly Origin[] | undefined {
    return typeof holder === "object" && holder !== null
      ? this.#removed.get(holder)?.get(String(step))
      : undefined;
  }

  /** The places of the deepest known part of a path, and those of values that a part above it replaced whole. */
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

  /** The places of the deepest known part of a path; `depth` is the length of that part. */
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

  /** Which place is meant: that of the value or of its key. */
  locate(root: unknown, path: readonly Step[], atKey = false): SourcePosition | undefined {
    const found = this.find(root, path);
    if (!found) return undefined;
    const { place, key } = found.origins[0]!;
    return atKey && found.depth === path.length ? (key ?? place) : place;
  }
}
