/** The contract of content stores: blobs by digest, which are whole or not there. */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ContentStore } from "../../src/image/store/content-store.ts";

export function contentContract(name: string, open: () => { content: ContentStore; remove(): void }): void {
  describe(`the contract of content stores: ${name}`, () => {
    let content: ContentStore;
    let remove: () => void;
    beforeEach(() => {
      ({ content, remove } = open());
    });
    afterEach(() => remove());
    const bytes = Buffer.from("a blob");
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const descriptor = { mediaType: "text/plain", digest, size: bytes.length };

    it("has a blob under its digest, once", () => {
      expect(content.has(digest)).toBe(false);
      for (let round = 0; round < 2; round++) expect(content.put(bytes, "text/plain")).toEqual(descriptor);
      expect(content.read(digest)).toEqual(bytes);
      expect(content.list().map((blob) => [blob.digest, blob.size])).toEqual([[digest, bytes.length]]);
      content.remove(digest);
      content.remove(digest);
      expect(content.has(digest)).toBe(false);
    });

    it("does not show what is being written or was given up", () => {
      const writer = content.writer();
      writer.write(bytes);
      expect(content.list()).toEqual([]);
      writer.abort();
      expect(content.has(digest)).toBe(false);
    });

    it("refuses digests that are paths or of other algorithms", () => {
      for (const text of ["sha256:../../x", "md5:00", `sha256:${"g".repeat(64)}`, ""])
        expect(() => content.has(text)).toThrow(expect.objectContaining({ code: "BAD_DIGEST" }));
    });

    it("says that a blob is missing, and does not read a large one into memory", () => {
      expect(() => content.read(digest)).toThrow(expect.objectContaining({ code: "MISSING_BLOB" }));
      expect(() => content.piece(digest)).toThrow(expect.objectContaining({ code: "MISSING_BLOB" }));
      const large = content.put(Buffer.alloc((8 << 20) + 1), "text/plain");
      expect(() => content.read(large.digest)).toThrow(expect.objectContaining({ code: "BLOB_TOO_LARGE" }));
    });

    it("fetches a blob once for all who ask at the same time", async () => {
      let loads = 0;
      const load = async (file: string) => {
        loads++;
        writeFileSync(file, bytes);
      };
      await Promise.all([1, 2, 3].map(() => content.fetch(descriptor, load)));
      await content.fetch(descriptor, load);
      expect(loads).toBe(1);
      expect(content.read(digest)).toEqual(bytes);
    });

    it("keeps the part of an interrupted fetch, but not on a full disk", async () => {
      const failing = (code: string) => async (file: string) => {
        writeFileSync(file, "a b");
        throw Object.assign(new Error(code), { code });
      };
      await expect(content.fetch(descriptor, failing("ECONNRESET"))).rejects.toThrow("ECONNRESET");
      expect(content.unfinished()).toEqual([content.partFile(digest)]);
      await expect(content.fetch(descriptor, failing("ENOSPC"))).rejects.toThrow("ENOSPC");
      expect(content.unfinished()).toEqual([]);
      expect(content.has(digest)).toBe(false);
    });
  });
}
