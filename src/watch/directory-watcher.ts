/**
 * A chokidar watcher of directories that it does not read. HostTree reads them, and finds out what has changed; chokidar would
 * read a whole directory after each change in it, which takes long for one with many files, and much memory at the start.
 */
import { FSWatcher } from "chokidar";

export class DirectoryWatcher extends FSWatcher {
  /** chokidar asks this before it reads a directory, and does not read it without a throttle. */
  override _throttle(...[action, path, timeout]: Parameters<FSWatcher["_throttle"]>) {
    return action === "readdir" ? false : super._throttle(action, path, timeout);
  }
}
