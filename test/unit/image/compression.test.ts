import { execFileSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Compression, compressionOf, decompress } from "../../../src/image/compression/index.ts";

/** Decompresses with a source that gives at most `step` bytes at a time, and asks for `wanted` at a time. */
function unpacked(kind: Compression, packed: Buffer, step = 1 << 20, wanted = 1 << 20): Buffer {
  let at = 0;
  const plain = decompress(
    kind,
    (length) => {
      const part = packed.subarray(at, at + Math.min(length, step));
      at += part.length;
      return part;
    },
    packed.length,
  );
  const parts: Buffer[] = [];
  try {
    for (let part = plain.read(wanted); part.length > 0; part = plain.read(wanted))
      parts.push(Buffer.from(part));
  } finally {
    plain.close();
  }
  return Buffer.concat(parts);
}

const inflated = (packed: Buffer, step?: number, wanted?: number) => unpacked("gzip", packed, step, wanted);

describe.each(["bzip2", "xz"] as const)("%s", (kind) => {
  const pack = (content: Buffer) => execFileSync(kind, ["-c"], { input: content });

  it("returns the packed data, in pieces of any size, also from several streams", () => {
    const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => ((i * 2654435761) >>> 24) % 7));
    const packed = pack(content);
    expect(compressionOf(packed)).toBe(kind);
    for (const [step, wanted] of [
      [1, 4096],
      [997, 1 << 20],
      [1 << 20, 100],
    ] as const)
      expect(unpacked(kind, packed, step, wanted).equals(content)).toBe(true);
    const twice = Buffer.concat([packed, pack(Buffer.from("more"))]);
    expect(unpacked(kind, twice).equals(Buffer.concat([content, Buffer.from("more")]))).toBe(true);
  });

  it("reports damaged or truncated data", () => {
    const packed = pack(Buffer.from("hello".repeat(1000)));
    expect(() => unpacked(kind, packed.subarray(0, packed.length - 9))).toThrow(/too early/);
    const damaged = Buffer.from(packed);
    damaged.fill(0x55, 14, 30);
    expect(() => unpacked(kind, damaged)).toThrow(/damaged/);
  });
});

describe("gzip", () => {
  it("returns the packed data, in pieces of any size", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 4000 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 700 }),
        fc.integer({ min: 1, max: 9000 }),
        (members, step, wanted) => {
          const packed = Buffer.concat(members.map((member) => gzipSync(member)));
          expect(compressionOf(packed)).toBe("gzip");
          expect(inflated(packed, step, wanted).equals(Buffer.concat(members))).toBe(true);
        },
      ),
    );
  });

  it("stays within its memory: far matches, window after window", () => {
    // half random and half repeated from 30,000 bytes before, so that the window is used to its end
    const block = Buffer.from(Array.from({ length: 30_000 }, (_, i) => (i * 2654435761) >>> 24));
    const content = Buffer.concat(Array.from({ length: 40 }, () => block));
    const packed = gzipSync(content);
    for (let round = 0; round < 100; round++)
      expect(inflated(packed, 997, 4096 + round).equals(content)).toBe(true);
  });

  it("reports damaged or truncated data", () => {
    const packed = gzipSync(Buffer.from("hello".repeat(1000)));
    expect(() => inflated(packed.subarray(0, packed.length - 9))).toThrow(/too early/);
    const damaged = Buffer.from(packed);
    damaged.fill(0xff, 12, 20);
    expect(() => inflated(damaged)).toThrow(/damaged/);
  });
});
