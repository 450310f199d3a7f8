/**
 * Decrypts files of SOPS (getsops.io) whose data key is encrypted with age. Each value is authenticated with its path; the MAC, a
 * SHA-512 over all values in their order, shows that no value was removed, added or moved.
 */

import { createHash, timingSafeEqual } from "node:crypto";
import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, parseAllDocuments } from "yaml";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { type Metadata, readMetadata } from "./metadata.ts";
import { bytesForMac, decryptValue, isEncrypted, type PlainValue } from "./value.ts";

/** SOPS begins a MAC over encrypted values only with the SHA-256 of "sops". */
const MAC_ONLY_ENCRYPTED = createHash("sha256").update("sops").digest();
const KEY_LENGTH = 32;

export type Format = "yaml" | "json" | "dotenv";

/** The format of a file that SOPS has encrypted; undefined if it has not. */
export function formatOf(text: string): Format | undefined {
  if (/^\s*\{/.test(text)) return /"sops"\s*:/.test(text) ? "json" : undefined;
  if (/^sops_mac=/m.test(text)) return "dotenv";
  return /^sops:\s*$/m.test(text) ? "yaml" : undefined;
}

/** Decrypts a data key with the identities of the host. Returns undefined if none of them is a recipient. */
export type OpenKey = (armored: string) => Promise<Uint8Array | undefined>;

/** `isJson` is false for a file whose name does not end with .json: SOPS stores binary files as JSON. Throws BAD_SOPS. */
export async function decryptSops(text: string, isJson: boolean, openKey: OpenKey): Promise<Buffer> {
  switch (formatOf(text)) {
    case "dotenv":
      return decryptDotenv(text, openKey);
    case "yaml":
      return decryptTree(text, "yaml", openKey);
    case "json":
      return decryptTree(text, isJson ? "json" : "binary", openKey);
    default:
      throw new BayError("BAD_SOPS", "the file was not encrypted by SOPS");
  }
}

/** Adds values in their order, and compares the result with the MAC of the file. */
class Checker {
  readonly #hash = createHash("sha512");

  constructor(
    readonly metadata: Metadata,
    readonly key: Buffer,
  ) {
    if (metadata.isMacOnlyEncrypted) this.#hash.update(MAC_ONLY_ENCRYPTED);
  }

  /** The decrypted value; undefined if the value is not encrypted by the rules of the file. Throws BAD_SOPS. */
  value(value: string | number | bigint | boolean, path: readonly string[]): PlainValue | undefined {
    const { metadata, key } = this;
    if (!metadata.isEncrypted(path)) {
      if (typeof value === "string" && isEncrypted(value))
        throw new BayError(
          "BAD_SOPS",
          `${path.join(".")} is encrypted, but the rules of the file say otherwise`,
        );
      if (!metadata.isMacOnlyEncrypted) this.#hash.update(bytesForMac(value));
      return undefined;
    }
    if (value === "") return { type: "str", bytes: Buffer.alloc(0) };
    if (typeof value !== "string") throw new BayError("BAD_SOPS", `${path.join(".")} is not encrypted`);
    const plain = decryptValue(value, key, `${path.join(":")}:`);
    if (plain.type !== "comment") this.#hash.update(macBytes(plain));
    return plain;
  }

  /** Throws BAD_SOPS. */
  finish(): void {
    const { mac, lastModified } = this.metadata;
    let expected: Buffer;
    try {
      expected = decryptValue(mac, this.key, lastModified).bytes;
    } catch (cause) {
      throw new BayError("BAD_SOPS", "the MAC of the file was changed", { cause });
    }
    const found = Buffer.from(this.#hash.digest("hex").toUpperCase());
    if (found.length !== expected.length || !timingSafeEqual(found, expected))
      throw new BayError("BAD_SOPS", "the file was changed after it was encrypted: its MAC is wrong");
  }
}

function macBytes({ type, bytes }: PlainValue): Buffer {
  if (type === "bool") return bytesForMac(/^(true|t|1)$/i.test(bytes.toString()));
  return type === "float" ? bytesForMac(Number(bytes.toString())) : bytes;
}

async function checkerOf(metadata: Metadata, openKey: OpenKey): Promise<Checker> {
  for (const armored of metadata.keys) {
    const key = await openKey(armored);
    if (key === undefined) continue;
    if (key.length !== KEY_LENGTH) throw new BayError("BAD_SOPS", "the data key has the wrong length");
    return new Checker(metadata, Buffer.from(key));
  }
  throw new BayError("BAD_SOPS", `it is encrypted for ${metadata.recipients.join(", ").slice(0, 500)}`, {
    hint: "bay gitops identity prints the recipient of this host; add it, and run sops updatekeys",
  });
}

type Scalar = string | number | bigint | boolean;

async function decryptTree(
  text: string,
  format: "yaml" | "json" | "binary",
  openKey: OpenKey,
): Promise<Buffer> {
  const [document, ...others] = parseAllDocuments(text, { uniqueKeys: true, intAsBigInt: true });
  if (!document || others.length > 0) throw new BayError("BAD_SOPS", "expected one document");
  if (document.errors.length > 0)
    throw new BayError("BAD_SOPS", `the file is not valid: ${document.errors[0]!.message.split("\n")[0]}`);
  const { contents } = document;
  if (!isMap(contents)) throw new BayError("BAD_SOPS", "expected a mapping");
  const sops = contents.get("sops", true) as Node | undefined;
  const checker = await checkerOf(readMetadata(plainOf(sops?.toJS(document))), openKey);
  contents.delete("sops");
  let binary: Buffer | undefined;
  walk(contents, [], (value, path) => {
    const plain = checker.value(value, path);
    if (path.length === 1 && path[0] === "data") binary = plain?.bytes;
    return plain && readable(plain);
  });
  checker.finish();
  if (format === "binary" && binary && contents.items.length === 1) return binary;
  if (format === "yaml") {
    return Buffer.from(document.toString({ lineWidth: 0 }).replace(/^[ \t]*#ENC\[.*\n/gm, ""));
  }
  return Buffer.from(`${JSON.stringify(plainOf(document.toJS()), null, "\t")}\n`);
}

/** bigint, which keeps large integers exact in YAML, is a number in JSON. */
function plainOf(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(plainOf);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plainOf(each)]));
}

function readable({ type, bytes }: PlainValue): Scalar {
  const text = bytes.toString("utf8");
  if (type === "bool") return /^(true|t|1)$/i.test(text);
  if (type === "float") return Number(text);
  return type === "int" || type === "int64" ? BigInt(text) : text;
}

const MAX_DEPTH = LIMITS.gitops.encryptedDepth;

/** Replaces the values that `change` decrypts. Items of a list have the path of the list. Throws BAD_SOPS. */
function walk(
  node: unknown,
  path: readonly string[],
  change: (value: Scalar, path: readonly string[]) => Scalar | undefined,
): void {
  if (path.length > MAX_DEPTH) throw new BayError("BAD_SOPS", "the file is nested too deeply");
  if (isAlias(node))
    throw new BayError("BAD_SOPS", `${path.join(".")}: aliases are not supported in encrypted files`);
  if (isMap(node)) {
    for (const { key, value } of node.items as Pair<unknown, unknown>[]) {
      const name = isScalar(key) ? key.value : key;
      if (typeof name !== "string")
        throw new BayError("BAD_SOPS", "the keys of an encrypted file must be strings");
      walk(value, [...path, name], change);
    }
  } else if (isSeq(node)) {
    for (const item of node.items) walk(item, path, change);
  } else if (isScalar(node)) {
    const { value } = node;
    if (value === null) return;
    if (!["string", "number", "bigint", "boolean"].includes(typeof value))
      throw new BayError("BAD_SOPS", `${path.join(".")} has a type that is not supported`);
    const plain = change(value as Scalar, path);
    if (plain === undefined) return;
    node.value = plain;
    // the style of the encrypted text does not fit the plain one
    delete node.type;
    delete node.source;
  }
}

const PREFIX = "sops_";

/** SOPS writes its metadata as `sops_age__list_0__map_enc=…`, and line breaks as \n. */
async function decryptDotenv(text: string, openKey: OpenKey): Promise<Buffer> {
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  const found: Record<string, unknown> = {};
  const keys = new Map<string, Record<string, string>>();
  const unescaped = (value: string) => value.replaceAll("\\n", "\n");
  for (const line of lines.filter((each) => each.startsWith(PREFIX))) {
    const [, name = "", value = ""] = /^sops_([^=]*)=(.*)$/.exec(line) ?? [];
    const [, index, field] = /^age__list_(\d{1,3})__map_(\w+)$/.exec(name) ?? [];
    if (index === undefined) found[name] = unescaped(value);
    else keys.set(index, { ...keys.get(index), [field!]: unescaped(value) });
  }
  const checker = await checkerOf(readMetadata({ ...found, age: [...keys.values()] }), openKey);
  const plain = lines.flatMap((line) => {
    if (line.startsWith(PREFIX) || line.startsWith("#ENC[")) return [];
    const [, name, value = ""] = /^([^=#\s][^=]*)=(.*)$/.exec(line) ?? [];
    if (name === undefined) return [line];
    const decrypted = checker.value(unescaped(value), [name]);
    const shown = decrypted ? decrypted.bytes.toString("utf8").replaceAll("\n", "\\n") : value;
    return [`${name}=${shown}`];
  });
  checker.finish();
  return Buffer.from(plain.join("\n"));
}
