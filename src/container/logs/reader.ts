/** Reading a container's logs as lines with stream and time, piece by piece, and following them. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { hasCode } from "../../errors.ts";
import { decodeEntries, ENTRY, type IndexEntry, STREAMS, segmentNumbers } from "./segments.ts";

export interface LogLine {
  stream: 0 | 1;
  time: number;
  /** With its newline, unless the output ended without one, or the line is longer than MAX_LINE. */
  bytes: Buffer;
}

export interface LogQuery {
  stdout: boolean;
  stderr: boolean;
  /** Only the last so many lines. */
  tail?: number | undefined;
  /** Milliseconds since the epoch. */
  since?: number | undefined;
  until?: number | undefined;
}

/** A longer line is given in pieces, so that output without newlines does not fill the memory. */
const MAX_LINE = 1 << 20;
const ENTRIES_AT_ONCE = 4096;
const BYTES_AT_ONCE = 256 << 10;

/** A position in the logs, from which reading goes on. */
export class LogReader {
  #segment = 0;
  #entry = 0;
  #offsets: [number, number] = [0, 0];
  /** Nothing was read of the segment before this one. */
  #isFirst = true;
  readonly #skipsLine: [boolean, boolean] = [false, false];
  #partial: [Partial | undefined, Partial | undefined] = [undefined, undefined];

  constructor(readonly directory: string) {}

  /** The complete lines since the last call. `flush` also gives what there is of a last line; the rest comes later. */
  *read(flush: boolean): Generator<LogLine> {
    for (const number of this.#segments()) yield* this.#readSegment(number);
    if (!flush) return;
    for (const stream of [0, 1] as const) {
      const partial = this.#partial[stream];
      this.#partial[stream] = undefined;
      if (partial) yield { stream, time: partial.time, bytes: Buffer.concat(partial.parts) };
    }
  }

  /** Goes past all that is there. */
  skip(): void {
    for (const number of this.#segments()) {
      for (const { stream, length } of this.#entries(number)) this.#offsets[stream as 0 | 1] += length;
    }
  }

  *#segments(): Generator<number> {
    for (const number of segmentNumbers(this.directory)) {
      if (number < this.#segment) continue;
      if (number > this.#segment) {
        this.#isFirst = number !== this.#segment + 1 || this.#segment === 0;
        this.#segment = number;
        this.#entry = 0;
        this.#offsets = [0, 0];
      }
      yield number;
    }
  }

  /** The entries that were not read yet, a block at a time. */
  *#entries(number: number): Generator<IndexEntry> {
    const fd = openIfThere(join(this.directory, `${number}.idx`));
    if (fd === undefined) return;
    try {
      const block = Buffer.alloc(ENTRIES_AT_ONCE * ENTRY);
      for (;;) {
        const count = readSync(fd, block, 0, block.length, this.#entry * ENTRY);
        const entries = decodeEntries(block.subarray(0, count));
        if (entries.length === 0) return;
        for (const entry of entries) {
          this.#entry += 1;
          yield entry;
        }
      }
    } finally {
      closeSync(fd);
    }
  }

  *#readSegment(number: number): Generator<LogLine> {
    const fds: (number | undefined)[] = [];
    try {
      for (const { stream, length, time, goesOn } of this.#entries(number)) {
        // of a line whose beginning was rotated away, the rest is no line
        if (goesOn && this.#isFirst) this.#skipsLine[stream as 0 | 1] = true;
        fds[stream] ??= openIfThere(join(this.directory, `${number}.${STREAMS[stream]}`));
        const fd = fds[stream];
        if (fd === undefined) continue; // rotated away while it was read
        const end = Math.min(this.#offsets[stream as 0 | 1] + length, fstatSync(fd).size);
        for (let at = this.#offsets[stream as 0 | 1]; at < end; at += BYTES_AT_ONCE) {
          const bytes = Buffer.alloc(Math.min(BYTES_AT_ONCE, end - at));
          const count = readSync(fd, bytes, 0, bytes.length, at);
          yield* this.#split(stream as 0 | 1, time, bytes.subarray(0, count));
        }
        this.#offsets[stream as 0 | 1] += length;
      }
    } finally {
      for (const fd of fds) if (fd !== undefined) closeSync(fd);
    }
  }

  *#split(stream: 0 | 1, time: number, bytes: Buffer): Generator<LogLine> {
    let at = 0;
    if (this.#skipsLine[stream]) {
      const end = bytes.indexOf(10);
      if (end === -1) return;
      this.#skipsLine[stream] = false;
      at = end + 1;
    }
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, at)) {
      const partial = this.#partial[stream];
      const part = bytes.subarray(at, end + 1);
      this.#partial[stream] = undefined;
      at = end + 1;
      yield {
        stream,
        time: partial?.time ?? time,
        bytes: partial ? Buffer.concat([...partial.parts, part]) : part,
      };
    }
    if (at === bytes.length) return;
    this.#partial[stream] ??= { time, parts: [], size: 0 };
    const partial = this.#partial[stream];
    partial.parts.push(bytes.subarray(at));
    partial.size += bytes.length - at;
    if (partial.size < MAX_LINE) return;
    this.#partial[stream] = undefined;
    yield { stream, time: partial.time, bytes: Buffer.concat(partial.parts) };
  }
}

interface Partial {
  time: number;
  parts: Buffer[];
  size: number;
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Applies a query to lines: streams, times and the tail. Only the tail is held in memory. */
export function* selectLines(lines: Iterable<LogLine>, query: LogQuery): Generator<LogLine> {
  const { stdout, stderr, since, until, tail } = query;
  const last: LogLine[] = [];
  for (const line of lines) {
    const isWanted =
      (line.stream === 0 ? stdout : stderr) &&
      (since === undefined || line.time >= since) &&
      (until === undefined || line.time <= until);
    if (!isWanted) continue;
    if (tail === undefined) yield line;
    else {
      last.push(line);
      if (last.length >= tail * 2 + 1024) last.splice(0, last.length - tail);
    }
  }
  if (tail !== undefined && tail > 0) yield* last.slice(-tail);
}
