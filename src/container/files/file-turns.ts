/**
 * Who uses the writable layer of a container that does not run. The kernel forbids a second overlay on the same directories
 * ("undefined behaviour"): what one mount writes, the other may never show. So a start waits for copies into the stopped
 * container, and copies wait for the start and then use the mounts of its process.
 */
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds after which a turn begins although the one before it has not ended: a client or a disk may have stalled. */
const PATIENCE = 30_000;

export class FileTurns {
  readonly #last = new Map<string, Promise<void>>();

  /** `patience` is in milliseconds. */
  constructor(readonly patience = PATIENCE) {}

  /** Waits for the turn of a container, and returns the function that ends it. */
  async begin(id: string): Promise<() => void> {
    const before = this.#last.get(id);
    let end: () => void = () => {};
    const own = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#last.set(id, own);
    if (before) await this.#wait(before);
    return () => {
      if (this.#last.get(id) === own) this.#last.delete(id);
      end();
    };
  }

  /** Runs an action in a turn of its own. Throws what the action throws. */
  async run<T>(id: string, action: () => Promise<T>): Promise<T> {
    const end = await this.begin(id);
    try {
      return await action();
    } finally {
      end();
    }
  }

  async #wait(turn: Promise<void>): Promise<void> {
    const late = new AbortController();
    await Promise.race([turn, sleep(this.patience, undefined, { signal: late.signal }).catch(() => {})]);
    late.abort();
  }
}
