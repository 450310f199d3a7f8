/** Encrypts files as the documentation of SOPS describes its format, for tests of the decryption. */
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { armor, Encrypter } from "age-encryption";

export type Plain = string | number | boolean | null | Buffer | Plain[] | { [key: string]: Plain };

interface Options {
  recipient: string;
  /** Further metadata, such as encrypted_regex. */
  rules?: Record<string, string | boolean>;
  isEncrypted?: (path: string[]) => boolean;
  isMacOnlyEncrypted?: boolean;
}

const LAST_MODIFIED = "2030-01-02T03:04:05Z";

function encrypt(bytes: Buffer, type: string, key: Buffer, path: string): string {
  const iv = randomBytes(32);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(path));
  const data = Buffer.concat([cipher.update(bytes), cipher.final()]).toString("base64");
  return `ENC[AES256_GCM,data:${data},iv:${iv.toString("base64")},tag:${cipher.getAuthTag().toString("base64")},type:${type}]`;
}

/** The tree as SOPS stores it, and its metadata. */
async function encryptTree(tree: { [key: string]: Plain }, options: Options) {
  const key = randomBytes(32);
  const hash = createHash("sha512");
  const { isEncrypted = () => true, isMacOnlyEncrypted = false } = options;
  if (isMacOnlyEncrypted) hash.update(createHash("sha256").update("sops").digest());
  const walk = (value: Plain, path: string[]): unknown => {
    if (value === null) return null;
    if (Array.isArray(value)) return value.map((each) => walk(each, path));
    if (typeof value === "object" && !Buffer.isBuffer(value))
      return Object.fromEntries(
        Object.entries(value).map(([name, each]) => [name, walk(each, [...path, name])]),
      );
    const text = typeof value === "boolean" ? (value ? "True" : "False") : String(value);
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(text);
    const encrypted = isEncrypted(path);
    if (encrypted || !isMacOnlyEncrypted) hash.update(bytes);
    if (!encrypted) return value;
    if (bytes.length === 0) return "";
    const number = Number.isInteger(value) ? "int" : "float";
    const type = typeof value === "boolean" ? "bool" : typeof value === "number" ? number : "str";
    return encrypt(bytes, type, key, `${path.join(":")}:`);
  };
  const data = walk(tree, []) as Record<string, unknown>;
  const encrypter = new Encrypter();
  encrypter.addRecipient(options.recipient);
  const enc = armor.encode(await encrypter.encrypt(key));
  const mac = encrypt(Buffer.from(hash.digest("hex").toUpperCase()), "str", key, LAST_MODIFIED);
  const sops = {
    age: [{ recipient: options.recipient, enc }],
    lastmodified: LAST_MODIFIED,
    mac,
    ...(isMacOnlyEncrypted ? { mac_only_encrypted: true } : {}),
    ...(options.rules ?? { unencrypted_suffix: "_unencrypted" }),
    version: "3.9.0",
  };
  return { data, sops };
}

/** A JSON document, which is valid YAML, too, apart from the line that `sops:` begins. */
export async function sopsJson(tree: { [key: string]: Plain }, options: Options): Promise<string> {
  const { data, sops } = await encryptTree(tree, options);
  return JSON.stringify({ ...data, sops }, null, "\t");
}

export async function sopsYaml(tree: { [key: string]: Plain }, options: Options): Promise<string> {
  const { data, sops } = await encryptTree(tree, options);
  const { stringify } = await import("yaml");
  return `#ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:comment]\n${stringify({ ...data, sops }, { lineWidth: 0 })}`;
}

/** A file of any bytes. */
export const sopsBinary = (bytes: Buffer, options: Options): Promise<string> =>
  sopsJson({ data: bytes }, options);

export async function sopsDotenv(values: Record<string, string>, options: Options): Promise<string> {
  const { data, sops } = await encryptTree(values, options);
  const { age, ...rest } = sops;
  const escaped = (text: unknown) => String(text).replaceAll("\n", "\\n");
  return [
    "# a comment",
    ...Object.entries(data).map(([key, value]) => `${key}=${escaped(value)}`),
    ...Object.entries(age[0]!).map(([key, value]) => `sops_age__list_0__map_${key}=${escaped(value)}`),
    ...Object.entries(rest).map(([key, value]) => `sops_${key}=${escaped(value)}`),
    "",
  ].join("\n");
}
