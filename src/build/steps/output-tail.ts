/** The last lines of a command's output. */
const KEPT_BYTES = 1 << 16;

export class OutputTail {
  #parts: Buffer[] = [];
  #size = 0;

  constructor(readonly count: number) {}

  add(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#size += bytes.length;
    // joined from time to time, not for each chunk
    if (this.#size <= 2 * KEPT_BYTES) return;
    const last = Buffer.from(Buffer.concat(this.#parts).subarray(-KEPT_BYTES));
    this.#parts = [last];
    this.#size = last.length;
  }

  /** Empty if there was no output. */
  lines(): string[] {
    const text = Buffer.concat(this.#parts).toString("utf8").trimEnd();
    return text === "" ? [] : text.split("\n").slice(-this.count);
  }
}
