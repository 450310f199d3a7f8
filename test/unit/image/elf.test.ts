/** What an ELF file needs, also where its table of strings is larger than any buffer. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readElf } from "../../../src/image/sources/host/elf.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-elf-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A shared library with one DT_NEEDED, whose name is at an offset of the string table. */
function library(name: string, at: number): string {
  const strings = Buffer.alloc(at + name.length + 1);
  strings.write(name, at);
  const entries = [1, at, 5, 512, 10, strings.length, 0, 0];
  const dynamic = Buffer.alloc(entries.length * 8);
  for (const [index, value] of entries.entries()) dynamic.writeBigUInt64LE(BigInt(value), index * 8);
  const head = Buffer.alloc(512);
  head.write("\x7fELF\x02\x01\x01", "latin1");
  head.writeUInt16LE(62, 18);
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(2, 56);
  const segments = [
    { type: 1, offset: 0, size: 512 + strings.length },
    { type: 2, offset: 256, size: dynamic.length },
  ];
  for (const [index, { type, offset, size }] of segments.entries()) {
    const place = 64 + index * 56;
    head.writeUInt32LE(type, place);
    head.writeBigUInt64LE(BigInt(offset), place + 8);
    head.writeBigUInt64LE(BigInt(offset), place + 16);
    head.writeBigUInt64LE(BigInt(size), place + 32);
  }
  dynamic.copy(head, 256);
  const file = join(folder, `lib-${at}`);
  writeFileSync(file, Buffer.concat([head, strings]));
  return file;
}

it.each([1, 4095, (4 << 20) - 3, 4 << 20, 9 << 20])("reads a name at %i of the string table", (at) => {
  expect(readElf(library("libc.so.6", at))?.needed).toEqual(["libc.so.6"]);
});
