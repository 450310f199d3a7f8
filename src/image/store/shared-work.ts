/** Work that several callers wait for at once: it is stopped only when the last of them gives up. */
import { BayError } from "../../core/errors.ts";

export class SharedWork<T> {
  /** The result of the work itself. */
  readonly done: Promise<T>;
  readonly #stop = new AbortController();
  #waiting = 0;

  constructor(work: (stop: AbortSignal) => Promise<T>, over: () => void) {
    this.done = work(this.#stop.signal).finally(over);
    this.done.catch(() => {}); // the callers that wait get the error
  }

  /** Waits for the result. Throws the work's errors, and ABORTED if the caller's signal comes first. */
  async join(signal: AbortSignal | undefined): Promise<T> {
    this.#waiting += 1;
    let leave = () => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(new BayError("ABORTED", "the client disconnected"));
      if (signal?.aborted) leave();
      else signal?.addEventListener("abort", leave, { once: true });
    });
    try {
      return await Promise.race([this.done, left]);
    } finally {
      signal?.removeEventListener("abort", leave);
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#stop.abort();
    }
  }
}
