/** The position of a reader in a log, by the times of its lines, so that the next connection continues there. */

/** A time as bayd writes it before each line, and a space: 2026-01-02T03:04:05.678Z. */
const TIME_LENGTH = 24;
const PREFIX = /(^|\n)[\s\S]{25}/g;

export class LogPlace {
  /** The latest time of a line. */
  #last = "";
  /** Lines with the latest time that were seen. */
  #count = 0;
  /** Those of them that will be repeated. */
  #repeated = 0;

  /** The time from which to read on; lines of this time are repeated, and `take` leaves them out. */
  get since(): string | undefined {
    this.#repeated = this.#count;
    return this.#last || undefined;
  }

  /** Records lines with their times, and returns those that are new. */
  take(bytes: Buffer): Buffer {
    const lines = bytes.toString("latin1").split(/(?<=\n)/);
    const fresh = lines.filter((line) => this.#isFresh(line.slice(0, TIME_LENGTH)));
    return fresh.length === lines.length ? bytes : Buffer.from(fresh.join(""), "latin1");
  }

  #isFresh(time: string): boolean {
    // a long line has the time of its beginning
    if (time < this.#last) return true;
    if (time > this.#last) {
      this.#last = time;
      this.#count = 0;
      this.#repeated = 0;
    } else if (this.#repeated > 0) {
      this.#repeated -= 1;
      return false;
    }
    this.#count += 1;
    return true;
  }
}

/** Lines without the time that each begins with. */
export function withoutTimes(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString("latin1").replace(PREFIX, "$1"), "latin1");
}
