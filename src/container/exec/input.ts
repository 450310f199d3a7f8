/**
 * A container's standard input: a FIFO whose writing end bayd holds, so that input does not end between two attached clients.
 * Input that arrives before the container runs is queued, and so is its end: a FIFO without a writer blocks its first reader,
 * and written data is lost if no process has it open (fifo(7)).
 */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { hasCode } from "../../core/errors.ts";

const RETRY = 5;

export class ContainerInput {
  readonly #queue: Buffer[] = [];
  #waiting = 0;
  #fd: number | undefined;
  #isEnding = false;
  #isRead = false;
  #timer: NodeJS.Timeout | undefined;

  /** Opens the FIFO, which exists now, and writes the queued input. */
  open(fifo: string): void {
    this.#fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    this.#push();
  }

  /** Called when the container has opened its end. */
  isRead(): void {
    this.#isRead = true;
    this.#push();
  }

  write(bytes: Buffer): void {
    this.#queue.push(bytes);
    this.#waiting += bytes.length;
    this.#push();
  }

  /** Bytes that the container has not read yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Closes the writing end once everything is written and the container has opened its end; it then reads end of file. */
  end(): void {
    this.#isEnding = true;
    this.#push();
  }

  #push(): void {
    if (this.#fd === undefined) return;
    clearTimeout(this.#timer);
    try {
      for (let bytes = this.#queue[0]; bytes; bytes = this.#queue[0]) {
        const count = writeSync(this.#fd, bytes);
        this.#waiting -= count;
        if (count === bytes.length) this.#queue.shift();
        else this.#queue[0] = bytes.subarray(count);
      }
      if (this.#isEnding && this.#isRead) this.close();
    } catch (error) {
      if (hasCode(error, "EAGAIN")) this.#timer = setTimeout(() => this.#push(), RETRY);
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#queue.length = 0;
    this.#waiting = 0;
  }
}
