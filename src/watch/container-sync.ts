/**
 * Synchronises the files of one container with the host. A path stays open until bayd has acknowledged the batch that
 * completes it. A batch that fails is sent again, less and less often, until it succeeds or the container is gone.
 */
import { posix } from "node:path";
import { Readable } from "node:stream";
import { hasCode, messageOf } from "../core/errors.ts";
import type { Client } from "../daemon/client.ts";
import type { SyncResult } from "../image/index.ts";
import { type Clock, REAL_CLOCK } from "./batcher.ts";
import { type Batch, batchesOf } from "./batches.ts";
import { isLoss } from "./bayd-session.ts";
import type { Report } from "./events.ts";
import { parentOf } from "./host-tree.ts";
import { OpenPaths } from "./open-paths.ts";
import { isCopied } from "./rule.ts";
import type { RuleWatch } from "./rule-watch.ts";

const SHOWN_PATHS = 20;
/** Milliseconds to the first repetition, and at most while bayd is away, and after other failures. */
const FIRST_RETRY = 100;
const LONGEST_LOST = 1_000;
const LONGEST_FAILED = 30_000;
/** Who waits for the files waits for this many failed attempts, unless bayd is away. */
const PATIENCE = 5;

type Outcome = "done" | "refused" | "failed" | "lost" | "gone";

interface Failure {
  path: string;
  message: string;
}

export class ContainerSync {
  readonly #open = new OpenPaths();
  /** Paths that could not be written: they are sent again after a time, or when they change. */
  readonly #refused = new OpenPaths();
  /** Rules of which the container may have paths that the host does not have any more. */
  readonly #unlisted = new Set<RuleWatch>();
  readonly #dropped = new WeakSet<RuleWatch>();
  /** Failures that were reported, by path. */
  readonly #told = new Map<string, string>();
  #running: Promise<void> | undefined;
  #isClosed = false;
  #failures = 0;
  #timer: unknown;
  #waiting: (() => void)[] = [];

  constructor(
    readonly client: Pick<Client, "upload" | "json">,
    readonly container: { id: string; name: string; service: string },
    readonly report: Report,
    /** Called when the container does not exist any more. */
    readonly gone: () => void,
    readonly clock: Clock = REAL_CLOCK,
  ) {}

  /** Notes paths that may differ. */
  add(watch: RuleWatch, paths: Iterable<string>): void {
    this.#open.add(
      watch,
      [...paths].filter((path) => isCopied(watch.rule, path)),
    );
  }

  /** Notes all paths of a rule, and those that an earlier watch synchronised and the host has removed since. */
  addAll(watch: RuleWatch): void {
    this.#unlisted.add(watch);
    this.add(watch, watch.tree.entries.keys());
  }

  /** Notes the paths that could not be written: the container is starting, and its mounts are new. */
  addRefused(): void {
    for (const [watch, paths] of this.#refused.take()) this.#open.add(watch, paths);
  }

  /** Forgets rules that no longer exist. */
  drop(watch: RuleWatch): void {
    this.#dropped.add(watch);
    this.#unlisted.delete(watch);
    this.#open.drop(watch);
    this.#refused.drop(watch);
  }

  /** Resolves after one attempt to send what was noted before. What failed is tried again later, without another call. */
  flush(initial = false): Promise<void> {
    const next = (this.#running ?? Promise.resolve()).then(() => this.#attempt(initial));
    const running = next.finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  /** Sends what was noted; resolves when it has arrived, after some failures, or when the container is gone. */
  async settle(initial = false): Promise<void> {
    await this.flush(initial);
    if (this.#isSettled) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Ends the repetitions. */
  close(): void {
    this.#isClosed = true;
    this.clock.clear(this.#timer);
    this.#wake();
  }

  get #isSettled(): boolean {
    return this.#isClosed || (this.#open.isEmpty && this.#unlisted.size === 0) || this.#failures >= PATIENCE;
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #attempt(initial: boolean): Promise<void> {
    if (this.#isClosed) return;
    let worst = await this.#addRemoved();
    if (worst === "gone") return this.#leave();
    if (worst === "lost") return this.#plan(worst);
    const rules = this.#open.take();
    for (const [index, [watch, paths]] of rules.entries()) {
      const outcome = await this.#sendRule(watch, paths, initial);
      if (!this.#dropped.has(watch)) this.#open.add(watch, paths);
      if (outcome === "gone") return this.#leave();
      if (outcome !== "done") worst = outcome;
      if (outcome !== "lost") continue;
      for (const [other, left] of rules.slice(index + 1)) this.#open.add(other, left);
      break;
    }
    this.#plan(worst);
  }

  #leave(): void {
    this.close();
    this.gone();
  }

  /** Notes the removed paths of rules whose paths in the container are not known. */
  async #addRemoved(): Promise<Outcome> {
    for (const watch of [...this.#unlisted]) {
      const { target = "/" } = watch.rule;
      try {
        const { paths } = await this.client.json<{ paths: string[] }>("GET", this.#route("synced", watch));
        this.#unlisted.delete(watch);
        const below = paths.map((path) => posix.relative(target, path));
        // what a changed pattern leaves out now is not removed
        this.add(
          watch,
          below.filter(
            (path) => !path.startsWith("../") && !watch.tree.entries.has(path) && watch.tree.mayHave(path),
          ),
        );
      } catch (error) {
        return this.#outcomeOf(error, watch);
      }
    }
    return "done";
  }

  #route(what: "sync" | "synced", { rule }: RuleWatch): string {
    const query = new URLSearchParams({ source: rule.root, target: rule.target ?? "/" });
    return `/bay/v1/watch/containers/${this.container.id}/${what}?${query}`;
  }

  /** When the next attempt is. */
  #plan(outcome: Outcome): void {
    if (outcome === "done" && this.#refused.isEmpty) this.#failures = 0;
    if (outcome === "failed" || outcome === "refused") this.#failures += 1;
    if (this.#isSettled) this.#wake();
    if (this.#open.isEmpty && this.#refused.isEmpty && this.#unlisted.size === 0) return;
    if (this.#timer !== undefined && outcome !== "lost" && outcome !== "failed") return;
    this.clock.clear(this.#timer);
    const longest = outcome === "lost" ? LONGEST_LOST : LONGEST_FAILED;
    const wait = Math.min(longest, FIRST_RETRY * 2 ** Math.min(this.#failures, 20));
    this.#timer = this.clock.set(
      () => {
        this.#timer = undefined;
        this.addRefused();
        void this.flush();
      },
      outcome === "lost" ? longest : wait,
    );
  }

  /** Takes the paths out that have arrived. */
  async #sendRule(watch: RuleWatch, paths: Set<string>, initial: boolean): Promise<Outcome> {
    const began = performance.now();
    const sent: string[] = [];
    let [removed, directories] = [0, 0];
    let outcome: Outcome = "done";
    try {
      for (const batch of batchesOf(watch.tree, new Set(paths))) {
        const { changed, failed } = await this.#post(batch, watch);
        for (const path of batch.paths) {
          paths.delete(path);
          this.#refused.remove(watch, path);
        }
        if (changed > 0) sent.push(...batch.paths);
        removed += batch.removed;
        directories += batch.directories;
        if (this.#refuse(watch, batch, failed)) outcome = "refused";
      }
    } catch (error) {
      outcome = this.#outcomeOf(error, watch);
    }
    // the target alone was made
    if (sent.length === 0 || (initial && sent.length === directories)) return outcome;
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
    return outcome;
  }

  async #post({ body }: Batch, watch: RuleWatch): Promise<SyncResult> {
    const path = this.#route("sync", watch);
    return JSON.parse(await this.client.upload("POST", path, Readable.from([body]))) as SyncResult;
  }

  #outcomeOf(error: unknown, watch: RuleWatch): Outcome {
    if (isLoss(error)) return "lost";
    // a container that was removed needs nothing, and a new one gets everything
    if (hasCode(error, "CONTAINER_NOT_FOUND")) return "gone";
    this.#tell([{ path: watch.rule.target ?? "/", message: messageOf(error) }]);
    return "failed";
  }

  /** Notes the paths of a batch that were not written. Returns whether there are any. */
  #refuse(watch: RuleWatch, { paths, unread }: Batch, failed: readonly Failure[]): boolean {
    const target = watch.rule.target ?? "/";
    const failures = [
      ...unread,
      ...failed.map(({ path, message }) => ({ path: posix.relative(target, path), message })),
    ];
    const known = new Set(failures.map(({ path }) => this.#keyOf(watch, path)));
    for (const path of paths)
      if (!known.has(this.#keyOf(watch, path))) this.#told.delete(this.#keyOf(watch, path));
    for (const { path } of failures) {
      this.#refused.add(watch, [path]);
      // a directory was kept because something in it could not be removed
      for (let at = path; at !== "" && !watch.tree.entries.has(at); at = parentOf(at))
        this.#refused.add(watch, [at]);
    }
    this.#tell(failures.map(({ path, message }) => ({ path: this.#keyOf(watch, path), message })));
    return failures.length > 0;
  }

  #keyOf = (watch: RuleWatch, path: string) => posix.join(watch.rule.target ?? "/", path);

  /** Reports failures that were not reported before. */
  #tell(failures: readonly Failure[]): void {
    const fresh = failures.filter(({ path, message }) => this.#told.get(path) !== message);
    for (const { path, message } of failures) this.#told.set(path, message);
    const [first] = fresh;
    if (!first) return;
    const { service, name: container } = this.container;
    const { path, message } = first;
    this.report({ type: "sync-failed", service, container, path, message, more: fresh.length - 1 });
  }
}
