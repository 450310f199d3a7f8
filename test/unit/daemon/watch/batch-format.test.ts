/** The body of a sync request: what is written is read again, and what is not valid is rejected. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readBatch, writeBatch } from "../../../../src/daemon/watch/batch-format.ts";
import type { SyncOperation } from "../../../../src/image/index.ts";

const bodyOf = (list: unknown, contents = "") => writeBatch(list as SyncOperation[], [Buffer.from(contents)]);

describe("the body of a sync request", () => {
  it("is read as it was written", () => {
    const name = fc.stringMatching(/^[a-z.-]{1,8}$/).filter((text) => !/^\.{1,2}$/.test(text));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.uint8Array({ maxLength: 50 }))), (files) => {
        const list = files.map(([path, bytes]) => ({
          op: "file" as const,
          path: `/${path}`,
          mode: 0o644,
          size: bytes.length,
        }));
        const { operations, bytes } = readBatch(
          writeBatch(
            list,
            files.map(([, content]) => content),
          ),
        );
        expect(operations).toEqual(list);
        expect(bytes).toEqual(Buffer.concat(files.map(([, content]) => content)));
      }),
    );
  });

  const paths = ["", "a", "/a/../b", "/..", "/a/", "//a", "/a//b", "/./a", "/a\0b", `/${"a".repeat(5000)}`];
  for (const path of paths)
    it(`is rejected with the path ${JSON.stringify(path.slice(0, 20))}`, () =>
      expect(() => readBatch(bodyOf([{ op: "remove", path, root: "/" }]))).toThrow());

  it("is rejected with other operations, modes and sizes", () => {
    for (const wrong of [
      { op: "exec", path: "/a" },
      { op: "file", path: "/a", mode: 0o10000, size: 0 },
      { op: "file", path: "/a", mode: 0, size: -1 },
      { op: "link", path: "/a", to: "" },
      { op: "part", path: "/a", size: 0, offset: 0, token: "../../x" },
      { op: "remove", path: "/a", root: "/", more: 1 },
    ])
      expect(() => readBatch(bodyOf([wrong])), JSON.stringify(wrong)).toThrow();
  });

  it("is rejected if the contents are longer or shorter than the operations say", () => {
    const list = [{ op: "file", path: "/a", mode: 0, size: 3 }];
    expect(readBatch(bodyOf(list, "abc")).bytes.toString()).toBe("abc");
    for (const contents of ["ab", "abcd"])
      expect(() => readBatch(bodyOf(list, contents))).toThrow(/contents/);
    for (const body of [Buffer.alloc(0), Buffer.alloc(3), Buffer.from([255, 255, 255, 255, 1])])
      expect(() => readBatch(body)).toThrow(/shorter/);
  });
});
