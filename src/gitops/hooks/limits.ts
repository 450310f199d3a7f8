/** Bounded memories of the webhook listener: how often an address or a source may ask, and which deliveries were accepted. */
import { LIMITS } from "../../core/limits.ts";

const REMEMBERED = 4096;

/** Token buckets by name. The one that was used least recently is forgotten first. */
export class Rates {
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  /** `now` gives milliseconds. */
  constructor(
    readonly perSecond: number,
    readonly burst: number,
    readonly now: () => number = Date.now,
  ) {}

  /** False if the name has asked too often. */
  takes(name: string): boolean {
    const now = this.now();
    const last = this.#buckets.get(name) ?? { tokens: this.burst, at: now };
    const tokens = Math.min(this.burst, last.tokens + ((now - last.at) / 1000) * this.perSecond);
    this.#buckets.delete(name); // the order of the map is that of the last use
    this.#buckets.set(name, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
    if (this.#buckets.size > REMEMBERED) this.#buckets.delete(this.#buckets.keys().next().value!);
    return tokens >= 1;
  }
}

const MAX_DELIVERIES = LIMITS.gitops.deliveries;

/** The accepted deliveries. Only those who know a secret add to it, so that others cannot push entries out. */
export class Deliveries {
  readonly #seen = new Set<string>();

  constructor(readonly most: number = MAX_DELIVERIES) {}

  /** False if one of the marks was seen before; then nothing is added. */
  accepts(marks: readonly string[]): boolean {
    if (marks.some((mark) => this.#seen.has(mark))) return false;
    for (const mark of marks) this.#seen.add(mark);
    while (this.#seen.size > this.most) this.#seen.delete(this.#seen.values().next().value!);
    return true;
  }
}
