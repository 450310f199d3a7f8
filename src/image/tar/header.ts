/**
 * One tar header (POSIX pax interchange format, and GNU tar's long names and base-256 numbers). Layers need
 * every byte kept: xattr values and names are bytes here, never decoded text.
 */
import { BayError } from "../../errors.ts";

export type EntryType = "file" | "hardlink" | "symlink" | "char" | "block" | "directory" | "fifo";

export interface TarEntry {
  /** Relative, without a leading `./` or `/`, without a trailing slash. */
  name: string;
  type: EntryType;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  /** Seconds since the epoch; the fraction is kept where a PAX record has one. */
  mtime: number;
  linkName: string;
  devMajor: number;
  devMinor: number;
  xattrs: Map<string, Buffer>;
}

export const BLOCK = 512;
const TYPE_FLAGS: Record<EntryType, string> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};
const FLAG_TYPES = new Map(Object.entries(TYPE_FLAGS).map(([type, flag]) => [flag, type as EntryType]));
export const MAX_OCTAL_8 = 0o7777777;
export const MAX_OCTAL_12 = 0o77777777777;
const XATTR_KEY = "SCHILY.xattr.";

export interface RawHeader {
  name: string;
  flag: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: number;
  linkName: string;
  devMajor: number;
  devMinor: number;
}

function text(bytes: Buffer, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end === -1 ? length : end);
}

/** A number: octal text, or base 256 where the first bit is set (GNU). */
function number(bytes: Buffer, at: number, length: number): number {
  const field = bytes.subarray(at, at + length);
  if ((field[0]! & 0x80) === 0) {
    const digits = field.toString("latin1").replace(/\0.*$/s, "").trim();
    if (!/^[0-7]*$/.test(digits))
      throw new BayError("BAD_TAR", `a tar header has the number ${JSON.stringify(digits)}`);
    return digits === "" ? 0 : Number.parseInt(digits, 8);
  }
  let value = field[0]! & 0x40 ? BigInt((field[0]! & 0x7f) - 0x80) : BigInt(field[0]! & 0x7f);
  for (const byte of field.subarray(1)) value = value * 256n + BigInt(byte);
  return Number(value);
}

/** Reads a header block; undefined for a block of zeros. Throws BAD_TAR. */
export function decodeHeader(block: Buffer): RawHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  let sum = 0;
  for (let at = 0; at < BLOCK; at++) sum += at >= 148 && at < 156 ? 32 : block[at]!;
  if (number(block, 148, 8) !== sum) throw new BayError("BAD_TAR", "a tar header's checksum is wrong");
  const isPosix = block.toString("latin1", 257, 263) === "ustar\0";
  const prefix = isPosix ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  return {
    name: prefix ? `${prefix}/${name}` : name,
    flag: block[156] === 0 ? "0" : String.fromCharCode(block[156]!),
    mode: number(block, 100, 8),
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtime: number(block, 136, 12),
    linkName: text(block, 157, 100),
    devMajor: number(block, 329, 8),
    devMinor: number(block, 337, 8),
  };
}

/** PAX records: `LENGTH KEY=VALUE\n`, where the length counts itself. Values are bytes. Throws BAD_TAR. */
export function decodePax(bytes: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    const length = Number(bytes.toString("latin1", at, space));
    const equals = bytes.indexOf(61, space);
    if (
      space === -1 ||
      !Number.isInteger(length) ||
      length < 5 ||
      at + length > bytes.length ||
      equals === -1
    ) {
      throw new BayError("BAD_TAR", "a PAX header is malformed");
    }
    records.set(
      bytes.toString("utf8", space + 1, equals),
      Buffer.from(bytes.subarray(equals + 1, at + length - 1)),
    );
    at += length;
  }
  return records;
}

/** The entry that a header and the PAX records before it describe. Throws BAD_TAR for what has no place in a layer. */
export function toEntry(raw: RawHeader, pax: ReadonlyMap<string, Buffer>): TarEntry {
  const value = (key: string) => pax.get(key)?.toString("utf8");
  const numeric = (key: string, otherwise: number) => {
    const given = value(key);
    if (given === undefined) return otherwise;
    if (!/^-?\d+(\.\d*)?$/.test(given))
      throw new BayError("BAD_TAR", `PAX ${key} is ${JSON.stringify(given)}`);
    return Number(given);
  };
  const type = FLAG_TYPES.get(raw.flag === "7" ? "0" : raw.flag);
  const name = value("path") ?? raw.name;
  if (!type) throw new BayError("BAD_TAR", `entry ${name} has the unknown type ${JSON.stringify(raw.flag)}`);
  const xattrs = new Map<string, Buffer>();
  for (const [key, bytes] of pax)
    if (key.startsWith(XATTR_KEY)) xattrs.set(key.slice(XATTR_KEY.length), bytes);
  return {
    name: name.replace(/^(\.?\/+)+/, "").replace(/\/+$/, ""),
    type: type === "file" && name.endsWith("/") ? "directory" : type,
    mode: raw.mode & 0o7777,
    uid: numeric("uid", raw.uid),
    gid: numeric("gid", raw.gid),
    size: type === "file" ? numeric("size", raw.size) : 0,
    mtime: numeric("mtime", raw.mtime),
    linkName: value("linkpath") ?? raw.linkName,
    devMajor: raw.devMajor,
    devMinor: raw.devMinor,
    xattrs,
  };
}

function paxRecord(key: string, value: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return Buffer.concat([Buffer.from(String(length)), body]);
}

function headerBlock(entry: Omit<RawHeader, "mtime"> & { mtime: number }): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number) =>
    block.write(
      `${Math.max(0, Math.min(value, 8 ** (length - 1) - 1))
        .toString(8)
        .padStart(length - 1, "0")}\0`,
      at,
      "latin1",
    );
  Buffer.from(entry.name).copy(block, 0, 0, 100);
  octal(entry.mode, 100, 8);
  octal(entry.uid, 108, 8);
  octal(entry.gid, 116, 8);
  octal(entry.size, 124, 12);
  octal(Math.floor(entry.mtime), 136, 12);
  block.write(entry.flag, 156, "latin1");
  Buffer.from(entry.linkName).copy(block, 157, 0, 100);
  block.write("ustar\0" + "00", 257, "latin1");
  octal(entry.devMajor, 329, 8);
  octal(entry.devMinor, 337, 8);
  block.fill(32, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** The blocks that stand before an entry's content: a PAX header where ustar cannot say it, then the header. */
export function encodeEntry(entry: TarEntry): Buffer {
  const name = entry.type === "directory" ? `${entry.name}/` : entry.name;
  const records: Buffer[] = [];
  const add = (key: string, value: string | Buffer) =>
    records.push(paxRecord(key, Buffer.from(value as string)));
  if (Buffer.byteLength(name) > 100) add("path", name);
  if (Buffer.byteLength(entry.linkName) > 100) add("linkpath", entry.linkName);
  if (entry.size > MAX_OCTAL_12) add("size", String(entry.size));
  if (entry.uid > MAX_OCTAL_8) add("uid", String(entry.uid));
  if (entry.gid > MAX_OCTAL_8) add("gid", String(entry.gid));
  if (!Number.isInteger(entry.mtime) || entry.mtime < 0) add("mtime", String(entry.mtime));
  for (const key of [...entry.xattrs.keys()].sort()) add(`${XATTR_KEY}${key}`, entry.xattrs.get(key)!);
  const header = headerBlock({ ...entry, name, flag: TYPE_FLAGS[entry.type] });
  if (records.length === 0) return header;
  const body = Buffer.concat(records);
  const paxHeader = headerBlock({
    name: `PaxHeaders/${name}`.slice(0, 99),
    flag: "x",
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: body.length,
    mtime: 0,
    linkName: "",
    devMajor: 0,
    devMinor: 0,
  });
  return Buffer.concat([paxHeader, body, padding(body.length), header]);
}

/** The zeros that fill content up to a whole block. */
export function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}
