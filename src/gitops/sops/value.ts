/** One encrypted value of a SOPS file: AES-256-GCM with the path of the value as additional data. */
import { createDecipheriv } from "node:crypto";
import { BayError } from "../../core/errors.ts";

const ENCRYPTED =
  /^ENC\[AES256_GCM,data:([A-Za-z0-9+/=]*),iv:([A-Za-z0-9+/=]+),tag:([A-Za-z0-9+/=]+),type:([a-z0-9]+)\]$/;
const TYPES = ["str", "int", "int64", "float", "bool", "bytes", "comment"] as const;
export type ValueType = (typeof TYPES)[number];
const TAG_LENGTH = 16;
const MAX_IV = 64;

export interface PlainValue {
  type: ValueType;
  bytes: Buffer;
}

export const isEncrypted = (text: string): boolean => text.startsWith("ENC[AES256_GCM,");

/** Throws BAD_SOPS. `path` is the additional data, such as `db:password:`. */
export function decryptValue(text: string, key: Buffer, path: string): PlainValue {
  const [, data, iv, tag, type] = ENCRYPTED.exec(text) ?? [];
  const bad = (what: string) => new BayError("BAD_SOPS", `${path.slice(0, -1) || "a value"} ${what}`);
  const known = TYPES.find((each) => each === type);
  if (data === undefined || !known) throw bad("is not a value that SOPS has encrypted");
  const [nonce, mark] = [Buffer.from(iv!, "base64"), Buffer.from(tag!, "base64")];
  if (nonce.length === 0 || nonce.length > MAX_IV || mark.length !== TAG_LENGTH)
    throw bad("is not a value that SOPS has encrypted");
  const cipher = createDecipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(path)).setAuthTag(mark);
  try {
    return {
      type: known,
      bytes: Buffer.concat([cipher.update(Buffer.from(data, "base64")), cipher.final()]),
    };
  } catch {
    throw bad("was changed after it was encrypted, or was moved from another key");
  }
}

/** The bytes of a plain value for the MAC, as SOPS makes them: `True`, and numbers without an exponent. */
export function bytesForMac(value: string | number | bigint | boolean): Buffer {
  if (typeof value === "boolean") return Buffer.from(value ? "True" : "False");
  return Buffer.from(typeof value === "number" ? withoutExponent(value) : String(value));
}

/** The shortest decimal that reads as the same number, as strconv.FormatFloat(…, 'f', -1, 64) of Go writes it. */
function withoutExponent(value: number): string {
  const [digits = "", exponent] = String(value).split("e");
  if (exponent === undefined) return digits;
  const sign = digits.startsWith("-") ? "-" : "";
  const [whole = "", fraction = ""] = digits.replace("-", "").split(".");
  const all = whole + fraction;
  const point = whole.length + Number(exponent);
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${all}`;
  return sign + (point >= all.length ? all.padEnd(point, "0") : `${all.slice(0, point)}.${all.slice(point)}`);
}
