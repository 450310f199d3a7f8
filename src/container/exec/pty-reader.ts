/** Reads all output of a terminal from its master side. */
import { readSync } from "node:fs";
import { ReadStream } from "node:tty";

const CHUNK = 65_536;

/**
 * A stream that reads and writes the master side of a pseudo-terminal (pty(7)), and closes it when it is destroyed. Every byte
 * of output is passed to `onOutput`.
 *
 * When the last program closes the terminal, poll(2) reports POLLHUP while output can still be buffered. libuv takes a short
 * read together with POLLHUP for the end of the data, so the rest is read here before the descriptor is closed. After EIO
 * nothing is left to read.
 */
export function readTerminal(master: number, onOutput: (bytes: Buffer) => void): ReadStream {
  const stream = new ReadStream(master);
  stream.on("data", onOutput);
  stream.on("end", () => {
    for (;;) {
      const bytes = Buffer.allocUnsafe(CHUNK);
      const count = readOrEnd(master, bytes);
      if (count === 0) break;
      onOutput(bytes.subarray(0, count));
    }
  });
  stream.on("error", () => stream.destroy()); // EIO: no program has the terminal open, and all output was read
  return stream;
}

/** The number of bytes read; 0 at the end (EIO), and if nothing is buffered while another program has opened the terminal again. */
function readOrEnd(master: number, bytes: Buffer): number {
  try {
    return readSync(master, bytes);
  } catch {
    return 0;
  }
}
