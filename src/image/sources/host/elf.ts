/** Reads what a dynamic executable needs: its loader and its libraries (ELF specification, ld.so(8)). */
import { closeSync, openSync, readSync } from "node:fs";

export interface ElfNeeds {
  interpreter: string | undefined;
  needed: string[];
  /** DT_RUNPATH or DT_RPATH, with $ORIGIN not expanded. */
  searchPath: string[];
  machine: number;
  is64: boolean;
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_STRSZ = 10;
const DT_RPATH = 15;
const DT_RUNPATH = 29;
const MAX_PART = 4 << 20;
/** The longest name of a library, or search path of several directories. */
const MAX_NAME = 64 << 10;

/** Reads the dynamic section; undefined if the file is not a 64-bit little-endian ELF. */
export function readElf(path: string): ElfNeeds | undefined {
  const fd = openSync(path, "r");
  try {
    const read = (at: number, length: number): Buffer => {
      const bytes = Buffer.alloc(Math.min(length, MAX_PART));
      return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, at));
    };
    const header = read(0, 64);
    if (
      header.length < 64 ||
      header.toString("latin1", 0, 4) !== "\x7fELF" ||
      header[4] !== 2 ||
      header[5] !== 1
    )
      return undefined;
    const table = read(Number(header.readBigUInt64LE(32)), header.readUInt16LE(54) * header.readUInt16LE(56));
    const segments = [];
    for (let at = 0; at + 56 <= table.length; at += header.readUInt16LE(54) || 56) {
      segments.push({
        type: table.readUInt32LE(at),
        offset: Number(table.readBigUInt64LE(at + 8)),
        address: Number(table.readBigUInt64LE(at + 16)),
        size: Number(table.readBigUInt64LE(at + 32)),
      });
    }
    const interp = segments.find(({ type }) => type === PT_INTERP);
    const needs: ElfNeeds = {
      interpreter: interp
        ? read(interp.offset, interp.size).toString("utf8").replace(/\0.*$/s, "")
        : undefined,
      needed: [],
      searchPath: [],
      machine: header.readUInt16LE(18),
      is64: true,
    };
    const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
    if (!dynamic) return needs;
    const entries: [tag: number, value: number][] = [];
    const bytes = read(dynamic.offset, dynamic.size);
    for (let at = 0; at + 16 <= bytes.length; at += 16) {
      entries.push([Number(bytes.readBigInt64LE(at)), Number(bytes.readBigUInt64LE(at + 8))]);
    }
    const value = (wanted: number) => entries.find(([tag]) => tag === wanted)?.[1];
    const address = value(DT_STRTAB);
    const load = segments.find(
      (s) =>
        s.type === PT_LOAD && address !== undefined && address >= s.address && address < s.address + s.size,
    );
    if (address === undefined || !load) return needs;
    const stringsAt = address - load.address + load.offset;
    const size = value(DT_STRSZ) ?? 0;
    // each string separately: tables of large libraries have many megabytes, of which a few names are needed
    const text = (at: number) => {
      const bytes = at < size ? read(stringsAt + at, Math.min(size - at, MAX_NAME)) : Buffer.alloc(0);
      const end = bytes.indexOf(0);
      return bytes.toString("utf8", 0, end === -1 ? bytes.length : end);
    };
    needs.needed = entries.filter(([tag]) => tag === DT_NEEDED).map(([, at]) => text(at));
    const paths = value(DT_RUNPATH) ?? value(DT_RPATH);
    if (paths !== undefined) needs.searchPath = text(paths).split(":").filter(Boolean);
    return needs;
  } finally {
    closeSync(fd);
  }
}
