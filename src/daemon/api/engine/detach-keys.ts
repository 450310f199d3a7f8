/** The keys that detach from a terminal without ending its command, written as in Docker: `ctrl-p,ctrl-q`. */
import { BayError } from "../../../core/errors.ts";

const DEFAULT_KEYS = "ctrl-p,ctrl-q";

/** Parses a key sequence. Throws BAD_REQUEST for a key that is neither a character nor `ctrl-` and a character. */
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

/** Searches a terminal's input for the sequence. Input that may be its beginning is held back until that is decided. */
export class DetachKeys {
  readonly #keys: Buffer;
  #matched = 0;

  /** `text` is the client's setting; empty for Docker's default. Throws BAD_REQUEST. */
  constructor(text: string | null | undefined) {
    this.#keys = parseKeys(text || DEFAULT_KEYS);
  }

  /** Returns the input to pass on, and whether the sequence is complete; the input after it is discarded. */
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
