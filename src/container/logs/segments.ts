/**
 * A container's logs on disk. Segments `N.out` and `N.err` hold the bytes as the container wrote them;
 * `N.idx` says when: 16-byte entries {f64 milliseconds since the epoch, u32 length, u32 stream}, in the order in
 * which the chunks arrived. The bytes are moved by the kernel, and a process that dies between the move and
 * the entry leaves a segment longer than its index says; `recover` writes the missing entry.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

export const ENTRY = 16;
/** Where the file says no max-size. */
export const DEFAULT_SEGMENT_SIZE = 64 << 20;
export const STREAMS = ["out", "err"] as const;

export interface IndexEntry {
  time: number;
  length: number;
  /** 0 for stdout, 1 for stderr. */
  stream: number;
}

export function encodeEntry({ time, length, stream }: IndexEntry): Buffer {
  const bytes = Buffer.alloc(ENTRY);
  bytes.writeDoubleLE(time, 0);
  bytes.writeUInt32LE(length, 8);
  bytes.writeUInt32LE(stream, 12);
  return bytes;
}

export function decodeEntries(bytes: Buffer): IndexEntry[] {
  const entries: IndexEntry[] = [];
  for (let at = 0; at + ENTRY <= bytes.length; at += ENTRY) {
    entries.push({
      time: bytes.readDoubleLE(at),
      length: bytes.readUInt32LE(at + 8),
      stream: bytes.readUInt32LE(at + 12) & 1,
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

/** The writing end: open files of the newest segment, and rotation. */
export class SegmentWriter {
  #number: number;
  #streams: number[] = [];
  #index = -1;
  #sizes = [0, 0];

  constructor(
    readonly directory: string,
    readonly maxSize: number,
    readonly maxFiles: number,
  ) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#number = segmentNumbers(directory).at(-1) ?? 1;
    this.#open();
    this.#recover();
  }

  /** Descriptor and offset of a stream's file. */
  target(stream: number): { fd: number; offset: number } {
    return { fd: this.#streams[stream]!, offset: this.#sizes[stream]! };
  }

  /** Notes that `length` bytes were put at the target. */
  note(stream: number, length: number, time: number): void {
    this.#sizes[stream]! += length;
    writeSync(this.#index, encodeEntry({ time, length, stream }));
    if (this.#sizes[0]! + this.#sizes[1]! >= this.maxSize) this.#rotate();
  }

  close(): void {
    for (const fd of [...this.#streams, this.#index]) closeSync(fd);
  }

  #open(): void {
    // not O_APPEND: splice refuses it
    this.#streams = STREAMS.map((name) =>
      openSync(
        join(this.directory, `${this.#number}.${name}`),
        existsSync(join(this.directory, `${this.#number}.${name}`)) ? "r+" : "w+",
        0o600,
      ),
    );
    this.#index = openSync(join(this.directory, `${this.#number}.idx`), "a", 0o600);
    this.#sizes = this.#streams.map((fd) => fstatSync(fd).size);
  }

  #recover(): void {
    const path = join(this.directory, `${this.#number}.idx`);
    const bytes = readFileSync(path);
    const noted = [0, 0];
    for (const { stream, length } of decodeEntries(bytes)) noted[stream]! += length;
    STREAMS.forEach((_, stream) => {
      const missing = this.#sizes[stream]! - noted[stream]!;
      if (missing > 0) writeSync(this.#index, encodeEntry({ time: Date.now(), length: missing, stream }));
    });
  }

  #rotate(): void {
    this.close();
    this.#number += 1;
    this.#open();
    for (const number of segmentNumbers(this.directory).slice(0, -this.maxFiles)) {
      for (const suffix of [...STREAMS, "idx"])
        rmSync(join(this.directory, `${number}.${suffix}`), { force: true });
    }
  }
}

/** The bytes that a container's logs take on disk. */
export function logSize(directory: string): number {
  return segmentNumbers(directory).reduce(
    (sum, number) =>
      sum +
      STREAMS.reduce(
        (total, name) =>
          total + (statSync(join(directory, `${number}.${name}`), { throwIfNoEntry: false })?.size ?? 0),
        0,
      ),
    0,
  );
}
