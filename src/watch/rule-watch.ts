/** Watches the files of one rule: from hints of the kernel, or by polling, to the paths that really changed. */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { messageOf } from "../core/errors.ts";
import { Batcher } from "./batcher.ts";
import { belowRoot } from "./below-root.ts";
import { networkFileSystem, watchLimit } from "./file-systems.ts";
import { FolderWatch } from "./folder-watch.ts";
import { type Found, HostTree, nothing, parentOf } from "./host-tree.ts";
import type { Rule } from "./rule.ts";

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
  /** Paths that cannot be synchronised, each once. */
  skipped: (watch: RuleWatch, paths: readonly string[]) => void;
}

export class RuleWatch {
  readonly tree: HostTree;
  readonly #folders: FolderWatch;
  readonly #batcher = new Batcher(() => this.#flush());
  readonly #hints = new Set<string>();
  /** It has no watches. */
  #isPolled = false;
  /** A part of it is on a network file system, so that it is polled beside its watches. */
  #isPartlyPolled = false;
  /** The directory above the root exists, and is watched. */
  #hasParent = true;
  readonly #knownDevices = new Set<number>();
  #toldSkipped = new Set<string>();
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
      this.events.polling(this.rule.root, onNetwork(network));
      for (const [device, path] of this.tree.devices) if (path === "") this.#knownDevices.add(device);
    }
    this.#lookAtDevices();
    this.#tellSkipped();
    if (!this.#isPolled) {
      this.#hasParent = existsSync(dirname(this.rule.root));
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
    const linked = new Set<number>();
    for (const hint of hints.sort((a, b) => a.length - b.length)) {
      const found = this.#look((found) => this.tree.lookAt(hint, found));
      for (const inode of found.linked) linked.add(inode);
      this.#report(found, true);
    }
    if (linked.size > 0) {
      const found = this.#look((found) => this.tree.lookAtLinks(linked, found));
      this.#report(found, true);
    }
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
    this.#tellSkipped();
    if (this.#lookAtDevices()) this.#plan(POLL);
    if (!this.#isPolled) {
      for (const path of gone) if (!directories.has(path)) this.#folders.remove(this.#absolute(path));
      if (directories.size > 0) void this.#watchNew([...directories]);
    }
    if (!isPart) this.#hand();
  }

  /** Other machines change the files of a network file system, also one that is mounted below the root. Returns whether one is new. */
  #lookAtDevices(): boolean {
    const before = this.#isPartlyPolled;
    for (const [device, path] of this.tree.devices) {
      if (this.#knownDevices.has(device)) continue;
      this.#knownDevices.add(device);
      const at = this.#absolute(path);
      const network = this.networkOf(at);
      if (network === undefined) continue;
      this.#isPartlyPolled = true;
      this.events.polling(at, onNetwork(network));
    }
    return this.#isPartlyPolled && !before;
  }

  #tellSkipped(): void {
    const { skipped } = this.tree;
    const fresh = [...skipped].filter((path) => !this.#toldSkipped.has(path));
    this.#toldSkipped = new Set(skipped);
    if (fresh.length > 0 && !this.#isClosed) this.events.skipped(this, fresh);
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

  /** The directory above the root may be made later than the watch. */
  #watchParent(): void {
    const parent = dirname(this.rule.root);
    if (this.#hasParent || !existsSync(parent)) return;
    this.#hasParent = true;
    void this.#folders.add([parent]).then(() => this.#hint(parent));
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
      this.#watchParent();
      this.#report(this.#look((found) => this.tree.lookAtAll(found)));
      if (this.#isIncomplete) return;
      this.#told = "";
      this.#planAfter(performance.now() - began);
    }, ms);
  }

  /** The next complete look, after one that took some milliseconds. */
  #planAfter(took: number): void {
    const isPolled = this.#isPolled || this.#isPartlyPolled || !this.#hasParent;
    this.#plan(isPolled ? Math.max(POLL, took * POLL_SHARE) : Math.max(SWEEP, took * SWEEP_SHARE));
  }
}

const onNetwork = (name: string) => `it is on ${name}, which does not report changes of other machines`;
