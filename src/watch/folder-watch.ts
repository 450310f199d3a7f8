/**
 * Watches directories with chokidar, each by itself: the kernel reports every change of the names and files in a directory to
 * its one watch, so files need no watches of their own.
 */
import { join } from "node:path";
import type { FSWatcher } from "chokidar";
import { hasCode } from "../core/errors.ts";

export class FolderWatch {
  readonly #watchers = new Map<string, FSWatcher>();
  #isClosed = false;

  constructor(
    /** A path in a watched directory has changed, or the directory itself. */
    readonly changed: (path: string) => void,
    /** The limit of watches or instances is reached. */
    readonly exhausted: (code: "ENOSPC" | "EMFILE") => void,
  ) {}

  /** Resolves when the directories are watched: a change after that is reported. Those known already are watched anew. */
  async add(directories: readonly string[]): Promise<void> {
    if (directories.length === 0 || this.#isClosed) return;
    const { watch } = await import("chokidar");
    for (const directory of directories) this.remove(directory);
    const own = new Set(directories);
    // closed while chokidar was loaded
    if (this.#isClosed) return;
    const watcher = watch([...own], {
      depth: 0,
      ignoreInitial: true,
      followSymlinks: false,
      ignorePermissionErrors: true,
      atomic: false,
      // chokidar reads each directory, and would watch the files in it
      ignored: (path: string) => !own.has(path),
    });
    for (const directory of own) this.#watchers.set(directory, watcher);
    watcher.on("raw", (_event: string, name: string | null, details: unknown) => {
      const { watchedPath } = details as { watchedPath: string };
      this.changed(name === null || name === "" ? watchedPath : join(watchedPath, name));
    });
    watcher.on("error", (error) => {
      if (hasCode(error, "ENOSPC")) this.exhausted("ENOSPC");
      else if (hasCode(error, "EMFILE")) this.exhausted("EMFILE");
    });
    await new Promise<void>((resolve) => {
      watcher.on("ready", resolve);
      // a directory may vanish at any moment, and chokidar is not ready then
      setTimeout(resolve, READY_WITHIN).unref();
    });
  }

  remove(directory: string): void {
    const watcher = this.#watchers.get(directory);
    if (!watcher) return;
    this.#watchers.delete(directory);
    watcher.unwatch(directory);
    if (![...this.#watchers.values()].includes(watcher)) void watcher.close();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const all = new Set(this.#watchers.values());
    this.#watchers.clear();
    await Promise.all([...all].map((watcher) => watcher.close()));
  }
}

const READY_WITHIN = 5_000;
