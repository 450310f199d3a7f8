/** This host's identity: its ID, keys and certificates, in files that only root can read. */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { messageOf } from "../../core/errors.ts";
import { replaceFile } from "../../store/index.ts";
import type { KeyPair } from "./certificates.ts";

const pem = z.string().max(100_000);

const identitySchema = z.object({
  format: z.literal(1),
  id: z.string(),
  cluster: z.string(),
  /** The authority's certificate. */
  authority: pem,
  /** The authority's key, only on the host that issues certificates. */
  authorityKey: pem.optional(),
  certificate: pem,
  key: pem,
});

export interface Identity extends KeyPair {
  id: string;
  cluster: string;
  authority: string;
  authorityKey?: string | undefined;
}

export class IdentityFile {
  readonly #file: string;

  constructor(readonly root: string) {
    this.#file = join(root, "host", "identity.json");
  }

  /** Undefined if this host is not a member of a cluster. Throws if the file is damaged. */
  read(): Identity | undefined {
    if (!existsSync(this.#file)) return undefined;
    try {
      return identitySchema.parse(JSON.parse(readFileSync(this.#file, "utf8")));
    } catch (cause) {
      throw new Error(`${this.#file}: ${messageOf(cause)}`, { cause });
    }
  }

  /** Replaces the file as a whole, so that a kill leaves the old or the new identity. */
  write(identity: Identity): void {
    mkdirSync(join(this.root, "host"), { recursive: true, mode: 0o700 });
    replaceFile(this.#file, JSON.stringify({ format: 1, ...identity }), 0o600);
  }

  remove(): void {
    rmSync(this.#file, { force: true });
  }
}
