/** The tasks of a layer's worker, on this thread: those that need no confinement. */
import { createHash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runTask } from "../../../../src/image/layers/layer-tasks.ts";
import { Growth } from "../../../../src/image/store/growing-file.ts";

let folder: string;
const at = (name: string) => join(folder, name);
const sha256 = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const CONTENT = Buffer.from("some content, ".repeat(200_000)); // more than one part
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-tasks-"));
  writeFileSync(at("plain"), CONTENT);
  writeFileSync(at("packed"), gzipSync(CONTENT));
});
afterEach(() => rmSync(folder, { recursive: true }));
const piece = (name: string, offset = 0, size = readFileSync(at(name)).length - offset) => ({
  file: at(name),
  offset,
  size,
});

describe("the tasks of layers", () => {
  it("hash a part of a file", () => {
    expect(runTask({ kind: "hash", piece: piece("plain", 5, 1_500_000) })).toEqual({
      ok: true,
      result: sha256(CONTENT.subarray(5, 1_500_005)),
    });
  });

  it("copy bytes as they are, into a new file only", () => {
    const task = { kind: "copy", piece: piece("packed"), target: at("copy") } as const;
    expect(runTask(task)).toEqual({ ok: true, result: sha256(gzipSync(CONTENT)) });
    expect(readFileSync(at("copy")).equals(gzipSync(CONTENT))).toBe(true);
    expect(runTask(task)).toMatchObject({ ok: false, code: "EEXIST" });
  });

  it("decompress, and return the digest of the plain content", () => {
    for (const name of ["packed", "plain"]) {
      const target = at(`${name}.out`);
      expect(runTask({ kind: "decompress", piece: piece(name), target })).toEqual({
        ok: true,
        result: sha256(CONTENT),
      });
      expect(readFileSync(target).equals(CONTENT)).toBe(true);
    }
  });

  it("append to a file that is open", () => {
    const fd = openSync(at("target"), "w");
    expect(runTask({ kind: "append", piece: piece("plain", 5, 600_000), fd, at: 3 })).toEqual({
      ok: true,
      result: "",
    });
    closeSync(fd);
    expect(
      readFileSync(at("target")).equals(Buffer.concat([Buffer.alloc(3), CONTENT.subarray(5, 600_005)])),
    ).toBe(true);
  });

  it("fail if the file becomes shorter, is damaged, or does not exist", () => {
    const long = piece("plain");
    truncateSync(at("plain"), 10);
    const short = { ok: false, code: "BAD_LAYER", message: "the file was truncated while it was read" };
    expect(runTask({ kind: "hash", piece: long })).toMatchObject(short);
    const fd = openSync(at("target"), "w");
    expect(runTask({ kind: "append", piece: long, fd, at: 0 })).toMatchObject(short);
    closeSync(fd);
    const cut = piece("packed", 0, 1000);
    expect(runTask({ kind: "decompress", piece: cut, target: at("out") })).toMatchObject({
      ok: false,
      code: "BAD_LAYER",
    });
    expect(runTask({ kind: "hash", piece: { file: at("absent"), offset: 0, size: 1 } })).toMatchObject({
      ok: false,
      code: "ENOENT",
    });
  });

  it("read a file that is complete by now, and stop for one that was given up", () => {
    const growth = new Growth();
    growth.reached(CONTENT.length);
    growth.complete();
    growth.fail(); // what ended stays as it ended
    const growing = { ...piece("plain", 0, 0), growth: growth.shared };
    expect(runTask({ kind: "hash", piece: growing })).toEqual({ ok: true, result: sha256(CONTENT) });
    const lost = new Growth();
    lost.reached(10);
    lost.fail();
    expect(
      runTask({ kind: "decompress", piece: { ...growing, growth: lost.shared }, target: at("out") }),
    ).toMatchObject({
      ok: false,
      code: "TRANSFER_INTERRUPTED",
    });
  });
});
