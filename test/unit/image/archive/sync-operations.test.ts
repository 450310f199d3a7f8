/** A batch of file changes: what it makes of any tree, and what keeps its inode. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { applyOperations, type SyncOperation } from "../../../../src/image/archive/sync-operations.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-sync-"));
const root = join(folder, "root");
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, "app"), { recursive: true });
});
const inApp = (name: string) => join(root, "app", name);
const apply = (operations: SyncOperation[], text = "", mounts: string[] = []) =>
  applyOperations(operations, Buffer.from(text), undefined, { prefix: root, mounts });
const file = (path: string, text: string, mode = 0o644): [SyncOperation, string] => [
  { op: "file", path, mode, size: Buffer.byteLength(text) },
  text,
];
const put = (...files: [SyncOperation, string][]) =>
  apply(
    files.map(([operation]) => operation),
    files.map(([, text]) => text).join(""),
  );

describe("a batch of file changes", () => {
  it("makes files with their content, mode and parents", () => {
    expect(put(file("/app/a/b", "one"), file("/app/c", "three", 0o755), file("/app/d", ""))).toEqual({
      changed: 3,
      failed: [],
    });
    expect([
      readFileSync(inApp("a/b"), "utf8"),
      readFileSync(inApp("c"), "utf8"),
      readFileSync(inApp("d"), "utf8"),
    ]).toEqual(["one", "three", ""]);
    expect(statSync(inApp("c")).mode & 0o7777).toBe(0o755);
    expect(readdirSync(join(root, "app")).sort()).toEqual(["a", "c", "d"]);
  });

  it("rewrites a file in place, longer and shorter, and leaves an equal one alone", () => {
    put(file("/app/a", "first"));
    const { ino } = statSync(inApp("a"));
    for (const text of ["longer than before", "short", ""]) {
      expect(put(file("/app/a", text)).changed).toBe(1);
      expect(readFileSync(inApp("a"), "utf8")).toBe(text);
      expect(put(file("/app/a", text)).changed).toBe(0);
    }
    expect(put(file("/app/a", "", 0o600)).changed).toBe(1);
    expect(statSync(inApp("a"))).toMatchObject({ ino, mode: 0o100600 });
  });

  it("replaces a file by a directory, a directory by a file or a link, and a link by either", () => {
    put(file("/app/x", "file"));
    apply([{ op: "directory", path: "/app/x", mode: 0o700 }]);
    expect(statSync(inApp("x")).mode & 0o170777).toBe(0o040700);
    put(file("/app/x/inside", "text"));
    put(file("/app/x", "again"));
    expect(readFileSync(inApp("x"), "utf8")).toBe("again");
    apply([{ op: "link", path: "/app/x", to: "elsewhere" }]);
    expect(readlinkSync(inApp("x"))).toBe("elsewhere");
    expect(apply([{ op: "link", path: "/app/x", to: "elsewhere" }]).changed).toBe(0);
    apply([{ op: "directory", path: "/app/x", mode: 0o755 }]);
    put(file("/app/x/inside", "text"));
    apply([{ op: "link", path: "/app/x", to: "." }]);
    put(file("/app/x", "last"));
    expect(lstatSync(inApp("x")).isFile()).toBe(true);
  });

  it.each(["file", "link", "finish"] as const)("keeps what is mounted in a directory: %s", (op) => {
    const token = "0123456789ab";
    const operation: SyncOperation =
      op === "file"
        ? { op, path: "/app/x", mode: 0o644, size: 0 }
        : op === "link"
          ? { op, path: "/app/x", to: "y" }
          : { op, path: "/app/x", mode: 0o644, token };
    for (const mount of ["/app/x/data", "/app/x"]) {
      put(file("/app/x/data/file", "of a volume"));
      if (op === "finish") apply([{ op: "part", path: "/app/x", size: 1, offset: 0, token }], "x");
      const { changed, failed } = apply([operation], "", [mount]);
      expect([changed, failed.map(({ path }) => path)]).toEqual([0, ["/app/x"]]);
      expect(failed[0]!.message).toContain("something is mounted");
      expect(readFileSync(inApp("x/data/file"), "utf8")).toBe("of a volume");
    }
    expect(readdirSync(join(root, "app"))).toEqual(["x"]);
    if (op === "finish") apply([{ op: "part", path: "/app/x", size: 1, offset: 0, token }], "x");
    expect(apply([operation], "", ["/app/other", "/app/xy"]).changed).toBe(1);
  });

  it("replaces a directory that is the rule's target by a file only if it is empty", () => {
    put(file("/app/sub/a", "of the image"));
    const root: SyncOperation = { op: "file", path: "/app", mode: 0o644, size: 4, isRoot: true };
    expect(apply([root], "text").failed[0]!.message).toContain("the target is a directory with files");
    expect(readFileSync(inApp("sub/a"), "utf8")).toBe("of the image");
    const emptied: SyncOperation[] = ["/app/sub/a", "/app/sub"].map((path) => ({
      op: "remove",
      path,
      root: "/app",
    }));
    expect(apply([...emptied, root], "text").failed).toEqual([]);
    expect(lstatSync(join(folder, "root", "app")).isFile()).toBe(true);
  });

  it("does not write through a link that has the file's name", () => {
    writeFileSync(inApp("other"), "other");
    symlinkSync("other", inApp("a"));
    put(file("/app/a", "new"));
    expect([readFileSync(inApp("other"), "utf8"), readFileSync(inApp("a"), "utf8")]).toEqual([
      "other",
      "new",
    ]);
  });

  it("keeps the target's own mode, and a symlink in its place", () => {
    chmodSync(inApp(""), 0o711);
    symlinkSync("app", join(root, "link"));
    apply([
      { op: "directory", path: "/app", mode: 0o700, isRoot: true },
      { op: "directory", path: "/link", mode: 0o700, isRoot: true },
    ]);
    expect(statSync(inApp("")).mode & 0o7777).toBe(0o711);
    expect(lstatSync(join(root, "link")).isSymbolicLink()).toBe(true);
  });

  it("removes what was synchronised, and keeps what the container made", () => {
    put(file("/app/a/mine", "x"), file("/app/a/theirs", "x"));
    const remove = (path: string): SyncOperation => ({ op: "remove", path, root: "/app" });
    expect(
      apply([remove("/app/a/mine"), remove("/app/a"), remove("/app/none"), remove("/app/a/mine/x")]),
    ).toEqual({
      changed: 1,
      failed: [],
    });
    expect(readdirSync(inApp("a"))).toEqual(["theirs"]);
  });

  it("removes nothing behind a link", () => {
    mkdirSync(join(root, "kept"));
    writeFileSync(join(root, "kept", "b"), "x");
    symlinkSync("../kept", inApp("a"));
    apply([{ op: "remove", path: "/app/a/b", root: "/app" }]);
    expect(readdirSync(join(root, "kept"))).toEqual(["b"]);
  });

  it("puts a large file together from parts", () => {
    const token = "0123456789ab";
    const part = (offset: number, size: number): SyncOperation => ({
      op: "part",
      path: "/app/a",
      size,
      offset,
      token,
    });
    for (const before of [undefined, "old and longer than the new one"]) {
      if (before !== undefined) writeFileSync(inApp("a"), before);
      apply([part(0, 3)], "abc");
      apply([part(3, 2)], "de");
      apply([{ op: "finish", path: "/app/a", mode: 0o640, token }]);
      expect(readFileSync(inApp("a"), "utf8")).toBe("abcde");
      expect(statSync(inApp("a")).mode & 0o7777).toBe(0o640);
      expect(readdirSync(inApp(""))).toEqual(["a"]);
    }
  });

  it("reports what fails, and applies the rest with its own contents", () => {
    writeFileSync(inApp("file"), "x");
    const { changed, failed } = put(file("/app/file/below", "one"), file("/app/b", "two"));
    expect(changed).toBe(1);
    expect(failed).toMatchObject([
      { path: "/app/file/below", code: expect.stringMatching(/ENOTDIR|EEXIST/) as string },
    ]);
    expect(readFileSync(inApp("b"), "utf8")).toBe("two");
  });
});
