/**
 * The log worker: one thread that waits for the output of all containers and moves it from FIFOs to files inside the kernel.
 * It may block, which the main thread must not.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { messageOf } from "../../core/errors.ts";
import { setPipeSize } from "../../linux/index.ts";
import { splice, waitReadable } from "../../linux/log-pump.ts";
import type { LogCommand, LogNews } from "./protocol.ts";
import { SegmentWriter } from "./segments.ts";

const FIFO_BYTES = 1 << 20;
const NOTHING_NOW = -11; // EAGAIN
const ENOSPC = 28;

interface Source {
  id: string;
  fds: number[];
  /** For each stream, whether no process has it open for writing. */
  ended: boolean[];
  writer: SegmentWriter | undefined;
  /** The last piece could not be written, and this was reported. */
  hasFailed: boolean;
}

const sources = new Map<string, Source>();
const wake = (workerData as { wakeFd: number }).wakeFd;
const post = (news: LogNews) => parentPort?.postMessage(news);
const devNull = openSync("/dev/null", "w");
const DISCARD = { fd: devNull, offset: 0, room: FIFO_BYTES };

function open(command: Extract<LogCommand, { kind: "open" }>): void {
  finish(command.id);
  const fds = [command.stdout, command.stderr].map((path) =>
    openSync(path, constants.O_RDONLY | constants.O_NONBLOCK),
  );
  for (const fd of fds) setPipeSize(fd, FIFO_BYTES);
  const writer = command.directory
    ? new SegmentWriter(command.directory, command.maxSize, command.maxFiles)
    : undefined;
  sources.set(command.id, { id: command.id, fds, ended: [false, false], writer, hasFailed: false });
}

/** Moves the available output of one stream. */
function move(source: Source, stream: number): void {
  let moved = 0;
  for (;;) {
    const fd = source.fds[stream]!;
    // the oldest lines are removed only if there are newer ones
    if (source.writer?.isFull && !waitReadable([fd], 0).some(({ readable }) => readable)) break;
    const count = take(source, stream, fd);
    if (count === 0) source.ended[stream] = true;
    if (count <= 0) break;
    moved += count;
    if (moved >= FIFO_BYTES) break; // give the others their turn
  }
  if (moved > 0) post({ kind: "grew", id: source.id });
}

/**
 * Moves one piece to the log. Returns its length, 0 at the end, or a negative errno. Output that cannot be written to the
 * disk is discarded: a container whose output is not read would block at its next line.
 */
function take(source: Source, stream: number, fd: number): number {
  const { writer } = source;
  let failure: number;
  try {
    const target = writer?.target(stream) ?? DISCARD;
    const count = splice(fd, target.fd, target.offset, Math.min(target.room, FIFO_BYTES));
    if (count > 0) writer?.note(stream, count, Date.now());
    if (count >= 0 || count === NOTHING_NOW) {
      if (count > 0) source.hasFailed = false;
      return count;
    }
    failure = -count;
  } catch (error) {
    failure = Math.abs((error as { errno?: number }).errno ?? ENOSPC);
  }
  if (!source.hasFailed) post({ kind: "failed", id: source.id, errno: failure });
  source.hasFailed = true;
  return splice(fd, devNull, 0, FIFO_BYTES);
}

function drain(source: Source): void {
  for (const { index, readable } of waitReadable(source.fds, 0)) if (readable) move(source, index);
}

function finish(id: string): void {
  const source = sources.get(id);
  if (!source) return;
  drain(source);
  for (const fd of source.fds) closeSync(fd);
  source.writer?.close();
  sources.delete(id);
}

function obey(): boolean {
  readSync(wake, Buffer.alloc(64));
  for (
    let received = receiveMessageOnPort(parentPort!);
    received;
    received = receiveMessageOnPort(parentPort!)
  ) {
    const command = received.message as LogCommand;
    if (command.kind === "stop") return false;
    try {
      if (command.kind === "open") open(command);
      else finish(command.id);
      post({ kind: "done", serial: command.serial });
    } catch (error) {
      post({ kind: "done", serial: command.serial, error: messageOf(error) });
    }
  }
  return true;
}

for (let running = true; running; ) {
  const waiting = [...sources.values()].flatMap((source) =>
    [0, 1].filter((stream) => !source.ended[stream]).map((stream) => ({ source, stream })),
  );
  const ready = waitReadable([wake, ...waiting.map(({ source, stream }) => source.fds[stream]!)], 1000);
  for (const { index, readable } of ready) {
    if (index === 0) running = obey();
    else {
      const { source, stream } = waiting[index - 1]!;
      if (sources.get(source.id) !== source) continue;
      if (readable) move(source, stream);
      else source.ended[stream] = true;
    }
  }
}
process.exit(0);
