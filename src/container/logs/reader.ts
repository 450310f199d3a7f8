/** Reading a container's logs as lines with stream and time, and following them. */
import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { decodeEntries, ENTRY, STREAMS, segmentNumbers } from "./segments.ts";

export interface LogLine {
  stream: 0 | 1;
  time: number;
  /** With its newline, unless the output ended without one. */
  bytes: Buffer;
}

export interface LogQuery {
  stdout: boolean;
  stderr: boolean;
  /** Only the last so many lines. */
  tail?: number;
  /** Milliseconds since the epoch. */
  since?: number;
  until?: number;
}

/** A position in the logs, from which reading goes on. */
export class LogReader {
  #segment = 0;
  #entry = 0;
  #offsets = [0, 0];
  #partial: { time: number; parts: Buffer[] }[] = [];

  constructor(readonly directory: string) {}

  /** The complete lines since the last call. `flush` also gives a last line without its newline. */
  read(flush: boolean): LogLine[] {
    const lines: LogLine[] = [];
    for (const number of segmentNumbers(this.directory)) {
      if (number < this.#segment) continue;
      if (number > this.#segment) {
        this.#segment = number;
        this.#entry = 0;
        this.#offsets = [0, 0];
      }
      this.#readSegment(number, lines);
    }
    if (flush) {
      this.#partial.forEach((partial, stream) => {
        if (partial?.parts.length)
          lines.push({ stream: stream as 0 | 1, time: partial.time, bytes: Buffer.concat(partial.parts) });
      });
      this.#partial = [];
    }
    return lines;
  }

  #readSegment(number: number, lines: LogLine[]): void {
    const index = join(this.directory, `${number}.idx`);
    if (!existsSync(index)) return;
    const entries = decodeEntries(readFileSync(index).subarray(this.#entry * ENTRY));
    if (entries.length === 0) return;
    const fds = STREAMS.map((name) => openSync(join(this.directory, `${number}.${name}`), "r"));
    try {
      for (const { stream, length, time } of entries) {
        const bytes = Buffer.alloc(length);
        const count = readSync(fds[stream]!, bytes, 0, length, this.#offsets[stream]!);
        this.#offsets[stream]! += length;
        this.#split(stream as 0 | 1, time, bytes.subarray(0, count), lines);
      }
      this.#entry += entries.length;
    } finally {
      for (const fd of fds) closeSync(fd);
    }
  }

  #split(stream: 0 | 1, time: number, bytes: Buffer, lines: LogLine[]): void {
    let at = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, at)) {
      const partial = this.#partial[stream];
      const part = bytes.subarray(at, end + 1);
      lines.push({
        stream,
        time: partial?.time ?? time,
        bytes: partial ? Buffer.concat([...partial.parts, part]) : part,
      });
      delete this.#partial[stream];
      at = end + 1;
    }
    if (at === bytes.length) return;
    this.#partial[stream] ??= { time, parts: [] };
    this.#partial[stream].parts.push(bytes.subarray(at));
  }
}

/** Applies a query to lines: streams, times and the tail. */
export function selectLines(lines: readonly LogLine[], query: LogQuery): LogLine[] {
  const chosen = lines.filter(
    ({ stream, time }) =>
      (stream === 0 ? query.stdout : query.stderr) &&
      (query.since === undefined || time >= query.since) &&
      (query.until === undefined || time <= query.until),
  );
  return query.tail === undefined ? chosen : query.tail === 0 ? [] : chosen.slice(-query.tail);
}
