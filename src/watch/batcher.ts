/** Gathers changes until none comes for a moment; while a flood continues, it hands them over at intervals. */

export const QUIET_MS = 20;
export const LONGEST_MS = 100;

/** Timers and a clock, so that tests need no real time. */
export interface Clock {
  now: () => number;
  set: (action: () => void, ms: number) => unknown;
  clear: (timer: unknown) => void;
}

export const REAL_CLOCK: Clock = {
  now: () => performance.now(),
  set: (action, ms) => setTimeout(action, ms),
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

export class Batcher {
  #timer: unknown;
  #first = 0;

  constructor(
    readonly flush: () => void,
    readonly clock: Clock = REAL_CLOCK,
  ) {}

  /** A change has happened. */
  touch(): void {
    const now = this.clock.now();
    if (this.#timer === undefined) this.#first = now;
    else this.clock.clear(this.#timer);
    const wait = Math.max(0, Math.min(QUIET_MS, this.#first + LONGEST_MS - now));
    this.#timer = this.clock.set(() => {
      this.#timer = undefined;
      this.flush();
    }, wait);
  }

  stop(): void {
    if (this.#timer !== undefined) this.clock.clear(this.#timer);
    this.#timer = undefined;
  }
}
