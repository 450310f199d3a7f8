/** Synchronises the files of one container with the host: one batch after the other, until nothing is left. */
import { Readable } from "node:stream";
import { hasCode, messageOf } from "../core/errors.ts";
import type { Client } from "../daemon/client.ts";
import type { SyncResult } from "../image/index.ts";
import { type Batch, batchesOf } from "./batches.ts";
import { isLoss } from "./bayd-session.ts";
import type { Report } from "./events.ts";
import type { RuleWatch } from "./rule-watch.ts";

const SHOWN_PATHS = 20;

export class ContainerSync {
  /** Paths by rule that the container may not have as the host has them. */
  readonly #open = new Map<RuleWatch, Set<string>>();
  #running: Promise<void> | undefined;

  constructor(
    readonly client: Client,
    readonly container: { id: string; name: string; service: string },
    readonly report: Report,
    /** Called when the container does not exist any more. */
    readonly gone: () => void,
  ) {}

  /** Notes paths that may differ. */
  add(watch: RuleWatch, paths: Iterable<string>): void {
    const open = this.#open.get(watch) ?? new Set();
    for (const path of paths) open.add(path);
    this.#open.set(watch, open);
  }

  /** Forgets rules that no longer exist. */
  drop(watch: RuleWatch): void {
    this.#open.delete(watch);
  }

  /** Resolves when everything that was noted before has been sent; also if bayd was lost, and the next call goes on. */
  flush(initial = false): Promise<void> {
    const next = (this.#running ?? Promise.resolve()).then(() => this.#send(initial));
    const running = next.finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #send(initial: boolean): Promise<void> {
    for (const [watch, open] of this.#open) {
      if (open.size === 0) continue;
      const paths = new Set(open);
      open.clear();
      const began = performance.now();
      const sent: string[] = [];
      let [removed, directories] = [0, 0];
      try {
        for (const batch of batchesOf(watch.tree, paths)) {
          const { changed, failed } = await this.#post(batch);
          for (const path of batch.paths) paths.delete(path);
          if (changed > 0) sent.push(...batch.paths);
          removed += batch.removed;
          directories += batch.directories;
          this.#tellFailures([...batch.unread, ...failed]);
        }
      } catch (error) {
        if (!isLoss(error)) {
          // a container that was removed needs nothing, and a new one gets everything
          if (hasCode(error, "CONTAINER_NOT_FOUND")) return this.gone();
          this.#tellFailures([{ path: watch.rule.target ?? "/", message: messageOf(error) }]);
          continue;
        }
        for (const path of paths) open.add(path);
        return;
      }
      // the target alone was made
      if (sent.length === 0 || (initial && sent.length === directories)) continue;
      const { service, name } = this.container;
      this.report({
        type: "sync",
        service,
        container: name,
        files: Math.max(0, sent.length - removed - directories),
        removed,
        ms: Math.round((performance.now() - began) * 10) / 10,
        initial,
        paths: sent.slice(0, SHOWN_PATHS).map((path) => path || "."),
      });
    }
  }

  async #post({ body }: Batch): Promise<SyncResult> {
    const path = `/bay/v1/watch/containers/${this.container.id}/sync`;
    return JSON.parse(await this.client.upload("POST", path, Readable.from([body]))) as SyncResult;
  }

  #tellFailures(failures: readonly { path: string; message: string }[]): void {
    const [first] = failures;
    if (!first) return;
    const { service, name: container } = this.container;
    const { path, message } = first;
    this.report({ type: "sync-failed", service, container, path, message, more: failures.length - 1 });
  }
}
