/** The age identity of the host. Its private part stays in a file that only root can read. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import { replaceFile } from "../../store/index.ts";
import type { OpenKey } from "./decrypt.ts";

const IDENTITY = /^AGE-SECRET-KEY-1[0-9A-Z]+$/;

const fileOf = (directory: string) => join(directory, "identity.txt");

/** The private identities, one for each line; lines with # are comments. Empty without a file. */
export function readIdentities(directory: string): string[] {
  const file = fileOf(directory);
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => IDENTITY.test(line));
}

/** The public recipients of the host. Creates an identity if there is none. */
export async function recipients(directory: string): Promise<string[]> {
  const { generateX25519Identity, identityToRecipient } = await import("age-encryption");
  if (readIdentities(directory).length === 0) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    replaceFile(fileOf(directory), `${await generateX25519Identity()}\n`, 0o600);
  }
  return Promise.all(readIdentities(directory).map((identity) => identityToRecipient(identity)));
}

/** Throws BAD_GITOPS if the text has no identity. Replaces the identities of the host. */
export function replaceIdentities(directory: string, text: string): void {
  const lines = text.split("\n").map((line) => line.trim());
  const own = lines.filter((line) => IDENTITY.test(line));
  if (own.length === 0)
    throw new BayError("BAD_GITOPS", "the file has no age identity", {
      hint: "expected a line with AGE-SECRET-KEY-1…, as age-keygen writes it",
    });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  replaceFile(fileOf(directory), `${own.join("\n")}\n`, 0o600);
}

/** Opens data keys with the identities. Undefined if none of them fits. */
export function keyOpener(identities: readonly string[]): OpenKey {
  return async (armored) => {
    if (identities.length === 0) return undefined;
    const { armor, Decrypter } = await import("age-encryption");
    const decrypter = new Decrypter();
    for (const identity of identities) decrypter.addIdentity(identity);
    try {
      return await decrypter.decrypt(armor.decode(armored));
    } catch {
      return undefined; // it is for another recipient, or damaged
    }
  };
}
