/** Decrypts the files of a commit that SOPS has encrypted, in memory. */
import { readFileSync } from "node:fs";
import { messageOf } from "../../core/errors.ts";
import { decryptSops, formatOf } from "./decrypt.ts";
import { keyOpener } from "./identity.ts";

export interface Decrypted {
  contents: Map<string, Buffer>;
  /** Why files could not be decrypted, by their path. It matters only if the stack uses them. */
  failures: Map<string, string>;
}

/** Files that are not those of SOPS are left out. Never throws. */
export async function decryptFiles(
  paths: readonly string[],
  identities: readonly string[],
): Promise<Decrypted> {
  const contents = new Map<string, Buffer>();
  const failures = new Map<string, string>();
  const openKey = keyOpener(identities);
  for (const path of paths) {
    try {
      const text = readFileSync(path, "utf8");
      if (formatOf(text) === undefined) continue;
      contents.set(path, await decryptSops(text, /\.json(\.(enc|sops))?$/i.test(path), openKey));
    } catch (error) {
      failures.set(path, messageOf(error));
    }
  }
  return { contents, failures };
}

/** The single values of a decrypted file, which must not be shown in plans. */
export function valuesOf(content: Buffer): string[] {
  const lines = content.toString("utf8").split("\n");
  return lines.flatMap((line) => {
    const [, value = ""] = /^[^=:]*[=:]\s*(.*)$/.exec(line) ?? [];
    const plain = value.trim().replace(/^(["'])(.*)\1,?$/, "$2");
    return plain.length >= SHORTEST ? [plain] : [];
  });
}

/** Shorter values would hide ordinary words and numbers. */
const SHORTEST = 4;

/** Replaces the values in a text. */
export function hide(text: string, values: readonly string[]): string {
  const longest = [...values].sort((one, other) => other.length - one.length);
  return longest.reduce((result, value) => result.replaceAll(value, "***"), text);
}
