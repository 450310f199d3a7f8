/**
 * The progress of a file that a worker reads while it is still being written, shared between threads. Data read before the
 * end is not verified yet, so a reader publishes its result only after the end.
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

  /** Called when this many bytes have been written. */
  reached(bytes: number): void {
    Atomics.store(this.#words, AVAILABLE, BigInt(bytes));
    Atomics.notify(this.#words, AVAILABLE);
  }

  /** Called when the file is complete and verified. */
  complete(): void {
    this.#end(COMPLETE);
  }

  /** Called when no more data follows, or the data so far is discarded. */
  fail(): void {
    this.#end(BROKEN);
  }

  #end(state: bigint): void {
    Atomics.compareExchange(this.#words, STATE, GROWING, state);
    Atomics.notify(this.#words, AVAILABLE);
  }

  /** Blocks a worker until more than `bytes` are available, or all; returns the number. Throws TRANSFER_INTERRUPTED. */
  waitBeyond(bytes: number): number {
    for (;;) {
      const state = Atomics.load(this.#words, STATE);
      const available = Atomics.load(this.#words, AVAILABLE);
      if (state === BROKEN) throw new BayError("TRANSFER_INTERRUPTED", "the file was not completed");
      if (available > BigInt(bytes) || state === COMPLETE) return Number(available);
      Atomics.wait(this.#words, AVAILABLE, available, LOOK_AGAIN);
    }
  }
}
