/** The data and holes of a sparse file: lseek(2) with SEEK_DATA and SEEK_HOLE. */
import { trySyscall } from "./libc.ts";

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const ENXIO = -6;

export interface Range {
  offset: number;
  length: number;
}

/**
 * Returns the ranges of a file's first `size` bytes that hold data, in order; the whole file if the file system does not
 * support holes. At most `limit` ranges are returned: the last one then extends to the end.
 */
export function dataRanges(fd: number, size: number, limit: number): Range[] {
  const ranges: Range[] = [];
  for (let at = 0; at < size; ) {
    const start = trySyscall("lseek", fd, at, SEEK_DATA);
    if (start === ENXIO) break; // only a hole follows
    if (start < 0) return [{ offset: 0, length: size }];
    if (start >= size) break;
    const hole = ranges.length + 1 < limit ? trySyscall("lseek", fd, start, SEEK_HOLE) : size;
    const end = hole < 0 ? size : Math.min(hole, size);
    ranges.push({ offset: start, length: end - start });
    at = end;
  }
  return ranges;
}

/** Writes all cached data of a file system to its disk (syncfs(2)). */
export function syncFileSystem(fd: number): void {
  trySyscall("syncfs", fd);
}
