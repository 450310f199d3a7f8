/** Checks whether an nftables table is as bayd last left it, for tables whose digest is in a file. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { hasCode } from "../../core/errors.ts";
import { nft } from "../../linux/index.ts";
import { tableName } from "./rules.ts";

type DigestedFamily = "bridge" | "inet";

/** A digest of bay's table as the kernel lists it, without its counters; undefined if it does not exist. */
export const tableDigest = (family: DigestedFamily, tag: string): string | undefined =>
  digestOf(family, tableName(tag));

/** The same for a table with another name. */
export function digestOf(family: DigestedFamily, table: string): string | undefined {
  try {
    const text = nft(`list table ${family} ${table}`).replace(/packets \d+ bytes \d+/g, "");
    return createHash("sha256").update(text).digest("hex");
  } catch (error) {
    if (hasCode(error, "NFTABLES")) return undefined;
    throw error;
  }
}

/** True if the table equals the digest in the file, or the file does not exist: bayd is changing the table then. */
export function equalsDigest(family: DigestedFamily, tag: string, file: string): boolean {
  try {
    return readFileSync(file, "utf8") === tableDigest(family, tag);
  } catch {
    return true;
  }
}
