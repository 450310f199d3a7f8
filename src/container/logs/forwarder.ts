/**
 * Sends a container's lines to a remote receiver. They are read from the log that bay keeps in any case, so that a slow or
 * unreachable receiver stalls neither the container nor bayd: lines wait in a bounded queue, and those that do not fit are
 * counted and reported. The position of the last line sent is saved beside the log. If bayd ends at any moment, the next one
 * sends the rest: each line at least once, and the last ones perhaps twice.
 */
import { mkdirSync } from "node:fs";
import { hasCode, messageOf } from "../../core/errors.ts";
import type { Encode, Line } from "./messages.ts";
import { type LogLine, type LogPosition, LogReader } from "./reader.ts";
import type { OpenReceiver, Receiver } from "./receivers.ts";
import { readSentPosition, writeSentPosition } from "./sent-position.ts";

const QUEUE_LINES = 10_000;
const QUEUE_BYTES = 4 << 20;
/** Docker's limit of a message; a longer line is sent in parts. */
const MESSAGE = 16 << 10;
/** Lines that are read or sent in one turn of the event loop. */
const AT_ONCE = 500;
const [FIRST_PAUSE, LONGEST_PAUSE] = [500, 30_000];
const TELL_AFTER = 10_000;
/** Milliseconds for which sending is tried after the container's end. */
const LAST_TRY = 10_000;
/** Milliseconds without a failure after which a receiver that gives no answers counts as working. */
const WELL_AFTER = 60_000;
/** Milliseconds between two writes of the position. */
const NOTE_AFTER = 500;

/** A queued message; with the log position after it if it ends a line. */
interface Waiting extends Line {
  end: LogPosition | undefined;
}

export interface ForwarderOptions {
  /** The container's name in messages. */
  container: string;
  receiver: string;
  directory: string;
  /** Skip what the log contains already if nothing of it was sent before. */
  isLate: boolean;
  encode: Encode;
  open: OpenReceiver;
  warn: (text: string) => void;
}

export class Forwarder {
  readonly #reader: LogReader;
  readonly #queue: Waiting[] = [];
  /** Messages that the receiver accepted, and that are not in the kernel's buffers yet. */
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
  /** Whether output arrived while the log was being read. */
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
    // immediately, so that the next bayd skips nothing
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    this.#writeNote();
    this.#open();
    if (before) this.grew();
  }

  /** Returns whether there are unsent lines from before the last end of bayd or the container. */
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

  /** Called when there is new output. */
  grew(): void {
    if (this.#isDone) return;
    this.#hasGrown = this.#isReading;
    if (this.#isReading) return;
    this.#isReading = true;
    setImmediate(() => this.#read(this.#reader.read(this.#isEnding)));
  }

  /**
   * Called when the container has ended and all of its output is in the log. Lines that are not sent within moments are lost.
   */
  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.grew();
    this.#end = setTimeout(() => this.stop(), LAST_TRY);
    this.#end.unref();
  }

  /** Called when the container runs again. Returns false if it is too late, and a new forwarder is needed. */
  resume(): boolean {
    if (this.#isDone) return false;
    this.#isEnding = false;
    clearTimeout(this.#end);
    return true;
  }

  /** Stops immediately. Unsent lines are sent when the container, or bayd, starts again. */
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

  /** Reads a part of the available lines, so that other work gets its turn. */
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
      if (count < AT_ONCE) return; // the receiver calls back when it can accept more
      this.#isSending = true;
      setImmediate(() => {
        this.#isSending = false;
        this.#send();
      });
    } else this.#stopAtEnd();
  };

  /** Called when the kernel has the oldest message that was sent through this receiver. */
  #passed(receiver: Receiver): void {
    if (receiver !== this.#receiver) return; // the next receiver sends it again
    const end = this.#passing.shift()?.end;
    if (end) this.#sent = end;
    this.#note ??= setTimeout(() => this.#writeNote(), NOTE_AFTER).unref();
    if (this.#passing.length === 0 && this.#queue.length === 0 && !this.#isSending)
      setImmediate(() => this.#stopAtEnd());
  }

  #stopAtEnd(): void {
    if (this.#isEnding && !this.#isReading && this.#queue.length + this.#passing.length === 0) this.stop();
  }

  /** Saves the position. Errors are ignored: without it the log is sent from its beginning, or not at all. */
  #writeNote(): void {
    clearTimeout(this.#note);
    this.#note = undefined;
    try {
      writeSentPosition(this.options.directory, this.options.receiver, this.#sent);
    } catch (error) {
      if (!hasCode(error, "ENOENT") && !this.#isDone)
        this.options.warn(
          `${this.options.container}: the position in its log cannot be saved: ${messageOf(error)}`,
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
    // they may have been sent or not
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
