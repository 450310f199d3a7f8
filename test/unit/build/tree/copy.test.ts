/** Selecting, copying and hashing files of a build. Both roots are this process's own, so paths are whole ones. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { IgnorePatterns } from "../../../../src/build/ignore.ts";
import { copyMatches, writeGiven } from "../../../../src/build/tree/copy.ts";
import { DigestCache, digestOf } from "../../../../src/build/tree/digest.ts";
import { makeDirectories, resolveIn } from "../../../../src/build/tree/directories.ts";
import { matchSources } from "../../../../src/build/tree/select.ts";
import type { CopyOptions } from "../../../../src/build/tree/tasks.ts";
import { isArchive } from "../../../../src/build/tree/unpack-archive.ts";
import type { ThreadRoot } from "../../../../src/linux/index.ts";

const HERE = { enter: () => {}, close: () => {} } as unknown as ThreadRoot;
const OWN = { uid: process.getuid!(), gid: process.getgid!() };
let folder: string;
const from = (...names: string[]) => join(folder, "from", ...names);
const to = (...names: string[]) => join(folder, "to", ...names);
/** Patterns as they are relative to the root. */
const inSource = (patterns: string[]) =>
  new IgnorePatterns(
    patterns.map((pattern) =>
      pattern.startsWith("!") ? `!${from(pattern.slice(1)).slice(1)}` : from(pattern).slice(1),
    ),
  );
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-copy-"));
  mkdirSync(from("src/deep"), { recursive: true });
  mkdirSync(to());
  for (const [name, content] of Object.entries({
    "a.txt": "a",
    "b.txt": "b",
    "c.md": "c",
    "src/one": "1",
    "src/deep/two": "2",
  }))
    writeFileSync(from(name), content, { mode: 0o640 });
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Asked extends Partial<CopyOptions> {
  ignore?: string[];
  excludes?: string[];
}
function copy(
  sources: string[],
  target: string,
  { ignore = [], excludes = [], ...options }: Asked = {},
): void {
  const [ignored, excluded] = [inSource(ignore), new IgnorePatterns(excludes)];
  const matches = matchSources(
    sources.map((source) => from(source)),
    ignored,
    excluded,
  );
  const whole: CopyOptions = {
    target: to(target) + (target.endsWith("/") || target === "" ? "/" : ""),
    owner: OWN,
    mode: undefined,
    parents: false,
    unpack: false,
    newest: undefined,
    ...options,
  };
  copyMatches({ source: HERE, target: HERE, options: whole, isImage: false }, matches, ignored, excluded);
}
/** All files below the target, with their content. */
function tree(at = to()): Record<string, string> {
  return Object.fromEntries(
    readdirSync(at, { recursive: true, encoding: "utf8" })
      .filter((name) => lstatSync(join(at, name)).isFile())
      .map((name) => [name, readFileSync(join(at, name), "utf8")]),
  );
}
const code = (name: string, message?: string) =>
  expect.objectContaining({ code: name, ...(message ? { message: expect.stringContaining(message) } : {}) });

describe("COPY", () => {
  it("copies a file under the target's name, or into a directory", () => {
    copy(["a.txt"], "renamed");
    copy(["a.txt", "b.txt"], "dir/");
    copy(["c.md"], "dir");
    expect(tree()).toEqual({ renamed: "a", "dir/a.txt": "a", "dir/b.txt": "b", "dir/c.md": "c" });
    expect(statSync(to("renamed")).mode & 0o777).toBe(0o640);
  });

  it("copies the contents of a directory, not the directory itself", () => {
    copy(["src"], "app");
    expect(tree()).toEqual({ "app/one": "1", "app/deep/two": "2" });
  });

  it("expands wildcards in the order of names, and copies nothing without a match", () => {
    copy(["*.txt"], "all/");
    copy(["s?c/*"], "some/");
    copy(["*.none"], "nothing/");
    expect(tree()).toEqual({ "all/a.txt": "a", "all/b.txt": "b", "some/one": "1", "some/two": "2" });
    expect(existsSync(to("nothing"))).toBe(false);
  });

  it("leaves out what is ignored, except what a later pattern takes back", () => {
    copy([""], "one", { ignore: ["*.txt", "src", "!src/deep"] });
    expect(tree(to("one"))).toEqual({ "c.md": "c", "src/deep/two": "2" });
    copy(["src"], "two", { excludes: ["deep"] });
    expect(tree(to("two"))).toEqual({ one: "1" });
    expect(() => copy(["a.txt"], "x", { ignore: ["a.txt"] })).toThrow(
      code("NOT_FOUND", "is excluded by the ignore file"),
    );
    expect(() => copy(["absent"], "x")).toThrow(code("NOT_FOUND", "does not exist"));
    symlinkSync("nowhere", from("broken"));
    expect(() => copy(["broken"], "x")).toThrow(
      code("NOT_FOUND", "is a symbolic link to a file that does not exist"),
    );
    expect(() => copy(["[a"], "x")).toThrow(code("BAD_DOCKERFILE"));
  });

  it("keeps links in directories, and follows a link that is named", () => {
    symlinkSync("one", from("src/link"));
    linkSync(from("src/one"), from("src/same"));
    symlinkSync("src", from("alias"));
    copy(["alias"], "app");
    expect(readlinkSync(to("app/link"))).toBe("one");
    expect(statSync(to("app/same")).ino).toBe(statSync(to("app/one")).ino);
  });

  it("keeps parent directories with --parents, after the pivot", () => {
    copy(["src/deep/two"], "whole", { parents: true });
    expect(Object.keys(tree(to("whole")))).toEqual([from("src/deep/two").slice(1)]);
    const matches = matchSources(
      [`${from("src")}/./deep/two`],
      new IgnorePatterns([]),
      new IgnorePatterns([]),
    );
    const options = {
      target: `${to("part")}/`,
      owner: OWN,
      mode: undefined,
      parents: true,
      unpack: false,
      newest: undefined,
    };
    copyMatches(
      { source: HERE, target: HERE, options, isImage: false },
      matches,
      new IgnorePatterns([]),
      new IgnorePatterns([]),
    );
    expect(tree(to("part"))).toEqual({ "deep/two": "2" });
  });

  it("sets the mode, and limits times", () => {
    utimesSync(from("a.txt"), 2_000_000, 2_000_000);
    utimesSync(from("b.txt"), 500, 500);
    copy(["*.txt"], "x/", { mode: "u=rwx,go=r", newest: 1_000 });
    expect(statSync(to("x/a.txt")).mode & 0o777).toBe(0o744);
    expect([statSync(to("x/a.txt")).mtimeMs, statSync(to("x/b.txt")).mtimeMs]).toEqual([1_000_000, 500_000]);
  });

  it("replaces a file or a link, and no directory", () => {
    mkdirSync(to("dir/a.txt"), { recursive: true });
    writeFileSync(to("outside"), "untouched");
    symlinkSync(to("outside"), to("b.txt"));
    expect(() => copy(["a.txt"], "dir/")).toThrow(code("BAD_TARGET", "cannot be replaced by a file"));
    copy(["b.txt"], "");
    expect([readFileSync(to("outside"), "utf8"), readFileSync(to("b.txt"), "utf8")]).toEqual([
      "untouched",
      "b",
    ]);
    writeFileSync(to("file"), "");
    expect(() => copy(["src"], "file")).toThrow(code("BAD_TARGET", "exists and is not a directory"));
    expect(() => copy(["a.txt"], "file/x/y")).toThrow(code("BAD_TARGET", "not a directory"));
  });

  it("makes FIFOs, and no sockets", () => {
    execFileSync("mkfifo", [from("src/pipe")]);
    copy(["src"], "app");
    expect(lstatSync(to("app/pipe")).isFIFO()).toBe(true);
  });
});

describe("directories of a target", () => {
  it("follow links, also to what does not exist yet", () => {
    symlinkSync("real", to("link"));
    expect(resolveIn(to("link/sub"))).toBe(to("real/sub"));
    expect(makeDirectories(to("link/sub"), { owner: OWN, newest: 7 })).toBe(to("real/sub"));
    expect(statSync(to("real/sub")).mode & 0o777).toBe(0o755);
    expect(statSync(to("real/sub")).mtimeMs).toBe(7000);
    symlinkSync("loop2", to("loop1"));
    symlinkSync("loop1", to("loop2"));
    expect(() => resolveIn(to("loop1/x"))).toThrow();
    writeFileSync(to("file"), "");
    expect(() => makeDirectories(to("file"), { owner: OWN, newest: undefined })).toThrow(code("BAD_TARGET"));
  });
});

describe("files with given content", () => {
  it("are written under the target's name, or into a directory", () => {
    const options = {
      target: to("one"),
      owner: OWN,
      mode: undefined,
      parents: false,
      unpack: false,
      newest: 9,
    };
    writeGiven([{ name: "EOF", content: "text" }], options);
    writeGiven(
      [
        { name: "a", content: "1" },
        { name: "b", content: "2" },
      ],
      { ...options, target: to("many"), mode: "600" },
    );
    expect(tree()).toEqual({ one: "text", "many/a": "1", "many/b": "2" });
    expect([statSync(to("one")).mode & 0o777, statSync(to("many/a")).mode & 0o777]).toEqual([0o644, 0o600]);
    expect(statSync(to("one")).mtimeMs).toBe(9000);
  });
});

describe("archives", () => {
  it("are recognised by their content", () => {
    execFileSync("tar", ["-c", "-f", from("plain"), "-C", from("src"), "one"]);
    execFileSync("tar", ["-c", "-z", "-f", from("packed"), "-C", from("src"), "one"]);
    execFileSync("sh", ["-c", `gzip -c ${from("a.txt")} > ${from("text.tar.gz")}`]);
    expect(["plain", "packed", "text.tar.gz", "a.txt"].map((name) => isArchive(from(name)))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe("the digest of a build's files", () => {
  const digest = (
    sources: string[],
    { ignore = [], withOwners = false }: { ignore?: string[]; withOwners?: boolean } = {},
    cache?: string,
  ) => {
    const [ignored, excluded] = [inSource(ignore), new IgnorePatterns([])];
    const digests = new DigestCache(cache);
    const result = digestOf(
      matchSources(
        sources.map((source) => from(source)),
        ignored,
        excluded,
      ),
      ignored,
      excluded,
      withOwners,
      digests,
    );
    digests.save();
    return result;
  };

  it("changes with names, content, modes and links, and with nothing else", () => {
    const before = digest(["src"]);
    utimesSync(from("src/one"), 1, 1);
    writeFileSync(from("a.txt"), "changed");
    expect(digest(["src"])).toBe(before);
    const seen = new Set([before]);
    writeFileSync(from("src/one"), "2");
    seen.add(digest(["src"]));
    symlinkSync("one", from("src/link"));
    seen.add(digest(["src"]));
    rmSync(from("src/link"));
    symlinkSync("two", from("src/link"));
    seen.add(digest(["src"]));
    execFileSync("chmod", ["600", from("src/one")]);
    seen.add(digest(["src"]));
    expect(seen.size).toBe(5);
    expect(digest(["src"], { withOwners: true })).not.toBe(digest(["src"]));
  });

  it("does not depend on ignored files", () => {
    const before = digest([""], { ignore: ["src/deep"] });
    writeFileSync(from("src/deep/more"), "x");
    expect(digest([""], { ignore: ["src/deep"] })).toBe(before);
    expect(digest([""])).not.toBe(before);
  });

  it("is the same with recorded digests, and notices a changed file", () => {
    const cache = join(folder, "digests.json");
    const before = digest(["src"]);
    expect([digest(["src"], {}, cache), digest(["src"], {}, cache)]).toEqual([before, before]);
    writeFileSync(from("src/one"), "9");
    expect(digest(["src"], {}, cache)).not.toBe(before);
    writeFileSync(cache, "damaged");
    expect(digest(["src"], {}, cache)).toBe(digest(["src"]));
  });
});
