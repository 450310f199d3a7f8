/** The key pair of this host for WireGuard (X25519, RFC 7748): made once, kept where only root can read it. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { hasCode } from "../../core/errors.ts";
import { replaceFile } from "../../store/index.ts";

/** Both in base64, as wg(8) reads and shows them. */
export interface TunnelKey {
  secret: string;
  told: string;
}

/** Reads the key from a file, or makes it. */
export function tunnelKey(file: string): TunnelKey {
  const key = read(file) ?? make(file);
  return { secret: raw(key, "d"), told: raw(createPublicKey(key), "x") };
}

function read(file: string): KeyObject | undefined {
  try {
    return createPrivateKey(readFileSync(file, "utf8"));
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function make(file: string): KeyObject {
  const { privateKey } = generateKeyPairSync("x25519");
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  replaceFile(file, privateKey.export({ type: "pkcs8", format: "pem" }) as string, 0o600);
  return privateKey;
}

function raw(key: KeyObject, part: "d" | "x"): string {
  return Buffer.from(key.export({ format: "jwk" })[part]!, "base64url").toString("base64");
}
