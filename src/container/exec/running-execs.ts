/** The commands that run in containers: remembered by ID, and told when their shim announces their end. */
import { BayError } from "../../core/errors.ts";
import type { Exec } from "./exec.ts";

/** Execs that are remembered, running or not. */
const MOST_EXECS = 4096;
/** Milliseconds for which the result of an exec can be asked for. */
const KEPT = 300_000;

export class RunningExecs {
  readonly #all = new Map<string, Exec>();

  /** Throws TOO_MANY_EXECS where as many run already; those that have ended are forgotten, the oldest first. */
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

  /** A shim announced an end. False where the token belongs to no exec. */
  ended(token: string): boolean {
    const exec = this.#all.get(token);
    if (exec) void exec.ended();
    return exec !== undefined;
  }
}
