/** The commands that run in containers, found by ID, and notified when their shim announces their end. */

import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Exec } from "./exec.ts";

/** The most execs that are kept, running or not. */
const MOST_EXECS = LIMITS.request.execs;
/** Milliseconds for which the result of an exec is kept. */
const KEPT = 300_000;

export class RunningExecs {
  readonly #all = new Map<string, Exec>();

  /** Keeps an exec. Throws TOO_MANY_EXECS if too many run; execs that have ended are dropped, the oldest first. */
  track(exec: Exec): void {
    const token = exec.id.slice(0, 16);
    if (this.#all.size >= MOST_EXECS) {
      const oldest = [...this.#all].find(([, { running }]) => !running);
      if (!oldest)
        throw new BayError("TOO_MANY_EXECS", `${MOST_EXECS} commands are already running in containers`);
      this.#all.delete(oldest[0]);
    }
    this.#all.set(token, exec);
    exec.once("end", () => setTimeout(() => this.#all.delete(token), KEPT).unref());
  }

  find(id: string): Exec | undefined {
    return this.#all.get(id.slice(0, 16));
  }

  /** The IDs of the commands that run in a container. */
  idsOf(container: string): string[] {
    const all = [...this.#all.values()].filter((exec) => exec.running && exec.container.id === container);
    return all.map(({ id }) => id);
  }

  /** Called when a shim announces an end. Returns false if the token belongs to no exec. */
  ended(token: string): boolean {
    const exec = this.#all.get(token);
    if (exec) void exec.ended();
    return exec !== undefined;
  }
}
