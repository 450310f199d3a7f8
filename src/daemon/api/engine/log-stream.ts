/** Sends a container's log lines to a client, at the client's pace. */
import type { Writable } from "node:stream";
import {
  type ContainerManager,
  type ContainerRecord,
  type LogLine,
  type LogQuery,
  LogReader,
  type LogUnit,
  logDirectory,
  selectLines,
} from "../../../container/index.ts";

const BATCH = 256 << 10;

export interface LogStream {
  query: LogQuery;
  encode: (line: LogLine) => Buffer;
  /** Skips what was written before. */
  onlyNew: boolean;
  /** What `encode` gets at once; single lines if the query limits their number. */
  unit?: LogUnit;
  /** While it returns true, there may be more output: the stream waits for it. */
  isLive: () => boolean;
  /** While it returns false the last line is complete, even if more output may follow. */
  isUp?: () => boolean;
}

/** Resolves when everything is sent, or the client has disconnected. The log is read no faster than the client receives it. */
export async function sendLog(
  manager: ContainerManager,
  record: ContainerRecord,
  sink: Writable,
  { query, encode, onlyNew, unit, isLive, isUp = () => true }: LogStream,
): Promise<void> {
  const endReading = manager.logs.readers.begin(record.id);
  const reader = new LogReader(logDirectory(manager, record.id));
  if (onlyNew) reader.skip();
  else if (query.tail !== undefined && query.until === undefined)
    reader.seekTail(query.tail, [
      ...(query.stdout ? [0 as const] : []),
      ...(query.stderr ? [1 as const] : []),
    ]);
  const bell = new Bell();
  const ring = () => bell.ring();
  manager.logs.on(`grew:${record.id}`, ring);
  manager.on(`end:${record.id}`, ring);
  manager.on("changed", ring);
  sink.on("close", ring);
  try {
    for (let wanted = query; ; wanted = { ...query, tail: undefined }) {
      const mayGrow = isLive();
      // a tail ends with the current last line, complete or not
      const isWhole = mayGrow && isUp() && wanted.tail === undefined;
      const lines = reader.read(!isWhole, wanted.tail === undefined ? unit : "line");
      await writeAll(sink, selectLines(lines, wanted), encode);
      if (!mayGrow || sink.destroyed) return;
      await bell.heard();
    }
  } finally {
    manager.logs.off(`grew:${record.id}`, ring);
    manager.off(`end:${record.id}`, ring);
    manager.off("changed", ring);
    sink.off("close", ring);
    endReading();
  }
}

async function writeAll(
  sink: Writable,
  lines: Iterable<LogLine>,
  encode: LogStream["encode"],
): Promise<void> {
  let batch: Buffer[] = [];
  let size = 0;
  const send = async () => {
    const isRoomy = sink.destroyed || sink.write(batch.length === 1 ? batch[0] : Buffer.concat(batch));
    batch = [];
    size = 0;
    if (!isRoomy) await drained(sink);
  };
  for (const line of lines) {
    const bytes = encode(line);
    batch.push(bytes);
    size += bytes.length;
    if (size < BATCH) continue;
    await send();
    if (sink.destroyed) return;
  }
  if (size > 0) await send();
}

/** Resolves when the client has received everything written, or has disconnected. */
export function drained(sink: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      sink.off("drain", done);
      sink.off("close", done);
      resolve();
    };
    sink.on("drain", done);
    sink.on("close", done);
  });
}

/** A signal that also reaches listeners that are added after it was sent. */
class Bell {
  #hasRung = false;
  #listener: (() => void) | undefined;

  ring(): void {
    this.#hasRung = true;
    this.#listener?.();
  }

  async heard(): Promise<void> {
    if (!this.#hasRung) await new Promise<void>((resolve) => (this.#listener = resolve));
    this.#hasRung = false;
    this.#listener = undefined;
  }
}
