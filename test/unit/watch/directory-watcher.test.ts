/** The watcher of directories: it reports each change, and reads no directory for that. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { DirectoryWatcher } from "../../../src/watch/directory-watcher.ts";
import { eventually } from "../../support/bay.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-directory-watcher-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("reports changes of a directory without reading it", async () => {
  for (const name of ["a", "b"]) writeFileSync(join(folder, name), "text");
  mkdirSync(join(folder, "below"));
  const watcher = new DirectoryWatcher({ persistent: false, depth: 0, ignoreInitial: true });
  const seen = new Set<string>();
  watcher.on("raw", (_event, name) => seen.add(String(name)));
  await new Promise<void>((resolve) => {
    watcher.on("ready", resolve);
    watcher.add(folder);
  });
  writeFileSync(join(folder, "a"), "changed");
  writeFileSync(join(folder, "c"), "new");
  renameSync(join(folder, "b"), join(folder, "d"));
  rmSync(join(folder, "below"), { recursive: true });
  await eventually(() => expect([...seen].sort()).toEqual(["a", "b", "below", "c", "d"]));
  seen.clear();
  writeFileSync(join(folder, "a"), "again");
  await eventually(() => expect([...seen]).toEqual(["a"]));
  expect(watcher.getWatched()[folder]).toEqual([]);
  await watcher.close();
});
