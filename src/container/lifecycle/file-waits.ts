/**
 * Starts of containers that wait for files (Host.beforeStart). The process has its mounts then, but the container does not
 * count as running, and requests for it queue behind the start: those that would end it end the wait.
 */
import { isAlive } from "../../linux/index.ts";

/** Milliseconds that a start waits for files in total, even if they keep arriving. */
const LONGEST = 600_000;
/** Milliseconds between checks of whether the waiting process has ended. */
const CHECK = 1_000;

export interface WaitingProcess {
  pid: number;
  start: number;
}

/** `ended`: the process has ended. `late`: the files did not arrive in time. */
export type WaitOutcome = "complete" | "interrupted" | "ended" | "late";

export class FileWaits {
  readonly #waits = new Map<string, FileWait>();

  /** `longest` is in milliseconds. */
  constructor(readonly longest = LONGEST) {}

  /** Notes that a container starts; call `close` of the result at the end. */
  begin(id: string): FileWait {
    const wait = new FileWait(this.longest, () => {
      if (this.#waits.get(id) === wait) this.#waits.delete(id);
    });
    this.#waits.set(id, wait);
    return wait;
  }

  /** The process of a container that waits for files; undefined if there is none. */
  get(id: string): WaitingProcess | undefined {
    return this.#waits.get(id)?.process;
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  /** Interrupts the wait of a container, also one that has not begun yet because the start is still mounting. */
  interrupt(id: string): void {
    this.#waits.get(id)?.interrupt();
  }

  interruptAll(): void {
    for (const wait of this.#waits.values()) wait.interrupt();
  }
}

export class FileWait {
  #process: WaitingProcess | undefined;
  #isInterrupted = false;
  #end: (outcome: WaitOutcome) => void = () => {};
  readonly #ended = new Promise<WaitOutcome>((resolve) => {
    this.#end = resolve;
  });

  constructor(
    readonly longest: number,
    readonly close: () => void,
  ) {}

  get process(): WaitingProcess | undefined {
    return this.#process;
  }

  interrupt(): void {
    this.#isInterrupted = true;
    this.#end("interrupted");
  }

  /** Waits until `complete` has resolved, or for another outcome; `complete` gets a signal that is aborted then. */
  async until(
    process: WaitingProcess,
    complete: (signal: AbortSignal) => Promise<void>,
  ): Promise<WaitOutcome> {
    if (this.#isInterrupted) return "interrupted";
    this.#process = process;
    const over = new AbortController();
    const late = setTimeout(() => this.#end("late"), this.longest);
    const check = setInterval(() => {
      if (!isAlive(process.pid, process.start)) this.#end("ended");
    }, CHECK);
    try {
      const completed = complete(over.signal).then((): WaitOutcome => "complete");
      return await Promise.race([this.#ended, completed]);
    } finally {
      clearTimeout(late);
      clearInterval(check);
      over.abort();
    }
  }
}
