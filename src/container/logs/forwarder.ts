/**
 * Sends a container's lines to a receiver elsewhere. They are read from the log that bay keeps in any case, so that a
 * receiver that is slow or gone stalls neither the container nor bayd: a bounded queue waits for it, and what finds no place
 * there is counted and told. What was sent is noted beside the log, so that after the end of bayd at any moment the next one
 * sends the rest: each line at least once, and those of the last moments perhaps twice.
 */
import { mkdirSync } from "node:fs";
import { hasCode, messageOf } from "../../core/errors.ts";
import type { Encode, Line } from "./messages.ts";
import { type LogLine, type LogPosition, LogReader } from "./reader.ts";
import type { OpenReceiver, Receiver } from "./receivers.ts";
import { readSentPosition, writeSentPosition } from "./sent-position.ts";

const QUEUE_LINES = 10_000;
const QUEUE_BYTES = 4 << 20;
/** Docker's bound of a message; what is longer is sent in parts. */
const MESSAGE = 16 << 10;
/** Lines that are read or sent in one turn of the event loop. */
const AT_ONCE = 500;
const [FIRST_PAUSE, LONGEST_PAUSE] = [500, 30_000];
const TELL_AFTER = 10_000;
/** How long what is left is tried after the container's end. */
const LAST_TRY = 10_000;
/** A receiver that cannot be seen is taken for well after this time without a failure. */
const WELL_AFTER = 60_000;
/** Between two notes of what was sent. */
const NOTE_AFTER = 500;

/** A message that waits, with the position of the log behind it where it ends a line. */
interface Waiting extends Line {
  end: LogPosition | undefined;
}

export interface ForwarderOptions {
  /** In messages. */
  container: string;
  receiver: string;
  directory: string;
  /** Pass over what the log has already, where nothing was sent of it before. */
  isLate: boolean;
  encode: Encode;
  open: OpenReceiver;
  warn: (text: string) => void;
}

export class Forwarder {
  readonly #reader: LogReader;
  readonly #queue: Waiting[] = [];
  /** The receiver took them, and the kernel does not have them yet. */
  #passing: Waiting[] = [];
  #sent: LogPosition;
  #note: NodeJS.Timeout | undefined;
  #well: NodeJS.Timeout | undefined;
  #bytes = 0;
  #lost = 0;
  #receiver: Receiver | undefined;
  #pause = FIRST_PAUSE;
  #isTold = false;
  #isReading = false;
  /** While it was read. */
  #hasGrown = false;
  #isSending = false;
  #isEnding = false;
  #isDone = false;
  #retry: NodeJS.Timeout | undefined;
  #tell: NodeJS.Timeout | undefined;
  #end: NodeJS.Timeout | undefined;

  constructor(readonly options: ForwarderOptions) {
    this.#reader = new LogReader(options.directory);
    const before = readSentPosition(options.directory, options.receiver);
    if (before && !this.#reader.seek(before))
      options.warn(
        `${options.container}: lines of its log were removed before they were sent to ${options.receiver}`,
      );
    if (!before && options.isLate) this.#reader.skip();
    this.#sent = this.#reader.position();
    // at once, so that the next bayd passes over nothing
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    this.#writeNote();
    this.#open();
    if (before) this.grew();
  }

  /** Whether lines wait of an earlier bayd, or of before the last end of the container. */
  static hasRest(directory: string, receiver: string): boolean {
    const before = readSentPosition(directory, receiver);
    if (!before) return false;
    const reader = new LogReader(directory);
    reader.seek(before);
    const lines = reader.read(true);
    const { done } = lines.next();
    lines.return(undefined);
    return !done;
  }

  /** There is output that was not read yet. */
  grew(): void {
    if (this.#isDone) return;
    this.#hasGrown = this.#isReading;
    if (this.#isReading) return;
    this.#isReading = true;
    setImmediate(() => this.#read(this.#reader.read(this.#isEnding)));
  }

  /** The container has ended, and all of its output is in the log. What does not go out within moments is lost. */
  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.grew();
    this.#end = setTimeout(() => this.stop(), LAST_TRY);
    this.#end.unref();
  }

  /** The container runs again. False where it is too late, and another is needed. */
  resume(): boolean {
    if (this.#isDone) return false;
    this.#isEnding = false;
    clearTimeout(this.#end);
    return true;
  }

  /** Stops at once. What was not sent is sent when the container, or bayd, starts again. */
  stop(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    const left = this.#queue.length + this.#passing.length;
    if (left > 0 && this.#isEnding)
      this.options.warn(
        `${this.options.container}: ${left} lines of its logs were not sent to ${this.options.receiver} yet; they are sent when it, or bayd, starts again`,
      );
    this.#queue.length = 0;
    for (const timer of [this.#retry, this.#end, this.#tell, this.#well]) clearTimeout(timer);
    this.#tellLost();
    this.#writeNote();
    this.#receiver?.close();
    this.#receiver = undefined;
  }

  /** A part of what there is, so that other work has its turn. */
  #read(lines: Generator<LogLine>): void {
    if (this.#isDone) return void lines.return(undefined);
    try {
      for (let count = 0; count < AT_ONCE; count++) {
        const { value, done } = lines.next();
        if (done) {
          this.#isReading = false;
          if (this.#hasGrown) this.grew();
          return this.#send();
        }
        this.#take(value);
      }
    } catch (error) {
      this.#isReading = false;
      this.options.warn(`${this.options.container}: its log cannot be read: ${messageOf(error)}`);
      return;
    }
    this.#send();
    setImmediate(() => this.#read(lines));
  }

  #take({ stream, time, bytes }: LogLine): void {
    const whole = bytes.at(-1) === 10 ? bytes.subarray(0, -1) : bytes;
    if (this.#queue.length >= QUEUE_LINES || this.#bytes + whole.length > QUEUE_BYTES) {
      this.#lost += 1;
      this.#tell ??= setTimeout(() => this.#tellLost(), TELL_AFTER).unref();
      return;
    }
    for (let at = 0; at === 0 || at < whole.length; at += MESSAGE) {
      const part = whole.subarray(at, at + MESSAGE);
      const isPartial = at + MESSAGE < whole.length;
      const end = isPartial ? undefined : this.#reader.position();
      this.#queue.push({ stream, time, bytes: part, isPartial, end });
      this.#bytes += part.length;
    }
  }

  readonly #send = (): void => {
    if (this.#isSending || !this.#receiver) return;
    let count = 0;
    const receiver = this.#receiver;
    for (; count < Math.min(AT_ONCE, this.#queue.length); count++) {
      const line = this.#queue[count]!;
      this.#passing.push(line);
      if (receiver.send(this.options.encode(line), () => this.#passed(receiver))) continue;
      this.#passing.pop();
      break;
    }
    for (const { bytes } of this.#queue.splice(0, count)) this.#bytes -= bytes.length;
    if (this.#queue.length > 0) {
      if (count < AT_ONCE) return; // it says when it takes more
      this.#isSending = true;
      setImmediate(() => {
        this.#isSending = false;
        this.#send();
      });
    } else this.#stopAtEnd();
  };

  /** The kernel has the oldest message that was on its way to this receiver. */
  #passed(receiver: Receiver): void {
    if (receiver !== this.#receiver) return; // it is sent again, by the next one
    const end = this.#passing.shift()?.end;
    if (end) this.#sent = end;
    this.#note ??= setTimeout(() => this.#writeNote(), NOTE_AFTER).unref();
    if (this.#passing.length === 0 && this.#queue.length === 0 && !this.#isSending)
      setImmediate(() => this.#stopAtEnd());
  }

  #stopAtEnd(): void {
    if (this.#isEnding && !this.#isReading && this.#queue.length + this.#passing.length === 0) this.stop();
  }

  /** A log without a note is sent from its beginning, or not at all: neither stops anything. */
  #writeNote(): void {
    clearTimeout(this.#note);
    this.#note = undefined;
    try {
      writeSentPosition(this.options.directory, this.options.receiver, this.#sent);
    } catch (error) {
      if (!hasCode(error, "ENOENT") && !this.#isDone)
        this.options.warn(
          `${this.options.container}: what was sent of its log cannot be noted: ${messageOf(error)}`,
        );
    }
  }

  #open(): void {
    const news = {
      ready: () => {
        if (this.#isDone) return;
        if (!this.#receiver?.isBlind) this.#isWell();
        else if (this.#isTold) this.#well ??= setTimeout(this.#isWell, WELL_AFTER).unref();
        this.#send();
      },
      failed: (why: string) => this.#openLater(why),
    };
    try {
      this.#receiver = this.options.open(news);
    } catch (error) {
      this.#openLater(messageOf(error));
    }
  }

  readonly #isWell = (): void => {
    this.#well = undefined;
    if (this.#isTold)
      this.options.warn(`${this.options.container}: ${this.options.receiver} accepts its logs again`);
    this.#isTold = false;
    this.#pause = FIRST_PAUSE;
  };

  #openLater(why: string): void {
    if (this.#isDone || this.#retry) return;
    clearTimeout(this.#well);
    this.#well = undefined;
    this.#receiver?.close();
    this.#receiver = undefined;
    // perhaps sent, perhaps not
    for (const { bytes } of this.#passing) this.#bytes += bytes.length;
    this.#queue.unshift(...this.#passing);
    this.#passing = [];
    if (!this.#isTold)
      this.options.warn(
        `${this.options.container}: its logs cannot be sent to ${this.options.receiver}: ${why}`,
      );
    this.#isTold = true;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#open();
    }, this.#pause);
    this.#retry.unref();
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }

  #tellLost(): void {
    clearTimeout(this.#tell);
    this.#tell = undefined;
    if (this.#lost === 0) return;
    const { container, receiver, warn } = this.options;
    warn(
      `${container}: ${this.#lost} log lines were not sent to ${receiver}; bay logs shows the lines that are still stored`,
    );
    this.#lost = 0;
  }
}
