/**
 * A file that is read by a worker while it is still written: how far it has come, shared between threads. What is read
 * before the end is not verified yet, so a reader keeps its result to itself until the end has come.
 */
import { BayError } from "../../core/errors.ts";

const AVAILABLE = 0;
const STATE = 1;
const GROWING = 0n;
const COMPLETE = 1n;
const BROKEN = 2n;
const LOOK_AGAIN = 1000;

export class Growth {
  readonly #words: BigInt64Array;

  constructor(readonly shared: SharedArrayBuffer = new SharedArrayBuffer(16)) {
    this.#words = new BigInt64Array(shared);
  }

  /** So many bytes are there. */
  reached(bytes: number): void {
    Atomics.store(this.#words, AVAILABLE, BigInt(bytes));
    Atomics.notify(this.#words, AVAILABLE);
  }

  /** All is there, and is what it should be. */
  complete(): void {
    this.#end(COMPLETE);
  }

  /** Nothing more comes, or what came does not count. */
  fail(): void {
    this.#end(BROKEN);
  }

  #end(state: bigint): void {
    Atomics.compareExchange(this.#words, STATE, GROWING, state);
    Atomics.notify(this.#words, AVAILABLE);
  }

  /** Blocks a worker until more than `bytes` are there, or all; gives how many are. Throws GROWTH_ENDED. */
  waitBeyond(bytes: number): number {
    for (;;) {
      const state = Atomics.load(this.#words, STATE);
      const available = Atomics.load(this.#words, AVAILABLE);
      if (state === BROKEN) throw new BayError("GROWTH_ENDED", "the file was not completed");
      if (available > BigInt(bytes) || state === COMPLETE) return Number(available);
      Atomics.wait(this.#words, AVAILABLE, available, LOOK_AGAIN);
    }
  }
}
