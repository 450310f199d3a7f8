/**
 * One tar header (POSIX pax interchange format, and GNU tar's long names and base-256 numbers). Layers must keep every byte:
 * xattr values are bytes, and names are binary strings with one character per byte, never decoded text.
 */

import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { SparseMap } from "./sparse.ts";

export type EntryType = "file" | "hardlink" | "symlink" | "char" | "block" | "directory" | "fifo";

export interface TarEntry {
  /** A binary string: relative, without a leading `./` or `/`, without a trailing slash. */
  name: string;
  type: EntryType;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  /** Whole seconds since the epoch, and the additional nanoseconds, which only a PAX record can hold. */
  mtime: number;
  nanoseconds: number;
  /** A binary string, unchanged. */
  linkName: string;
  devMajor: number;
  devMinor: number;
  xattrs: Map<string, Buffer>;
  /** For a sparse file: the positions of its content. `size` is then the stored size. */
  sparse?: SparseMap;
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
/** The binary string of a text: its UTF-8 bytes, one character each. */
export const binary = (text: string): string => Buffer.from(text, "utf8").toString("latin1");
/** The bytes of a binary string, to be used as a path. */
export const bytesOf = (name: string): Buffer => Buffer.from(name, "latin1");

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
  return field.toString("latin1", 0, end === -1 ? length : end);
}

/** Decodes a number: octal text, or base 256 if the first bit is set (GNU). */
export function decodeNumber(bytes: Buffer, at: number, length: number): number {
  const field = bytes.subarray(at, at + length);
  if ((field[0]! & 0x80) === 0) {
    const digits = field.toString("latin1").replace(/\0.*$/s, "").trim();
    if (!/^[0-7]*$/.test(digits))
      throw new BayError("BAD_TAR", `a tar header has an invalid number ${JSON.stringify(digits)}`);
    return digits === "" ? 0 : Number.parseInt(digits, 8);
  }
  let value = field[0]! & 0x40 ? BigInt((field[0]! & 0x7f) - 0x80) : BigInt(field[0]! & 0x7f);
  for (const byte of field.subarray(1)) value = value * 256n + BigInt(byte);
  return Number(value);
}

/** Reads a header block; undefined for a block of zeros. Throws BAD_TAR. */
export function decodeHeader(block: Buffer): RawHeader | undefined {
  let sum = 8 * 32;
  for (let at = 0; at < 148; at++) sum += block[at]!;
  for (let at = 156; at < BLOCK; at++) sum += block[at]!;
  if (sum === 8 * 32 && block.every((byte) => byte === 0)) return undefined;
  if (decodeNumber(block, 148, 8) !== sum) throw new BayError("BAD_TAR", "a tar header's checksum is wrong");
  const isPosix = block.toString("latin1", 257, 263) === "ustar\0";
  const prefix = isPosix ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  return {
    name: prefix ? `${prefix}/${name}` : name,
    flag: block[156] === 0 ? "0" : String.fromCharCode(block[156]!),
    mode: decodeNumber(block, 100, 8),
    uid: decodeNumber(block, 108, 8),
    gid: decodeNumber(block, 116, 8),
    size: decodeNumber(block, 124, 12),
    mtime: decodeNumber(block, 136, 12),
    linkName: text(block, 157, 100),
    devMajor: decodeNumber(block, 329, 8),
    devMinor: decodeNumber(block, 337, 8),
  };
}

/** Decodes PAX records: `LENGTH KEY=VALUE\n`, where the length includes itself. Values are bytes. Throws BAD_TAR. */
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
      equals === -1 ||
      equals >= at + length - 1
    ) {
      throw new BayError("BAD_TAR", "a PAX header is malformed");
    }
    const key = bytes.toString("latin1", space + 1, equals);
    const value = Buffer.from(bytes.subarray(equals + 1, at + length - 1));
    // the oldest sparse form alternates records for offset and length
    if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes") {
      const before = records.get(SPARSE_MAP);
      records.set(SPARSE_MAP, before ? Buffer.concat([before, Buffer.from(","), value]) : value);
    } else records.set(key, value);
    at += length;
  }
  return records;
}

export const SPARSE_MAP = "GNU.sparse.map";
export const SPARSE_NAME = "GNU.sparse.name";
/** The kernel's limit of a path. */
const MAX_NAME = LIMITS.image.tarName;
const PAX_TIME = /^(-?)(\d{1,15})(?:\.(\d*))?$/;

/** Decodes a PAX time exactly, as seconds and nanoseconds. Throws BAD_TAR. */
function decodeTime(text: string): { mtime: number; nanoseconds: number } {
  const [, sign, whole = "", fraction = ""] = PAX_TIME.exec(text) ?? [];
  if (sign === undefined) throw new BayError("BAD_TAR", `invalid PAX mtime ${JSON.stringify(text)}`);
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, "0"));
  if (sign === "") return { mtime: Number(whole), nanoseconds };
  return nanoseconds === 0
    ? { mtime: -Number(whole), nanoseconds }
    : { mtime: -Number(whole) - 1, nanoseconds: 1e9 - nanoseconds };
}

function encodeTime(mtime: number, nanoseconds: number): string {
  const [whole, rest] = mtime < 0 && nanoseconds > 0 ? [mtime + 1, 1e9 - nanoseconds] : [mtime, nanoseconds];
  const sign = mtime < 0 ? "-" : "";
  const fraction = rest === 0 ? "" : `.${String(rest).padStart(9, "0").replace(/0+$/, "")}`;
  return `${sign}${Math.abs(whole)}${fraction}`;
}

/**
 * Returns the entry that a header and the PAX records before it describe. Throws BAD_TAR for kinds that layers do not
 * support.
 */
export function toEntry(raw: RawHeader, pax: ReadonlyMap<string, Buffer>): TarEntry {
  const value = (key: string) => pax.get(key)?.toString("latin1");
  const numeric = (key: string, otherwise: number) => {
    const given = value(key);
    if (given === undefined) return otherwise;
    if (!/^-?\d+(\.\d*)?$/.test(given))
      throw new BayError("BAD_TAR", `invalid PAX ${key} ${JSON.stringify(given)}`);
    return Number(given);
  };
  const type = FLAG_TYPES.get(raw.flag === "7" || raw.flag === "S" ? "0" : raw.flag);
  const name = value(SPARSE_NAME) ?? value("path") ?? raw.name;
  const time = value("mtime");
  const linkName = value("linkpath") ?? raw.linkName;
  if (name.length > MAX_NAME || linkName.length > MAX_NAME)
    throw new BayError(
      "BAD_TAR",
      `the name in a tar header is too long: ${Math.max(name.length, linkName.length)} bytes`,
    );
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
    ...(time === undefined ? { mtime: raw.mtime, nanoseconds: 0 } : decodeTime(time)),
    linkName,
    devMajor: raw.devMajor,
    devMinor: raw.devMinor,
    xattrs,
  };
}

function paxRecord(key: string, value: Buffer): Buffer {
  const body = Buffer.concat([bytesOf(` ${key}=`), value, Buffer.from("\n")]);
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return Buffer.concat([Buffer.from(String(length)), body]);
}

function headerBlock(entry: RawHeader): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number) =>
    block.write(
      `${Math.max(0, Math.min(value, 8 ** (length - 1) - 1))
        .toString(8)
        .padStart(length - 1, "0")}\0`,
      at,
      "latin1",
    );
  bytesOf(entry.name).copy(block, 0, 0, 100);
  octal(entry.mode, 100, 8);
  octal(entry.uid, 108, 8);
  octal(entry.gid, 116, 8);
  octal(entry.size, 124, 12);
  octal(entry.mtime, 136, 12);
  block.write(entry.flag, 156, "latin1");
  bytesOf(entry.linkName).copy(block, 157, 0, 100);
  block.write("ustar\0" + "00", 257, "latin1");
  octal(entry.devMajor, 329, 8);
  octal(entry.devMinor, 337, 8);
  block.fill(32, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/**
 * The blocks before an entry's content: a PAX header if ustar is not sufficient, then the header. `extra` are additional PAX
 * records of the caller.
 */
export function encodeEntry(entry: TarEntry, extra: ReadonlyMap<string, string> = new Map()): Buffer {
  const name = entry.type === "directory" ? `${entry.name}/` : entry.name;
  const records: Buffer[] = [];
  const add = (key: string, value: string | Buffer) =>
    records.push(paxRecord(key, typeof value === "string" ? bytesOf(value) : value));
  for (const [key, value] of extra) add(key, value);
  if (name.length > 100) add("path", name);
  if (entry.linkName.length > 100) add("linkpath", entry.linkName);
  if (entry.size > MAX_OCTAL_12) add("size", String(entry.size));
  if (entry.uid > MAX_OCTAL_8) add("uid", String(entry.uid));
  if (entry.gid > MAX_OCTAL_8) add("gid", String(entry.gid));
  if (entry.nanoseconds !== 0 || entry.mtime < 0 || entry.mtime > MAX_OCTAL_12)
    add("mtime", encodeTime(entry.mtime, entry.nanoseconds));
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

/** The number of bytes missing to a whole block. */
export const paddingLength = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

/** Zeros that pad content to a whole block. */
export function padding(size: number): Buffer {
  return Buffer.alloc(paddingLength(size));
}
