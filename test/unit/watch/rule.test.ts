/** Which files a rule of develop.watch counts: Compose's rules as tables, and properties of the pruning. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import type { Service, WatchRule } from "../../../src/stack/index.ts";
import { belowRoot } from "../../../src/watch/below-root.ts";
import { isEditorFile } from "../../../src/watch/editor-files.ts";
import { isCopied, mayReachBelow, pathInContainer, rulesOf } from "../../../src/watch/rule.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-watch-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ruleWith = (rule: Partial<WatchRule>, build?: object, mounts: object[] = []) =>
  rulesOf({
    name: "web",
    mounts,
    ...(build ? { build } : {}),
    watch: [
      {
        path: folder,
        action: "sync",
        target: "/app",
        ignore: [],
        include: [],
        initialSync: false,
        exec: undefined,
        ...rule,
      },
    ],
  } as unknown as Service)[0]!;

describe("a rule of develop.watch", () => {
  const table: [title: string, rule: Partial<WatchRule>, counted: string[], left: string[]][] = [
    ["counts everything without patterns", {}, ["a", "a/b.js", ".env", "", "Dockerfile"], []],
    [
      "leaves out a directory with what is below",
      { ignore: ["node_modules/"] },
      ["src/a"],
      ["node_modules", "node_modules/a/b"],
    ],
    ["matches patterns from the path, not at any depth", { ignore: ["tmp"] }, ["src/tmp"], ["tmp", "tmp/a"]],
    ["matches ** at any depth", { ignore: ["**/*.log"] }, ["a.logs"], ["a.log", "x/y/a.log"]],
    ["includes again what ! names", { ignore: ["out", "!out/keep"] }, ["out/keep"], ["out/x"]],
    ["lets the last pattern win", { ignore: ["!out/keep", "out"] }, [], ["out/keep"]],
    ["accepts ./ before a pattern", { ignore: ["./ignored"] }, ["x"], ["ignored/x"]],
    ["counts only included files", { include: ["**/*.js"] }, ["a.js", "x/a.js", ""], ["a.ts", "x"]],
    ["counts everything below an included directory", { include: ["src"] }, ["src/a", "src"], ["lib/a"]],
    ["lets ignore win over include", { include: ["**/*.js"], ignore: ["x"] }, ["a.js"], ["x/a.js"]],
    ["reads character classes", { ignore: ["[ab].txt"] }, ["c.txt"], ["a.txt", "b.txt"]],
  ];
  for (const [title, rule, counted, left] of table)
    it(title, () => {
      const { counts } = ruleWith(rule);
      expect(counted.filter((path) => !counts(path))).toEqual([]);
      expect(left.filter((path) => counts(path))).toEqual([]);
    });

  it("leaves out what the .dockerignore of the build leaves out, and never copies the Dockerfile", () => {
    mkdirSync(join(folder, "app"), { recursive: true });
    writeFileSync(join(folder, ".dockerignore"), "# a comment\n*.md\napp/cache\n");
    const build = { context: folder, dockerfile: "Dockerfile" };
    const inside = ruleWith({ path: join(folder, "app") }, build);
    expect(inside.counts("cache/x")).toBe(false);
    expect(inside.counts("a.md")).toBe(true); // *.md matches in the build's context only
    const whole = ruleWith({}, build);
    expect(["README.md", "Dockerfile", ".dockerignore", "app/cache/x"].filter(whole.counts)).toEqual([]);
    expect(ruleWith({ action: "rebuild", target: undefined }, build).counts("Dockerfile")).toBe(true);
    rmSync(join(folder, ".dockerignore"));
  });

  it("prefers the ignore file of its Dockerfile", () => {
    writeFileSync(join(folder, ".dockerignore"), "a\n");
    writeFileSync(join(folder, "dev.Dockerfile.dockerignore"), "b\n");
    const { counts } = ruleWith({}, { context: folder, dockerfile: "dev.Dockerfile" });
    expect([counts("a"), counts("b")]).toEqual([true, false]);
    rmSync(join(folder, ".dockerignore"));
  });

  it("places files below its target", () => {
    expect(pathInContainer(ruleWith({}), "a/b")).toBe("/app/a/b");
    expect(pathInContainer(ruleWith({ target: "/app/a.js" }), "")).toBe("/app/a.js");
  });

  it("rejects rebuild without a build, and patterns that are not valid", () => {
    expect(() => ruleWith({ action: "rebuild", target: undefined })).toThrow(/needs a build/);
    for (const target of ["/proc", "/sys/x", "/dev/shm"])
      expect(() => ruleWith({ target }), target).toThrow(/is on a file system of the kernel/);
    expect(() => ruleWith({ ignore: ["a[b"] })).toThrow(/services\.web\.develop\.watch\.0\.ignore/);
    expect(() => ruleWith({ ignore: ["a[b"], where: "bay.yaml:4:7: services.web.develop.watch.0" })).toThrow(
      /^bay\.yaml:4:7: services\.web\.develop\.watch\.0\.ignore: /,
    );
  });

  it("does not read a directory of which nothing counts", () => {
    expect(ruleWith({ ignore: ["node_modules"] }).prunes("node_modules")).toBe(true);
    expect(ruleWith({ ignore: ["node_modules", "!node_modules/own"] }).prunes("node_modules")).toBe(false);
    expect(ruleWith({ ignore: ["node_modules", "!src/x"] }).prunes("node_modules")).toBe(true);
    expect(ruleWith({}).prunes(".git")).toBe(true);
  });

  it("never prunes a directory below which a file counts", () => {
    const name = fc.constantFrom("a", "b", "c", "ab");
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
    const part = fc.constantFrom("a", "b", "*", "a*", "**", "?");
    const pattern = fc
      .tuple(fc.boolean(), fc.array(part, { minLength: 1, maxLength: 3 }))
      .map(([isNegative, parts]) => (isNegative ? "!" : "") + parts.join("/"));
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 4 }), path, path, (ignore, directory, rest) => {
        const rule = ruleWith({ ignore });
        if (rule.counts(`${directory}/${rest}`)) expect(rule.prunes(directory)).toBe(false);
      }),
    );
  });
});

describe("a watched path that a bind mount has in the container already", () => {
  const bind = (source: string, target: string) => ({ type: "bind", source: join(folder, source), target });
  const table: [title: string, target: string, mounts: object[], bound: string[]][] = [
    ["nothing is bound", "/app", [bind("../other", "/app"), bind("x", "/data")], []],
    ["the whole path", "/app", [bind(".", "/app")], [""]],
    ["the whole path, by a mount above", "/srv/app", [{ ...bind(".", "/srv"), source: dirname(folder) }], []],
    ["a part of it", "/app", [bind("src", "/app/src")], ["src"]],
    ["two parts of it", "/app", [bind("src", "/app/src"), bind("a/b", "/app/a/b")], ["src", "a/b"]],
    ["the deepest mount counts", "/app/src", [bind(".", "/app"), bind("../other", "/app/src")], []],
    ["a volume does not count", "/app", [{ type: "volume", source: "data", target: "/app" }], []],
    ["a directory of the same prefix", "/app", [bind("src", "/app/srcs")], []],
  ];
  it.each(table)("%s", (_title, target, mounts, bound) => {
    const rule = ruleWith({ target }, undefined, mounts);
    expect(rule.bound).toEqual(bound);
    for (const part of bound) expect(isCopied(rule, part === "" ? "x" : `${part}/x`)).toBe(false);
    expect(isCopied(rule, "other/x")).toBe(!bound.includes(""));
  });

  it("is refused if the copies would be copied again without end", () => {
    mkdirSync(join(folder, "out"), { recursive: true });
    expect(() => ruleWith({ target: "/out" }, undefined, [bind("out", "/out")])).toThrow(
      /target \/out is the watched directory .*out of the host, by a bind mount/,
    );
    expect(() => ruleWith({ target: "/app" }, undefined, [bind("out/deep", "/app/out")])).toThrow(
      /by a bind mount/,
    );
    expect(ruleWith({ target: "/out", ignore: ["out"] }, undefined, [bind("out", "/out")]).bound).toEqual([]);
  });
});

describe("editors' files", () => {
  const left = [
    ".git",
    ".git/HEAD",
    "a/.git/x",
    "a___jb_tmp___",
    "x/a___jb_old___",
    ".idea/x.xml",
    ".#a",
    "#a#",
    "4913",
    "a~",
    "x/a.js~",
  ];
  const more = [".a.swp", "x/.a.js.swo", ".a.swx", ".a.svz", ".a.kate-swp", "1-go-tmp-umask"];
  for (const path of [...left, ...more]) it(`include ${path}`, () => expect(isEditorFile(path)).toBe(true));
  for (const path of ["a.swp.js", ".gitignore", ".github/x", "49131", "a~b", "idea/x", "a#", "swp"])
    it(`do not include ${path}`, () => expect(isEditorFile(path)).toBe(false));
});

describe("paths", () => {
  it("are below a root, or outside", () => {
    expect(belowRoot("/a", "/a")).toBe("");
    expect(belowRoot("/a", "/a/b/c")).toBe("b/c");
    expect(belowRoot("/a", "/ab")).toBeUndefined();
    expect(belowRoot("/a", "/a/..b")).toBe("..b");
  });
  it("may be reached by patterns", () => {
    expect(mayReachBelow(["a/b"], "a")).toBe(true);
    expect(mayReachBelow(["a"], "a/b")).toBe(true);
    expect(mayReachBelow(["b"], "a")).toBe(false);
    expect(mayReachBelow(["**/x"], "a")).toBe(true);
  });
});
