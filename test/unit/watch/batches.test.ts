/** Batches of changed files: their order, what they contain, and files that are too large for one. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { readBatch } from "../../../src/daemon/watch/batch-format.ts";
import { batchesOf, inOrder } from "../../../src/watch/batches.ts";
import { HostTree } from "../../../src/watch/host-tree.ts";
import type { Rule } from "../../../src/watch/rule.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-batches-"));
const root = join(folder, "root");
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, "css"), { recursive: true });
});

const rule: Rule = {
  service: "web",
  index: 0,
  action: "sync",
  root,
  target: "/app",
  initialSync: false,
  exec: undefined,
  bound: [],
  counts: () => true,
  prunes: () => false,
};
function treeOf(): HostTree {
  const tree = new HostTree(rule);
  tree.lookAtAll();
  return tree;
}
const operationsOf = (body: Buffer) => readBatch(body).operations;

describe("a batch", () => {
  it("removes the deepest paths first, and creates directories before what is in them", async () => {
    writeFileSync(join(root, "css", "a.css"), "a");
    const tree = treeOf();
    expect(inOrder(["css/a.css", "gone/deep/b", "css", "gone"], tree)).toEqual([
      "gone/deep/b",
      "gone",
      "css",
      "css/a.css",
    ]);
  });

  it("has files with their modes and contents, links and removals", async () => {
    writeFileSync(join(root, "run.sh"), "#!/bin/sh\n");
    chmodSync(join(root, "run.sh"), 0o750);
    symlinkSync("run.sh", join(root, "latest"));
    const [batch, ...more] = [...batchesOf(treeOf(), ["css", "latest", "run.sh", "gone"])];
    expect(more).toEqual([]);
    expect(batch).toMatchObject({ removed: 1, directories: 1, unread: [] });
    expect([...batch!.paths].sort()).toEqual(["css", "gone", "latest", "run.sh"]);
    expect(operationsOf(batch!.body)).toEqual([
      { op: "remove", path: "/app/gone", root: "/app" },
      expect.objectContaining({ op: "directory", path: "/app/css" }),
      { op: "link", path: "/app/latest", to: "run.sh" },
      { op: "file", path: "/app/run.sh", mode: 0o750, size: 10 },
    ]);
    expect(readBatch(batch!.body).bytes.toString()).toBe("#!/bin/sh\n");
  });

  it("has at most 1,000 operations, and all paths are in one of them", async () => {
    for (let index = 0; index < 1200; index++) writeFileSync(join(root, `f${index}`), "");
    const tree = treeOf();
    const names = Array.from({ length: 1200 }, (_, index) => `f${index}`);
    const batches = [...batchesOf(tree, names)];
    expect(batches.map(({ paths }) => paths.length)).toEqual([1000, 200]);
    expect(batches.flatMap(({ paths }) => paths).sort()).toEqual(names.sort());
  });

  it("has a part of a file that is larger than 8 MiB, which the last batch completes", async () => {
    const content = Buffer.alloc((8 << 20) + 5, "x");
    writeFileSync(join(root, "large"), content);
    const batches = [...batchesOf(treeOf(), ["large"])];
    const all = batches.flatMap(({ body }) => operationsOf(body));
    expect(all.map(({ op }) => op)).toEqual(["part", "part", "finish"]);
    expect(batches.at(-1)!.paths).toEqual(["large"]);
    expect(batches.reduce((sum, { body }) => sum + readBatch(body).bytes.length, 0)).toBe(content.length);
  });

  it("leaves out a file that was removed after it was seen", async () => {
    writeFileSync(join(root, "brief"), "x");
    const tree = treeOf();
    rmSync(join(root, "brief"));
    const [batch] = [...batchesOf(tree, ["brief"])];
    expect(batch).toMatchObject({ paths: ["brief"], unread: [] });
    expect(operationsOf(batch!.body)).toEqual([]);
  });
});
