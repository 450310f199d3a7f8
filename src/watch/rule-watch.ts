/** Watches the files of one rule: from hints of the kernel, or by polling, to the paths that really changed. */
import { basename, dirname, join } from "node:path";
import { messageOf } from "../core/errors.ts";
import { Batcher } from "./batcher.ts";
import { networkFileSystem, watchLimit } from "./file-systems.ts";
import { FolderWatch } from "./folder-watch.ts";
import { type Found, HostTree, nothing, parentOf } from "./host-tree.ts";
import { belowRoot, type Rule } from "./rule.ts";

/** Milliseconds between complete looks while polling, and while the kernel reports changes (for what it may have lost). */
const POLL = 1_000;
const SWEEP = 10_000;
/** A complete look takes at most this part of the time: 5 percent while polling, 0.3 percent otherwise. */
const POLL_SHARE = 20;
const SWEEP_SHARE = 300;
/** From this number of hints in a batch on, one complete look is cheaper; the kernel's queue has 16,384 by default. */
const MANY = 2_000;

export interface RuleWatchEvents {
  changed: (watch: RuleWatch, paths: ReadonlySet<string>) => void;
  /** Files that may have changed, which cannot be seen without a comparison of their contents. */
  suspected: (watch: RuleWatch, paths: ReadonlySet<string>) => void;
  /** A part of the tree could not be read, such as by a limit of open files; it is tried again. */
  unreadable: (watch: RuleWatch, message: string) => void;
  polling: (path: string, reason: string, hint?: string) => void;
}

export class RuleWatch {
  readonly tree: HostTree;
  readonly #folders: FolderWatch;
  readonly #batcher = new Batcher(() => this.#flush());
  readonly #hints = new Set<string>();
  #isPolled = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  /** The failure of a look that was reported last. */
  #told = "";
  /** A look could not be completed. */
  #isIncomplete = false;

  constructor(
    readonly rule: Rule,
    readonly events: RuleWatchEvents,
    readonly networkOf = networkFileSystem,
  ) {
    this.tree = new HostTree(rule);
    this.#folders = new FolderWatch(
      (path) => this.#hint(path),
      (code) => this.#exhausted(code),
    );
  }

  /** Reads the tree and watches it. Changes after the call are reported. */
  async start(): Promise<void> {
    const began = performance.now();
    this.#look((found) => this.tree.lookAtAll(found));
    const took = performance.now() - began;
    const network = this.networkOf(this.rule.root);
    if (network) {
      this.#isPolled = true;
      this.events.polling(this.rule.root, `it is on ${network}, which does not report changes`);
    } else {
      // the directory above sees the root itself removed, replaced or made
      await this.#folders.add([
        dirname(this.rule.root),
        ...this.tree.directories().map((path) => this.#absolute(path)),
      ]);
      if (this.#isClosed) return;
      this.#report(this.#look((found) => this.tree.lookAtAll(found)));
    }
    this.#planAfter(took);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#batcher.stop();
    clearTimeout(this.#timer);
    await this.#folders.close();
  }

  #absolute(path: string): string {
    return path === "" ? this.rule.root : join(this.rule.root, path);
  }

  #hint(path: string): void {
    if (this.#isClosed) return;
    const { root } = this.rule;
    const below = belowRoot(root, path);
    // of the directory above, only the root counts
    if (below === undefined && !(dirname(root) === path || basename(path) === basename(root))) return;
    this.#hints.add(below ?? "");
    this.#batcher.touch();
  }

  #flush(): void {
    const hints = [...this.#hints];
    this.#hints.clear();
    if (hints.length > MANY) return this.#report(this.#look((found) => this.tree.lookAtAll(found)));
    for (const hint of hints.sort((a, b) => a.length - b.length))
      this.#report(
        this.#look((found) => this.tree.lookAt(hint, found)),
        true,
      );
    this.#hand();
  }

  /** What a look found, also if it could not be completed; another complete one follows soon then. */
  #look(look: (found: Found) => void): Found {
    const found = nothing();
    try {
      look(found);
    } catch (error) {
      const message = messageOf(error);
      if (message !== this.#told) this.events.unreadable(this, message);
      this.#told = message;
      this.#isIncomplete = true;
      this.#plan(POLL);
    }
    return found;
  }

  readonly #changed = new Set<string>();

  /** Sets the watches that a look asks for, and hands its changes over. */
  #report({ changed, suspected, directories, gone }: Found, isPart = false): void {
    for (const path of changed) this.#changed.add(path);
    if (suspected.size > 0 && !this.#isClosed) this.events.suspected(this, suspected);
    if (!this.#isPolled) {
      for (const path of gone) if (!directories.has(path)) this.#folders.remove(this.#absolute(path));
      if (directories.size > 0) void this.#watchNew([...directories]);
    }
    if (!isPart) this.#hand();
  }

  #hand(): void {
    if (this.#changed.size === 0 || this.#isClosed) return;
    const paths = new Set(this.#changed);
    this.#changed.clear();
    this.events.changed(this, paths);
  }

  /** What happened in new directories before they were watched is found by another look. */
  async #watchNew(directories: string[]): Promise<void> {
    await this.#folders.add(directories.map((path) => this.#absolute(path)));
    if (this.#isClosed) return;
    const all = new Set(directories);
    for (const path of directories)
      if (path === "" || !all.has(parentOf(path)))
        this.#report(
          this.#look((found) => this.tree.lookBelow(path, found)),
          true,
        );
    this.#hand();
  }

  #exhausted(code: "ENOSPC" | "EMFILE"): void {
    if (this.#isPolled || this.#isClosed) return;
    this.#isPolled = true;
    const { reason, hint } = watchLimit(code);
    this.events.polling(this.rule.root, reason, hint);
    void this.#folders.close();
    this.#plan(POLL);
  }

  /** The next complete look. */
  #plan(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#isClosed) return;
      const began = performance.now();
      this.#isIncomplete = false;
      this.#report(this.#look((found) => this.tree.lookAtAll(found)));
      if (this.#isIncomplete) return;
      this.#told = "";
      this.#planAfter(performance.now() - began);
    }, ms);
  }

  /** The next complete look, after one that took some milliseconds. */
  #planAfter(took: number): void {
    this.#plan(this.#isPolled ? Math.max(POLL, took * POLL_SHARE) : Math.max(SWEEP, took * SWEEP_SHARE));
  }
}
