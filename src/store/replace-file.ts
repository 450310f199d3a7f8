/** Replacing a file atomically: a reader sees the old content or the new content, never a part. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";

/** Writes a temporary file beside the target, flushes it to the disk and renames it to the target (rename(2)). */
export function replaceFile(path: string, content: string | Buffer, mode = 0o644): void {
  const fd = openSync(`${path}.new`, "w", mode);
  try {
    writeFileSync(fd, content);
    fsyncSync(fd);
  } catch (error) {
    rmSync(`${path}.new`, { force: true }); // half a file is useless on a full disk
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(`${path}.new`, path);
}
