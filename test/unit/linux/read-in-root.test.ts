/** Files of an untrusted tree are read only if they are regular files. */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readInRoot } from "../../../src/linux/safe-path.ts";

describe("reading a file inside a root", () => {
  const root = mkdtempSync(join(tmpdir(), "bay-read-"));
  afterAll(() => rmSync(root, { recursive: true }));

  it("follows symlinks inside the root, and is bounded", () => {
    writeFileSync(join(root, "file"), "content");
    symlinkSync("/file", join(root, "link"));
    expect(readInRoot(root, "/file")?.toString()).toBe("content");
    expect(readInRoot(root, "/link")?.toString()).toBe("content");
    expect(() => readInRoot(root, "/file", 3)).toThrow(/too large/);
  });

  it("gives nothing for other types, without opening them", () => {
    mkdirSync(join(root, "folder"));
    execFileSync("mkfifo", [join(root, "fifo")]);
    symlinkSync("/loop", join(root, "loop"));
    const isRead = () => {
      try {
        // a FIFO without a reader cannot be opened for writing (ENXIO)
        closeSync(openSync(join(root, "fifo"), constants.O_WRONLY | constants.O_NONBLOCK));
        return true;
      } catch {
        return false;
      }
    };
    expect(readInRoot(root, "/fifo")).toBeUndefined();
    expect(isRead()).toBe(false);
    for (const path of ["/folder", "/loop", "/missing", "/file/below"])
      expect(readInRoot(root, path)).toBeUndefined();
  });
});
