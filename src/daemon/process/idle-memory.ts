/**
 * Gives back the memory that a burst of work took. V8 collects when the heap grows, so an idle process keeps a burst's garbage
 * for ever; bayd is idle most of the time.
 */
import { getHeapSpaceStatistics } from "node:v8";
import { trimHeap } from "../../linux/index.ts";

const MIB = 2 ** 20;
/** Garbage that is worth a collection, which takes some 20 ms. */
const WORTH = 3 * MIB;
/** Growth between two looks that says that the burst goes on. */
const BURST = MIB / 2;
/** V8 gives pages back in the collection after the one that emptied them. */
const COLLECTIONS = 3;

/** Is asked to look at regular intervals. Does nothing where Node.js was started without --expose-gc. */
export class IdleMemory {
  #seen = 0;
  /** What the last collection left. */
  #kept = 0;
  #toDo = 0;

  constructor(
    readonly collect: (() => void) | undefined = globalThis.gc,
    readonly used: () => number = oldSpaceUsed,
    readonly trim: () => void = trimHeap,
  ) {}

  /** Collects once where the heap has grown and does not grow any more. */
  look(): void {
    if (!this.collect) return;
    const used = this.used();
    const isBusy = used > this.#seen + BURST;
    this.#seen = used;
    if (isBusy) return;
    if (this.#toDo === 0 && used > this.#kept + WORTH) this.#toDo = COLLECTIONS;
    if (this.#toDo === 0) return;
    this.#toDo--;
    this.collect();
    this.#seen = this.#kept = this.used();
    if (this.#toDo === 0) this.trim();
  }
}

/** What has survived some collections of young objects; those are collected often, and say nothing. */
const oldSpaceUsed = () =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === "old_space")?.space_used_size ?? 0;
