import { lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeFifo } from "../../../src/linux/pipe.ts";

describe("makeFifo", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-fifo-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const descriptors = () => readdirSync("/proc/self/fd").length;

  it("creates a FIFO, keeps an existing one, and leaves no descriptor open", () => {
    const path = join(folder, "ended");
    makeFifo(path, 0o600);
    const { ino } = lstatSync(path);
    const before = descriptors();
    for (let round = 0; round < 10; round++) makeFifo(path, 0o600);
    expect(descriptors()).toBe(before);
    expect(lstatSync(path)).toMatchObject({ ino, mode: 0o10600 });
  });

  it("rejects another kind of file, and a directory that does not exist", () => {
    writeFileSync(join(folder, "file"), "");
    expect(() => makeFifo(join(folder, "file"), 0o600)).toThrow("exists and is not a FIFO");
    expect(() => makeFifo(join(folder, "none", "ended"), 0o600)).toThrow("ENOENT");
  });
});
