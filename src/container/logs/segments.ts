/**
 * A container's logs on disk. Segments `N.out` and `N.err` hold the bytes as the container wrote them. `N.idx` holds their
 * times: 16-byte entries {f64 milliseconds since the epoch, u32 length, u32 stream}, in the order in which the chunks
 * arrived. The kernel moves the bytes, and a process that dies between the move and the entry leaves a segment longer than
 * its index says; `recover` writes the missing entry.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

export const ENTRY = 16;
export const STREAMS = ["out", "err"] as const;

export interface IndexEntry {
  time: number;
  length: number;
  /** 0 for stdout, 1 for stderr. */
  stream: number;
  /** The first bytes of a segment that continue a line of the previous one. */
  goesOn?: boolean;
}

/** A flag in the entry's stream. */
const GOES_ON = 2;
const NEWLINE = 10;

export function encodeEntry({ time, length, stream, goesOn }: IndexEntry): Buffer {
  const bytes = Buffer.alloc(ENTRY);
  bytes.writeDoubleLE(time, 0);
  bytes.writeUInt32LE(length, 8);
  bytes.writeUInt32LE(stream | (goesOn ? GOES_ON : 0), 12);
  return bytes;
}

export function decodeEntries(bytes: Buffer): IndexEntry[] {
  const entries: IndexEntry[] = [];
  for (let at = 0; at + ENTRY <= bytes.length; at += ENTRY) {
    entries.push({
      time: bytes.readDoubleLE(at),
      length: bytes.readUInt32LE(at + 8),
      stream: bytes.readUInt32LE(at + 12) & 1,
      goesOn: (bytes.readUInt32LE(at + 12) & GOES_ON) !== 0,
    });
  }
  return entries;
}

/** The numbers of the segments in a directory, oldest first. */
export function segmentNumbers(directory: string): number[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .flatMap((name) => /^(\d+)\.idx$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** Writes the newest segment, whose files are created when there is output, and rotates. */
export class SegmentWriter {
  #number: number;
  readonly #streams: (number | undefined)[] = [undefined, undefined];
  #index: number | undefined;
  #indexSize = 0;
  readonly #sizes = [0, 0];
  /** Streams whose last line was not complete when the segment began. */
  readonly #goesOn = [false, false];

  constructor(
    readonly directory: string,
    readonly maxSize: number,
    readonly maxFiles: number,
  ) {
    const last = segmentNumbers(directory).at(-1);
    this.#number = last ?? 1;
    if (last !== undefined) this.#recover();
  }

  /**
   * True if the next target is in a new segment, for which the oldest is removed: read this only when there is output to
   * write.
   */
  get isFull(): boolean {
    // byte-by-byte writes make an index that is larger than the output
    return this.#sizes[0]! + this.#sizes[1]! >= this.maxSize || this.#indexSize >= this.maxSize;
  }

  /** Descriptor and offset of a stream's file, and how many bytes fit. */
  target(stream: number): { fd: number; offset: number; room: number } {
    if (this.isFull) this.#rotate();
    if (this.#index === undefined) {
      mkdirSync(this.directory, { recursive: true, mode: 0o700 });
      // before the stream, so that bytes without an entry are found again
      this.#index = openSync(this.#file("idx"), "a", 0o600);
      this.#indexSize = fstatSync(this.#index).size;
    }
    this.#streams[stream] ??= this.#openStream(stream);
    const room = this.maxSize - this.#sizes[0]! - this.#sizes[1]!;
    return { fd: this.#streams[stream], offset: this.#sizes[stream]!, room };
  }

  /**
   * Records that `length` bytes were written at the target. Throws system errors (ENOSPC); the bytes do not count then, and
   * the next ones overwrite them.
   */
  note(stream: number, length: number, time: number): void {
    const goesOn = this.#goesOn[stream] === true && this.#sizes[stream] === 0;
    this.#writeEntry({ time, length, stream, goesOn });
    this.#sizes[stream]! += length;
  }

  #writeEntry(entry: IndexEntry): void {
    const written = writeSync(this.#index!, encodeEntry(entry));
    if (written !== ENTRY) {
      ftruncateSync(this.#index!, this.#indexSize);
      throw Object.assign(new Error("ENOSPC: a part of an entry was written"), { code: "ENOSPC" });
    }
    this.#indexSize += ENTRY;
  }

  close(): void {
    for (const fd of [...this.#streams, this.#index]) if (fd !== undefined) closeSync(fd);
    this.#streams.fill(undefined);
    this.#index = undefined;
    this.#indexSize = 0;
    this.#sizes.fill(0);
  }

  #file(suffix: string): string {
    return join(this.directory, `${this.#number}.${suffix}`);
  }

  #openStream(stream: number): number {
    const path = this.#file(STREAMS[stream]!);
    // not O_APPEND: splice(2) does not allow it
    const fd = openSync(path, existsSync(path) ? "r+" : "w+", 0o600);
    this.#sizes[stream] = fstatSync(fd).size;
    return fd;
  }

  #recover(): void {
    const noted = [0, 0];
    for (const { stream, length } of decodeEntries(readFileSync(this.#file("idx")))) noted[stream]! += length;
    STREAMS.forEach((name, stream) => {
      if (!existsSync(this.#file(name))) return;
      this.target(stream);
      const missing = this.#sizes[stream]! - noted[stream]!;
      if (missing > 0) this.#writeEntry({ time: Date.now(), length: missing, stream });
    });
  }

  #rotate(): void {
    this.#streams.forEach((fd, stream) => {
      const size = this.#sizes[stream]!;
      if (fd === undefined || size === 0) return; // no output: the state of the last line is unchanged
      const last = Buffer.alloc(1);
      readSync(fd, last, 0, 1, size - 1);
      this.#goesOn[stream] = last[0] !== NEWLINE;
    });
    this.close();
    this.#number += 1;
    const numbers = segmentNumbers(this.directory);
    for (const number of numbers.slice(0, Math.max(0, numbers.length - this.maxFiles + 1))) {
      for (const suffix of [...STREAMS, "idx"])
        rmSync(join(this.directory, `${number}.${suffix}`), { force: true });
    }
  }
}
