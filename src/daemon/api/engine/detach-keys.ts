/** The keys that leave a terminal without ending what runs in it, written as in Docker: `ctrl-p,ctrl-q`. */
import { BayError } from "../../../core/errors.ts";

const DEFAULT_KEYS = "ctrl-p,ctrl-q";

/** The bytes of a key sequence. Throws BAD_REQUEST for a key that is neither a character nor `ctrl-` and one. */
function parseKeys(text: string): Buffer {
  const bytes = text.split(",").map((key) => {
    const held = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1];
    if (held) return held.toUpperCase().charCodeAt(0) - 64;
    if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
    throw new BayError("BAD_REQUEST", `invalid detach key ${JSON.stringify(key)}`, {
      hint: "use characters, or ctrl- and a letter, separated by commas: ctrl-p,ctrl-q",
    });
  });
  return Buffer.from(bytes);
}

/** Watches a terminal's input for the sequence. What may be its beginning is held back until it is not. */
export class DetachKeys {
  readonly #keys: Buffer;
  #matched = 0;

  /** `text` is the client's wish; empty means Docker's default. Throws BAD_REQUEST. */
  constructor(text: string | null | undefined) {
    this.#keys = parseKeys(text || DEFAULT_KEYS);
  }

  /** The input to pass on, and whether the sequence is complete; what comes after it is not the container's. */
  take(input: Buffer): { passed: Buffer; detached: boolean } {
    const passed: number[] = [];
    for (const byte of input) {
      if (byte !== this.#keys[this.#matched]) {
        // the sequence may start again with this key
        passed.push(...this.#keys.subarray(0, this.#matched));
        this.#matched = 0;
      }
      if (byte === this.#keys[this.#matched]) this.#matched += 1;
      else passed.push(byte);
      if (this.#matched === this.#keys.length) return { passed: Buffer.from(passed), detached: true };
    }
    return { passed: Buffer.from(passed), detached: false };
  }
}
