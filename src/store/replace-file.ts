/** A file that is either its old self or its new self, at every moment. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";

/** Writes a file beside its place, flushes it to the disk and moves it in (rename(2)). */
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
