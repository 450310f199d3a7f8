/** The last lines of a command's output. */
const KEPT_BYTES = 1 << 16;

export class OutputTail {
  #text = "";

  constructor(readonly count: number) {}

  add(text: string): void {
    this.#text = `${this.#text}${text}`.slice(-KEPT_BYTES);
  }

  lines(): string[] {
    return this.#text.trimEnd().split("\n").slice(-this.count);
  }
}
