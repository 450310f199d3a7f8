/** A clock that a test advances. */
import type { Clock } from "../../src/watch/batcher.ts";

export class FakeClock implements Clock {
  time = 0;
  readonly #timers = new Map<number, { at: number; action: () => void }>();
  #next = 1;

  now = () => this.time;
  set = (action: () => void, ms: number) => {
    this.#timers.set(this.#next, { at: this.time + ms, action });
    return this.#next++;
  };
  clear = (timer: unknown) => void this.#timers.delete(timer as number);

  get isIdle(): boolean {
    return this.#timers.size === 0;
  }

  /** Runs the next timer; returns false if there is none until a time. */
  step(to = Infinity): boolean {
    const due = [...this.#timers].filter(([, { at }]) => at <= to).sort((a, b) => a[1].at - b[1].at)[0];
    if (!due) return false;
    this.#timers.delete(due[0]);
    this.time = due[1].at;
    due[1].action();
    return true;
  }

  advance(to: number): void {
    while (this.step(to));
    this.time = to;
  }
}
