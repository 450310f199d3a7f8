/**
 * Releases the memory of a burst of work. V8 collects garbage when the heap grows, so an idle process keeps the garbage of a
 * burst for ever; bayd is idle most of the time.
 */
import { getHeapSpaceStatistics } from "node:v8";
import { trimHeap } from "../../linux/index.ts";

const MIB = 2 ** 20;
/** The least garbage that is worth a collection, which takes about 20 ms. */
const WORTH = 3 * MIB;
/** Growth between two checks that means that the burst continues. */
const BURST = MIB / 2;
/** V8 releases pages in the collection after the one that emptied them. */
const COLLECTIONS = 3;

/** Has to be called at regular intervals. Does nothing if Node.js was started without --expose-gc. */
export class IdleMemory {
  #seen = 0;
  /** The heap after the last collection. */
  #kept = 0;
  #toDo = 0;

  constructor(
    readonly collect: (() => void) | undefined = globalThis.gc,
    readonly used: () => number = oldSpaceUsed,
    readonly trim: () => void = trimHeap,
  ) {}

  /** Collects once if the heap has grown and does not grow any more. */
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

/** Objects that survived some young generation collections. Young objects are collected often, so their size says little. */
const oldSpaceUsed = () =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === "old_space")?.space_used_size ?? 0;
