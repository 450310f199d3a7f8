/**
 * Watches directories with chokidar, each by itself: the kernel reports every change of the names and files in a directory to
 * its one watch, so files need no watches of their own.
 */
import { basename, join } from "node:path";
import type { FSWatcher } from "chokidar";
import { hasCode } from "../core/errors.ts";

export class FolderWatch {
  readonly #watchers = new Map<string, FSWatcher>();
  /** How many directories a watcher has. */
  readonly #counts = new Map<FSWatcher, number>();
  #isClosed = false;

  constructor(
    /** A path in a watched directory has changed, or the directory itself. */
    readonly changed: (path: string) => void,
    /** The limit of watches or instances is reached. */
    readonly exhausted: (code: "ENOSPC" | "EMFILE") => void,
  ) {}

  /** Resolves when the directories are watched: a change after that is reported. Directories that are known get a new watch. */
  async add(directories: readonly string[]): Promise<void> {
    if (directories.length === 0 || this.#isClosed) return;
    const { DirectoryWatcher } = await import("./directory-watcher.ts");
    for (const directory of directories) this.remove(directory);
    const own = new Set(directories);
    // closed while chokidar was loaded
    if (this.#isClosed) return;
    const watcher = new DirectoryWatcher({
      depth: 0,
      ignoreInitial: true,
      followSymlinks: false,
      ignorePermissionErrors: true,
      atomic: false,
      // otherwise all watchers of a path share one watch, which stays with a directory that was removed and created again
      persistent: false,
      // chokidar would watch the directory above one that does not exist
      ignored: (path: string) => !own.has(path),
    });
    for (const directory of own) this.#watchers.set(directory, watcher);
    this.#counts.set(watcher, own.size);
    watcher.on("raw", (_event: string, name: string | null, details: unknown) => {
      const { watchedPath } = details as { watchedPath: string };
      // an event of the directory itself has its own name, which may be that of an entry as well
      if (!name || name === basename(watchedPath)) this.changed(watchedPath);
      if (name) this.changed(join(watchedPath, name));
    });
    watcher.on("error", (error) => {
      if (hasCode(error, "ENOSPC")) this.exhausted("ENOSPC");
      else if (hasCode(error, "EMFILE")) this.exhausted("EMFILE");
    });
    await new Promise<void>((resolve) => {
      watcher.on("ready", resolve);
      watcher.add([...own]);
      // a directory may vanish at any moment, and chokidar is not ready then
      setTimeout(resolve, READY_WITHIN);
    });
    // chokidar sets a watch that it had begun to set when the directory was removed from its list
    for (const directory of own) if (this.#watchers.get(directory) !== watcher) watcher.unwatch(directory);
  }

  remove(directory: string): void {
    const watcher = this.#watchers.get(directory);
    if (!watcher) return;
    this.#watchers.delete(directory);
    watcher.unwatch(directory);
    const left = (this.#counts.get(watcher) ?? 1) - 1;
    this.#counts.set(watcher, left);
    if (left > 0) return;
    this.#counts.delete(watcher);
    void watcher.close();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const all = [...this.#counts.keys()];
    this.#watchers.clear();
    this.#counts.clear();
    await Promise.all(all.map((watcher) => watcher.close()));
  }
}

const READY_WITHIN = 5_000;
