/** The tree of the host: after any changes and looks at the changed paths, it equals a tree that is read afresh. */
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { HostTree } from "../../../src/watch/host-tree.ts";
import type { Rule } from "../../../src/watch/rule.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-tree-"));
const root = join(folder, "root");
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root);
});

const ruleAt = (path: string, ignored: (path: string) => boolean = () => false): Rule => ({
  service: "web",
  index: 0,
  action: "sync",
  root: path,
  target: "/app",
  initialSync: false,
  exec: undefined,
  counts: (name) => !ignored(name),
  prunes: ignored,
  bound: [],
});
const shown = (tree: HostTree) =>
  [...tree.entries]
    .map(([path, { kind, mode, size, link }]) => `${path} ${kind} ${mode} ${size && kind} ${link}`)
    .sort();
const put = (path: string, text = "x") => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};

describe("the tree of the host", () => {
  it("finds everything at the first look, and nothing at the second", () => {
    put("a/b/c");
    put("d");
    symlinkSync("d", join(root, "e"));
    const tree = new HostTree(ruleAt(root));
    expect([...tree.lookAtAll().changed].sort()).toEqual(["", "a", "a/b", "a/b/c", "d", "e"]);
    expect(tree.directories().sort()).toEqual(["", "a", "a/b"]);
    expect([...tree.lookAtAll().changed]).toEqual([]);
  });

  it("does not read ignored directories", () => {
    put("node_modules/a/b");
    put("a");
    const tree = new HostTree(ruleAt(root, (path) => path.startsWith("node_modules")));
    tree.lookAtAll();
    expect([...tree.entries.keys()].sort()).toEqual(["", "a"]);
    expect(tree.directories()).toEqual([""]);
  });

  it("is one file if the root is one", () => {
    put("one");
    const tree = new HostTree(ruleAt(join(root, "one")));
    expect([...tree.lookAtAll().changed]).toEqual([""]);
    put("one", "other");
    expect([...tree.lookAt("").changed]).toEqual([""]);
    rmSync(join(root, "one"));
    expect([...tree.lookAt("").changed]).toEqual([""]);
    expect(tree.entries.size).toBe(0);
  });

  it("sees all names of a file that was changed by one of them", () => {
    put("a/one");
    put("other");
    mkdirSync(join(root, "b"));
    linkSync(join(root, "a/one"), join(root, "b/two"));
    const tree = new HostTree(ruleAt(root));
    tree.lookAtAll();
    put("b/two", "changed");
    const found = tree.lookAt("b/two");
    expect([...found.changed]).toEqual(["b/two"]);
    const inode = statSync(join(root, "a/one")).ino;
    expect([...found.linked]).toEqual([inode]);
    expect([...tree.lookAtLinks(found.linked).changed]).toEqual(["a/one"]);
    put("other", "changed");
    expect([...tree.lookAt("other").linked]).toEqual([]);
  });

  it("sees a file that became a directory, and the other way", () => {
    put("a");
    const tree = new HostTree(ruleAt(root));
    tree.lookAtAll();
    rmSync(join(root, "a"));
    put("a/b");
    const found = tree.lookAt("a");
    expect([...found.changed].sort()).toEqual(["a", "a/b"]);
    expect([...found.directories]).toEqual(["a"]);
    rmSync(join(root, "a"), { recursive: true });
    put("a");
    expect([...tree.lookAt("a").changed].sort()).toEqual(["a", "a/b"]);
    expect(tree.entries.get("a")?.kind).toBe("file");
  });

  it("sees a directory that was replaced by another one of the same name", () => {
    put("a/old");
    const tree = new HostTree(ruleAt(root));
    tree.lookAtAll();
    put("b/new");
    renameSync(join(root, "a"), join(root, "c"));
    renameSync(join(root, "b"), join(root, "a"));
    const found = tree.lookAt("a");
    expect(found.directories.has("a")).toBe(true);
    expect([...found.changed].filter((path) => path.startsWith("a/")).sort()).toEqual(["a/new", "a/old"]);
  });

  it("equals the files after any changes, each looked at once", () => {
    const name = fc.constantFrom("a", "b", "a/a", "a/b", "b/a", "a/b/c");
    const change = fc.record({
      kind: fc.constantFrom("write", "remove", "mkdir", "link", "mode", "move"),
      path: name,
      other: name,
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
        rmSync(root, { recursive: true, force: true });
        mkdirSync(root);
        const tree = new HostTree(ruleAt(root));
        tree.lookAtAll();
        for (const { kind, path, other } of changes) {
          const reported = apply(kind, join(root, path), join(root, other)) ? [path, other] : [];
          // the kernel reports the names in each directory, so parents that appeared are reported before
          for (const each of reported)
            for (const part of each.split("/").map((_, index, all) => all.slice(0, index + 1).join("/")))
              tree.lookAt(part);
        }
        const fresh = new HostTree(ruleAt(root));
        fresh.lookAtAll();
        expect(shown(tree)).toEqual(shown(fresh));
      }),
    );
  });
});

function apply(kind: string, path: string, other: string): boolean {
  try {
    if (kind === "remove") rmSync(path, { recursive: true, force: true });
    else if (kind === "write") {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, path);
    } else if (kind === "mkdir") mkdirSync(path, { recursive: true });
    else if (kind === "link") symlinkSync("none/x", path);
    else if (kind === "mode") chmodSync(path, 0o700);
    else if (existsSync(dirname(other))) renameSync(path, other);
    return true;
  } catch {
    return true; // part of it may have happened
  }
}
