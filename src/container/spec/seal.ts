/**
 * Encrypts stored contents with a key of the host, so that a copy of the directory, or a disk that is searched, does not show
 * them. It does not protect them from root, who can read the key.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { BayError } from "../../core/errors.ts";
import { replaceFile } from "../../store/index.ts";

const KEY_LENGTH = 32;
const IV_LENGTH = 12;
const TAG_LENGTH = 16;

export class Seal {
  #key: Buffer | undefined;

  /** The file of the key is created when it is needed. */
  constructor(readonly file: string) {}

  #load(): Buffer {
    if (this.#key) return this.#key;
    if (!existsSync(this.file)) replaceFile(this.file, randomBytes(KEY_LENGTH), 0o600);
    this.#key = readFileSync(this.file);
    return this.#key;
  }

  /** IV, tag and ciphertext (AES-256-GCM). */
  close(bytes: Buffer): Buffer {
    const iv = randomBytes(IV_LENGTH);
    const cipher = createCipheriv("aes-256-gcm", this.#load(), iv);
    const data = Buffer.concat([cipher.update(bytes), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), data]);
  }

  /** Contents that an earlier bay has stored are not encrypted: their digest says so. Throws NO_CONTENT. */
  open(stored: Buffer, digest: string, what: string): Buffer {
    if (createHash("sha256").update(stored).digest("hex") === digest) return stored;
    const iv = stored.subarray(0, IV_LENGTH);
    const tag = stored.subarray(IV_LENGTH, IV_LENGTH + TAG_LENGTH);
    try {
      const cipher = createDecipheriv("aes-256-gcm", this.#load(), iv).setAuthTag(tag);
      return Buffer.concat([cipher.update(stored.subarray(IV_LENGTH + TAG_LENGTH)), cipher.final()]);
    } catch (cause) {
      throw new BayError("NO_CONTENT", `the stored content of the ${what} cannot be decrypted`, {
        hint: `run bay up to restore it; ${this.file} must be the key that it was stored with`,
        cause,
      });
    }
  }
}
