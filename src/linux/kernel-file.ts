/** Reads small files that the kernel generates when they are read: proc(5), cgroups. */
import { closeSync, openSync, readSync } from "node:fs";

/** Shared by all reads: readFileSync allocates 64 kB for each file with the size 0, which these have. */
const buffer = Buffer.alloc(64 << 10);

/** The file's text, one byte per character. Throws the errors of open(2) and read(2). */
export function readKernelFile(path: string): string {
  const fd = openSync(path, "r");
  try {
    let text = "";
    for (;;) {
      const count = readSync(fd, buffer, 0, buffer.length, null);
      if (count === 0) return text;
      text += buffer.toString("latin1", 0, count);
    }
  } finally {
    closeSync(fd);
  }
}
