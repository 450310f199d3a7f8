/**
 * Distributions build Node.js so that it reads some of its modules from files at its start (--shared-builtin-…-path of its
 * configure script): Debian has them below /usr/share/nodejs. Their paths are constants in the program or library.
 */
import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { posix } from "node:path";

const FOLDER = "/usr/share/nodejs/";
const PATH = /^\/usr\/share\/nodejs\/[\w@./-]{1,200}\.(?:js|mjs|cjs|wasm)/;
const LONGEST = 256;
const CHUNK = 4 << 20;

/** True for the program and the library of Node.js. */
export const isNode = (path: string): boolean =>
  /^(?:node|nodejs|libnode\.so[.\d]*)$/.test(posix.basename(path));

/** Paths of the modules that a build of Node.js reads at its start and that exist on this host. */
export function nodeBuiltins(program: string): string[] {
  const found = new Set<string>();
  const fd = openSync(program, "r");
  const buffer = Buffer.alloc(CHUNK + LONGEST);
  try {
    // parts overlap, because a path may cross their boundary
    for (let [at, kept] = [0, 0]; ; ) {
      const count = readSync(fd, buffer, kept, CHUNK, at);
      if (count === 0) break;
      const part = buffer.subarray(0, kept + count);
      for (let start = part.indexOf(FOLDER); start !== -1; start = part.indexOf(FOLDER, start + 1)) {
        const path = PATH.exec(part.toString("latin1", start, start + LONGEST))?.[0];
        if (path !== undefined && existsSync(path)) found.add(path);
      }
      at += count;
      kept = Math.min(LONGEST, part.length);
      part.copy(buffer, 0, part.length - kept);
    }
  } finally {
    closeSync(fd);
  }
  return [...found];
}
