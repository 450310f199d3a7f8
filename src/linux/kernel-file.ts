/** Small files that the kernel makes up when they are read: proc(5), cgroups. */
import { closeSync, openSync, readSync } from "node:fs";

/** One for all reads: readFileSync allocates 64 kB for each file whose size reads as 0, as it does for these. */
const buffer = Buffer.alloc(64 << 10);

/** The file's text, one byte a character. Throws what open(2) and read(2) say. */
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
