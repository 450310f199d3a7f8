/** Lists the entries of a tar file and the positions of their content, without reading it. */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { EntryType } from "./header.ts";
import { readTar } from "./read.ts";

export interface ScannedEntry {
  /** A binary string. */
  name: string;
  type: EntryType;
  linkName: string;
  offset: number;
  size: number;
}

const MAX_ENTRIES = LIMITS.image.archiveEntries;
/** Bytes of all names together; a PAX header can make a single name 1 MiB long. */
const MAX_NAMES = LIMITS.image.archiveNames;
const AHEAD = 64 << 10;

/** Throws BAD_TAR for a file that is not a tar archive, or has more than 20,000 entries or more than 16 MiB of names. */
export function scanTar(path: string): ScannedEntry[] {
  const entries: ScannedEntry[] = [];
  let nameBytes = 0;
  const fd = openSync(path, "r");
  try {
    const end = fstatSync(fd).size;
    const buffer = Buffer.alloc(AHEAD);
    let at = 0;
    let bufferAt = 0;
    let filled = 0;
    const read = (length: number): Buffer => {
      if (at < bufferAt || at >= bufferAt + filled) {
        bufferAt = at;
        filled = readSync(fd, buffer, 0, AHEAD, at);
      }
      const part = buffer.subarray(at - bufferAt, Math.min(at - bufferAt + length, filled));
      at += part.length;
      return part;
    };
    readTar(
      read,
      (entry) => {
        if (entries.length >= MAX_ENTRIES)
          throw new BayError("BAD_TAR", `the archive has more than ${MAX_ENTRIES} entries`);
        nameBytes += entry.name.length + entry.linkName.length;
        if (nameBytes > MAX_NAMES)
          throw new BayError(
            "BAD_TAR",
            `the names in the archive have more than ${MAX_NAMES} bytes together`,
          );
        entries.push({
          name: entry.name,
          type: entry.type,
          linkName: entry.linkName,
          offset: at,
          size: entry.size,
        });
        if (entry.sparse) throw new BayError("BAD_TAR", "an image archive has sparse files");
        if (at + entry.size > end) throw new BayError("BAD_TAR", `the tar archive ends inside ${entry.name}`);
        // skip the content in one step; its padding is read
        at += entry.size;
        return entry.size;
      },
      { toTheEnd: false },
    );
  } finally {
    closeSync(fd);
  }
  return entries;
}
