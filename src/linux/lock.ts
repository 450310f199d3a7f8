/** One process at a time: flock(2) on a file, released by the kernel with the process. */
import { closeSync, openSync } from "node:fs";
import { trySyscall } from "./libc.ts";

const LOCK_EX_NB = 2 | 4;

/** The descriptor that holds the lock, or undefined if another process holds it. */
export function tryLock(file: string): number | undefined {
  const fd = openSync(file, "a", 0o600);
  if (trySyscall("flock", fd, LOCK_EX_NB) === 0) return fd;
  closeSync(fd);
  return undefined;
}
