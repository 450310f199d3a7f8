/** Passes of slow work, one at a time: those that are requested while one runs share the next. */
import { messageOf } from "../../core/errors.ts";

export class JoinedPasses {
  #running: Promise<number> | undefined;
  #next: Promise<number> | undefined;
  #isFailing = false;
  #repaired = 0;

  /** `pass` returns how many things it changed. */
  constructor(
    readonly pass: () => Promise<number>,
    readonly warn: (text: string) => void,
  ) {}

  /** Resolves after a pass that begins now or later. Rejects as the pass does. */
  async sync(): Promise<number> {
    if (!this.#running) return await this.#begin();
    // the running pass may have read the state before the caller's change
    const begin = () => this.#begin();
    this.#next ??= this.#running.then(begin, begin);
    return await this.#next;
  }

  async #begin(): Promise<number> {
    this.#next = undefined;
    this.#running = this.pass();
    try {
      return await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  /** Like `sync`, in the background; the first of several failures is warned of. */
  soon(isRepair = false): void {
    this.sync()
      .then((changes) => {
        this.#isFailing = false;
        if (isRepair) this.#repaired += changes;
      })
      .catch((error: unknown) => {
        if (!this.#isFailing) this.warn(`overlay networks: ${messageOf(error)}`);
        this.#isFailing = true;
      });
  }

  /** The number of changes of background repairs since the last call. */
  takeRepairs(): number {
    const count = this.#repaired;
    this.#repaired = 0;
    return count;
  }
}
