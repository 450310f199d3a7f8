/** What images of Debian packages share: listed, bounded, and swept after a crash. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AptCache } from "../../../../src/image/sources/apt/apt-cache.ts";

const base = (key: string) => `base-${key.repeat(16)}-${"0".repeat(64)}.tar`;

describe("the cache of Debian packages", () => {
  let root: string;
  let cache: AptCache;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "bay-apt-"));
    cache = new AptCache(root);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** A file that was used some seconds after 1970. */
  function file(name: string, size: number, usedAt: number): void {
    const path = join(cache.directory, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, Buffer.alloc(size));
    utimesSync(path, usedAt, usedAt);
  }

  it("is empty if no image was created", async () => {
    expect(await cache.list()).toEqual([]);
    await cache.trim();
    cache.sweep();
    expect(existsSync(cache.directory)).toBe(false);
  });

  it("lists each base, and the packages together", async () => {
    file(base("a"), 10, 1000);
    file("packages/a_1_all.deb", 3, 2000);
    file("packages/b_1_all.deb", 4, 3000);
    file("something", 5, 4000);
    const list = await cache.list();
    expect(list.map(({ name, size, usedAt }) => [name, size, usedAt]).sort()).toEqual([
      [base("a"), 10, "1970-01-01T00:16:40.000Z"],
      ["packages", 7, "1970-01-01T00:50:00.000Z"],
    ]);
    for (const entry of list) cache.remove(entry);
    expect(readdirSync(cache.directory)).toEqual(["something"]);
  });

  it("removes the least recently used entries beyond its bound", async () => {
    file(base("a"), 10, 1000);
    file(base("b"), 10, 4000);
    file("packages/a_1_all.deb", 5, 2000);
    file("packages/b_1_all.deb", 5, 3000);
    await cache.trim(20);
    expect((await cache.list()).map(({ name, size }) => [name, size]).sort()).toEqual([
      [base("b"), 10],
      ["packages", 10],
    ]);
    await cache.trim(16);
    expect(readdirSync(join(cache.directory, "packages"))).toEqual(["b_1_all.deb"]);
  });

  it("removes what a killed bayd left unfinished", async () => {
    file(".new-1/root.tar", 10, 1000);
    file(base("a"), 10, 1000);
    cache.sweep();
    expect(readdirSync(cache.directory)).toEqual([base("a")]);
  });
});
