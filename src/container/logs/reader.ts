/** Reads a container's logs in pieces, as lines with stream and time, and follows them. */
import { closeSync, readSync } from "node:fs";
import { join } from "node:path";
import {
  countLines,
  lastLine,
  lengthsOf,
  MAX_LINE,
  NEWLINE,
  openIfThere,
  SegmentFiles,
  timeAt,
} from "./segment-files.ts";
import { decodeEntries, ENTRY, type IndexEntry, segmentNumbers } from "./segments.ts";

export interface LogLine {
  stream: 0 | 1;
  time: number;
  /** With the newline, unless the output ended without one or the line is longer than MAX_LINE. */
  bytes: Buffer;
}

export type LogUnit = "line" | "write" | "chunk";

export interface LogQuery {
  stdout: boolean;
  stderr: boolean;
  /** Only the last lines, at most this many. */
  tail?: number | undefined;
  /** Milliseconds since the epoch. */
  since?: number | undefined;
  until?: number | undefined;
}

/** How far one stream was read: the bytes of a segment before the next line. */
export interface StreamPosition {
  segment: number;
  offset: number;
}

/** The positions of stdout and stderr. */
export type LogPosition = [StreamPosition, StreamPosition];

const ENTRIES_AT_ONCE = 4096;
/** A position in the logs, from which reading continues. */
export class LogReader {
  #segment = 0;
  #entry = 0;
  #offsets: [number, number] = [0, 0];
  /** Whether no segment was read before this one. */
  #isFirst = true;
  readonly #skipsLine: [boolean, boolean] = [false, false];
  #partial: [Partial | undefined, Partial | undefined] = [undefined, undefined];
  /** The end of the last line returned, for each stream. */
  readonly #ends: LogPosition = [
    { segment: 0, offset: 0 },
    { segment: 0, offset: 0 },
  ];
  /** The position at which an earlier reader stopped. */
  #begin: LogPosition | undefined;

  constructor(readonly directory: string) {}

  /**
   * Returns the complete lines since the last call: one by one, or (`unit` "write") all that begin in one write and have its
   * time as one, or ("chunk") as many together as were written to one stream in a row. `flush` also returns the available
   * part of a last line; the rest comes later.
   */
  *read(flush: boolean, unit: LogUnit = "line"): Generator<LogLine> {
    for (const number of this.#segments()) yield* this.#readSegment(number, unit);
    if (!flush) return;
    for (const stream of [0, 1] as const) {
      const partial = this.#partial[stream];
      this.#partial[stream] = undefined;
      if (!partial) continue;
      this.#ends[stream] = { segment: this.#segment, offset: this.#offsets[stream] };
      yield { stream, time: partial.time, bytes: Buffer.concat(partial.parts) };
    }
  }

  /** Skips everything that was written so far. */
  skip(): void {
    for (const number of this.#segments()) {
      for (const { stream, length } of this.#entries(number)) this.#offsets[stream as 0 | 1] += length;
    }
    for (const stream of [0, 1] as const)
      this.#ends[stream] = { segment: this.#segment, offset: this.#offsets[stream] };
  }

  /**
   * The position of the streams after the last line returned, for `seek` of a later reader. Kept only when reading line by
   * line.
   */
  position(): LogPosition {
    return [{ ...this.#ends[0] }, { ...this.#ends[1] }];
  }

  /**
   * Continues at the position of an earlier reader. Returns false if lines after it are known to be missing from the log. The
   * reader must not have read anything.
   */
  seek(position: LogPosition): boolean {
    const numbers = segmentNumbers(this.directory);
    this.#begin = [{ ...position[0] }, { ...position[1] }];
    for (const stream of [0, 1] as const) this.#ends[stream] = { ...position[stream] };
    const first = Math.min(position[0].segment, position[1].segment);
    if (first === 0 || !numbers.includes(first)) return first === 0 || numbers.length === 0;
    this.#segment = first;
    this.#isFirst = false;
    return true;
  }

  /** The offset of the first byte of a segment's stream that an earlier reader did not return. */
  #firstOffset(number: number, stream: 0 | 1): number {
    const begin = this.#begin?.[stream];
    if (!begin || begin.segment < number) return 0;
    return begin.segment > number ? Number.POSITIVE_INFINITY : begin.offset;
  }

  /**
   * Skips the oldest output, so that at least the last `count` lines of the given streams remain. Little more than these
   * lines is read. The reader must not have read anything.
   */
  seekTail(count: number, streams: readonly (0 | 1)[]): void {
    const numbers = segmentNumbers(this.directory);
    let missing = count;
    for (const number of numbers.toReversed()) {
      const entries = [...this.#allEntries(number)];
      const offsets = lengthsOf(entries);
      const files = new SegmentFiles(this.directory, number);
      try {
        for (let at = entries.length - 1; at >= 0; at--) {
          const stream = entries[at]!.stream as 0 | 1;
          const end = offsets[stream];
          offsets[stream] -= entries[at]!.length;
          if (!streams.includes(stream)) continue;
          for (const bytes of files.read(stream, offsets[stream], end)) missing -= countLines(bytes);
          if (missing > 0) continue;
          this.#segment = number;
          this.#entry = at;
          this.#offsets = offsets;
          this.#isFirst = number === numbers[0];
          for (const each of streams) this.#readBeginning(each, numbers);
          return;
        }
      } finally {
        files.close();
      }
    }
  }

  /** Reads the beginning, written before this position, of a line that ends after it. */
  #readBeginning(stream: 0 | 1, numbers: readonly number[]): void {
    const parts: Buffer[] = [];
    let size = 0;
    let end = this.#offsets[stream];
    for (let number = this.#segment; size < MAX_LINE; end = -1) {
      const entries = [...this.#allEntries(number)];
      if (end === -1) end = lengthsOf(entries)[stream];
      const part = lastLine(this.directory, number, stream, end);
      parts.unshift(part);
      size += part.length;
      const first = entries.find((entry) => entry.stream === stream);
      if (part.length < end || (first && !first.goesOn)) {
        if (size > 0)
          this.#partial[stream] = { time: timeAt(entries, stream, end - part.length), parts, size };
        return;
      }
      number -= 1;
      if (numbers.includes(number)) continue;
      this.#skipsLine[stream] = first !== undefined; // its beginning was rotated out of the log
      return;
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

  /** The entries that were not read yet. */
  *#entries(number: number): Generator<IndexEntry> {
    for (const entry of this.#allEntries(number, this.#entry)) {
      this.#entry += 1;
      yield entry;
    }
  }

  /** The entries of a segment, read one block of the file at a time. */
  *#allEntries(number: number, first = 0): Generator<IndexEntry> {
    const fd = openIfThere(join(this.directory, `${number}.idx`));
    if (fd === undefined) return;
    try {
      const block = Buffer.alloc(ENTRIES_AT_ONCE * ENTRY);
      for (let at = first; ; ) {
        const count = readSync(fd, block, 0, block.length, at * ENTRY);
        const entries = decodeEntries(block.subarray(0, count));
        if (entries.length === 0) return;
        at += entries.length;
        yield* entries;
      }
    } finally {
      closeSync(fd);
    }
  }

  *#readSegment(number: number, unit: LogUnit): Generator<LogLine> {
    const files = new SegmentFiles(this.directory, number);
    const entries = this.#entries(number);
    try {
      for (const { stream: of, length, time, goesOn } of unit === "chunk" ? joined(entries) : entries) {
        const stream = of as 0 | 1;
        // the rest of a line whose beginning was rotated out of the log is not a line
        if (goesOn && this.#isFirst) this.#skipsLine[stream] = true;
        const end = this.#offsets[stream] + length;
        let at = Math.max(this.#offsets[stream], this.#firstOffset(number, stream));
        this.#offsets[stream] = end;
        for (const bytes of files.read(stream, at, end)) {
          yield* this.#split(stream, time, bytes, unit, at);
          at += bytes.length;
        }
      }
    } finally {
      files.close();
    }
  }

  /** `start` is the offset of the bytes in the segment. */
  *#split(stream: 0 | 1, time: number, bytes: Buffer, unit: LogUnit, start: number): Generator<LogLine> {
    const ended = (offset: number) => {
      this.#ends[stream] = { segment: this.#segment, offset: start + offset };
    };
    let at = 0;
    if (this.#skipsLine[stream]) {
      const end = bytes.indexOf(NEWLINE);
      if (end === -1) return;
      this.#skipsLine[stream] = false;
      at = end + 1;
    }
    const next = () =>
      unit === "line" || (unit === "write" && this.#partial[stream])
        ? bytes.indexOf(NEWLINE, at)
        : bytes.lastIndexOf(NEWLINE);
    for (let end = next(); end >= at; end = next()) {
      const partial = this.#partial[stream];
      const part = bytes.subarray(at, end + 1);
      this.#partial[stream] = undefined;
      at = end + 1;
      ended(at);
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
    ended(bytes.length);
    yield { stream, time: partial.time, bytes: Buffer.concat(partial.parts) };
  }
}

interface Partial {
  time: number;
  parts: Buffer[];
  size: number;
}

/** Joins consecutive entries of one stream into one, with the time of the first. */
function* joined(entries: Iterable<IndexEntry>): Generator<IndexEntry> {
  let last: IndexEntry | undefined;
  for (const entry of entries) {
    if (last && last.stream === entry.stream && !entry.goesOn) {
      last.length += entry.length;
      continue;
    }
    if (last) yield last;
    last = { ...entry };
  }
  if (last) yield last;
}

/** Selects lines by streams, times and tail. Only the tail is held in memory. */
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
