import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { ReadStream } from "node:tty";
import { type Launched, resizePty, takePtyMaster } from "../../linux/index.ts";
import { SegmentWriter } from "../logs/segments.ts";
import { readTerminal } from "./pty-reader.ts";

const DRAIN_TIME = 2000;

/** The terminal of a container with `tty: true`: its output is logged and sent to attached clients. */
export class Terminal {
  readonly #master: number;
  readonly #stream: ReadStream;
  readonly #writer: SegmentWriter | undefined;
  readonly #isRead: Promise<void>;
  #hasFailed = false;

  constructor(
    launched: Launched,
    directory: string | undefined,
    log: { maxSize: number; maxFiles: number },
    onOutput: (bytes: Buffer) => void,
    onLost: (error: unknown) => void,
  ) {
    this.#master = takePtyMaster(launched.shimPid, launched.shimStart, launched.ttyFd!);
    this.#writer = directory ? new SegmentWriter(directory, log.maxSize, log.maxFiles) : undefined;
    this.#stream = readTerminal(this.#master, (bytes) => {
      this.#log(bytes, onLost);
      onOutput(bytes);
    });
    this.#isRead = new Promise((resolve) => void this.#stream.once("close", resolve));
  }

  /** Output that cannot be written to the disk is discarded, as for other containers (log-worker.ts). */
  #log(bytes: Buffer, onLost: (error: unknown) => void): void {
    try {
      for (let at = 0; this.#writer && at < bytes.length; ) {
        const { fd, offset, room } = this.#writer.target(0);
        const count = writeSync(fd, bytes, at, Math.min(room, bytes.length - at), offset);
        this.#writer.note(0, count, Date.now());
        at += count;
      }
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) onLost(error);
      this.#hasFailed = true;
    }
  }

  /** Resolves when all output of a container that has ended was read, or soon if a process outside holds the terminal. */
  async drain(): Promise<void> {
    const abort = new AbortController();
    const late = sleep(DRAIN_TIME, undefined, { signal: abort.signal }).catch(() => {});
    await Promise.race([this.#isRead, late]);
    abort.abort();
  }

  write(bytes: Buffer): void {
    (this.#stream as unknown as { write(bytes: Buffer): void }).write(bytes);
  }

  /** Bytes that the container has not read yet. */
  get waiting(): number {
    return (this.#stream as unknown as { writableLength: number }).writableLength;
  }

  resize(rows: number, columns: number): void {
    resizePty(this.#master, rows, columns);
  }

  close(): void {
    this.#stream.destroy();
    this.#writer?.close();
  }
}
