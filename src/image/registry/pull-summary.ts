/** Summarizes a pull in one line: the state of its layers, and the bytes received. */
import type { PullProgress } from "./pull-request.ts";

const INTERVAL = 200;
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);

export class PullSummary {
  readonly #layers = new Map<string, PullProgress>();
  #said = 0;

  /** Returns the line, or undefined if the last one is recent. */
  line(progress: PullProgress): string | undefined {
    this.#layers.set(progress.digest, { ...this.#layers.get(progress.digest), ...progress });
    const now = Date.now();
    if (now - this.#said < INTERVAL) return undefined;
    this.#said = now;
    const all = [...this.#layers.values()];
    const sum = (key: "current" | "total") => all.reduce((total, layer) => total + (layer[key] ?? 0), 0);
    const done = all.filter(({ status }) => status === "done" || status === "exists").length;
    return `${megabytes(sum("current"))} of ${megabytes(sum("total"))} MB, ${done} of ${all.length} layers ready`;
  }
}
