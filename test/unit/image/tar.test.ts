import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PLAIN_ENTRY } from "../../../src/image/tar/describe.ts";
import { binary, encodeEntry, padding, type TarEntry } from "../../../src/image/tar/header.ts";
import { type ReadBytes, readTar } from "../../../src/image/tar/read.ts";

const plain: TarEntry = { ...PLAIN_ENTRY, name: "a", type: "file", mode: 0o644 };

function reader(bytes: Buffer, chunk = 1 << 20): ReadBytes {
  let at = 0;
  return (length) => {
    const part = bytes.subarray(at, at + Math.min(length, chunk));
    at += part.length;
    return part;
  };
}

function archive(entries: { entry: TarEntry; content: Buffer }[]): Buffer {
  const parts = entries.flatMap(({ entry, content }) => [
    encodeEntry(entry),
    content,
    padding(content.length),
  ]);
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

function readAll(bytes: Buffer, chunk?: number) {
  const found: { entry: TarEntry; content: Buffer }[] = [];
  readTar(reader(bytes, chunk), (entry, content) => {
    const parts: Buffer[] = [];
    for (let part = content(7); part.length > 0; part = content(7)) parts.push(Buffer.from(part));
    found.push({ entry, content: Buffer.concat(parts) });
    return undefined;
  });
  return found;
}

const name = fc
  .stringMatching(/^[a-zA-Z0-9é._-]{1,120}(\/[a-zA-Z0-9é_-]{1,60}){0,2}$/)
  .filter((text) => !text.startsWith("."));
const entryWithContent = fc
  .record({
    name,
    content: fc.uint8Array({ maxLength: 1500 }),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.oneof(fc.nat(1000), fc.constant(2 ** 31)),
    nanoseconds: fc.oneof(fc.constant(0), fc.nat(999_999_999)),
    mtime: fc.oneof(fc.nat(2 ** 31), fc.constant(-1234)),
    xattr: fc.uint8Array({ maxLength: 30 }),
  })
  .map(({ name: path, content, mode, uid, mtime, nanoseconds, xattr }) => ({
    entry: {
      ...plain,
      name: binary(path),
      size: content.length,
      mode,
      uid,
      mtime,
      nanoseconds,
      xattrs: new Map([["security.capability", Buffer.from(xattr)]]),
    },
    content: Buffer.from(content),
  }));

describe("the tar codec", () => {
  it("decodes every entry, in chunks of any size", () => {
    fc.assert(
      fc.property(
        fc.array(entryWithContent, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 700 }),
        (entries, chunk) => {
          expect(readAll(archive(entries), chunk)).toEqual(entries);
        },
      ),
    );
  });

  it("rejects headers that would use much memory", () => {
    const pax = (body: Buffer, flag = "x") => {
      const entry = encodeEntry({ ...plain, name: "p", size: body.length });
      entry.write(flag, 156, "latin1");
      entry.fill(32, 148, 156);
      entry.write(
        `${entry
          .reduce((sum, byte) => sum + byte, 0)
          .toString(8)
          .padStart(6, "0")}\0 `,
        148,
        "latin1",
      );
      return Buffer.concat([entry, body, padding(body.length)]);
    };
    // one "=" at the end must not serve as every record's
    expect(() => readAll(pax(Buffer.from(`${"5 ab\n".repeat(8000)}7 a=b\n`)))).toThrow(/malformed/);
    const record = (key: string) => {
      const body = ` ${key}=${"v".repeat(200_000)}\n`;
      return Buffer.from(`${body.length + 6}${body}`);
    };
    const many = Array.from({ length: 9 }, (_, index) => pax(record(`k${index}`), "g"));
    expect(() => readAll(Buffer.concat(many))).toThrow(/PAX headers are too large/);
    expect(() =>
      readAll(archive([{ entry: { ...plain, name: "n".repeat(5000) }, content: Buffer.alloc(0) }])),
    ).toThrow(/the name in a tar header is too long: 5000 bytes/);
  });

  it("keeps bytes of extended attributes that are not text", () => {
    const value = Buffer.from([1, 0, 255, 10, 61, 128]);
    const entry = { ...plain, xattrs: new Map([["user.x", value]]) };
    expect(readAll(archive([{ entry, content: Buffer.alloc(0) }]))[0]!.entry.xattrs.get("user.x")).toEqual(
      value,
    );
  });

  it("rejects an archive that is truncated, has a wrong checksum, or is empty", () => {
    const whole = archive([{ entry: { ...plain, size: 600 }, content: Buffer.alloc(600, 1) }]);
    expect(() => readAll(whole.subarray(0, 700))).toThrow("ends");
    const broken = Buffer.from(whole);
    broken[0] = 1;
    expect(() => readAll(broken)).toThrow("checksum");
    expect(() => readAll(Buffer.alloc(0))).toThrow("empty");
  });

  it("causes nothing worse than an error for random input", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 3000 }), (bytes) => {
        try {
          readAll(Buffer.from(bytes));
        } catch (error) {
          expect((error as { code?: string }).code).toBe("BAD_TAR");
        }
      }),
    );
  });
});
