/** The paths that a watch has synchronised: what was noted is there again after a restart, and after a write that was cut off. */
import { mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { SyncedPaths } from "../../../../src/container/files/synced-paths.ts";
import type { SyncOperation } from "../../../../src/image/index.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-synced-"));
const file = join(folder, "synced");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const rules = [
  { source: "/src", target: "/app" },
  { source: "/lib", target: "/app" },
  { source: "/src", target: "/app/lib" },
];
const put = (path: string): SyncOperation => ({ op: "file", path, mode: 0o644, size: 0 });
const remove = (path: string): SyncOperation => ({ op: "remove", path, root: "/app" });

describe("the synchronised paths", () => {
  it("are those of a set for each rule, also after they are read again", () => {
    const step = fc.record({
      rule: fc.constantFrom(...rules),
      isRemoved: fc.boolean(),
      isFailed: fc.boolean(),
      isReadAgain: fc.boolean(),
      path: fc.constantFrom("/app/a", "/app/b", "/app/line\nbreak", "/app/lib/c"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        rmSync(file, { force: true });
        let synced = new SyncedPaths(file);
        const model = new Map(rules.map((rule) => [rule, new Set<string>()]));
        for (const { rule, isRemoved, isFailed, isReadAgain, path } of steps) {
          const operations = [isRemoved ? remove(path) : put(path)];
          synced.before(rule, operations);
          synced.after(rule, operations, isFailed ? [{ path }] : []);
          if (!isRemoved) model.get(rule)!.add(path);
          else if (!isFailed) model.get(rule)!.delete(path);
          if (isReadAgain) synced = new SyncedPaths(file);
        }
        for (const rule of rules) expect(new Set(synced.list(rule))).toEqual(model.get(rule));
      }),
    );
  });

  it("lose nothing but the last line when its write was cut off", () => {
    rmSync(file, { force: true });
    const [rule] = rules as [(typeof rules)[0]];
    new SyncedPaths(file).before(rule, [put("/app/first")]);
    new SyncedPaths(file).before(rule, [put("/app/second")]);
    truncateSync(file, readFileSync(file).length - 5);
    new SyncedPaths(file).before(rule, [put("/app/third")]);
    expect(new SyncedPaths(file).list(rule)).toEqual(["/app/first", "/app/third"]);
  });

  it("need little room after many changes", () => {
    rmSync(file, { force: true });
    const [rule] = rules as [(typeof rules)[0]];
    const synced = new SyncedPaths(file);
    for (let step = 0; step < 2_000; step++) {
      synced.before(rule, [put("/app/a")]);
      synced.after(rule, [remove("/app/a")], []);
    }
    synced.before(rule, [put("/app/b")]);
    expect(new SyncedPaths(file).list(rule)).toEqual(["/app/b"]);
    expect(readFileSync(file, "utf8").split("\n").length).toBe(1);
  });

  it("are without the rule's own target, and parts of files that are not complete", () => {
    rmSync(file, { force: true });
    const [rule] = rules as [(typeof rules)[0]];
    const synced = new SyncedPaths(file);
    synced.before(rule, [
      { op: "directory", path: "/app", mode: 0o755, isRoot: true },
      { op: "part", path: "/app/large", size: 1, offset: 0, token: "0123456789ab" },
    ]);
    expect(synced.list(rule)).toEqual([]);
  });
});
