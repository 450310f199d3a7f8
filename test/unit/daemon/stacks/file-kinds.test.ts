/** Questions about paths of the host: a file system that does not respond delays an answer once, and stops nothing. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type FileKind, FileKinds } from "../../../../src/daemon/stacks/file-kinds.ts";

/** A host on which paths under /dead do not respond until `revive` is called. */
function host(limit: number) {
  const asked: string[] = [];
  const dead: (() => void)[] = [];
  const ask = (path: string): Promise<FileKind> => {
    asked.push(path);
    if (!path.startsWith("/dead")) return Promise.resolve("directory");
    return new Promise((resolve) => dead.push(() => resolve("other")));
  };
  const revive = () => {
    for (const answer of dead.splice(0)) answer();
  };
  return { kinds: new FileKinds(ask, limit), asked, revive };
}

describe("the kind of a path", () => {
  it("is that of the file system", async () => {
    const folder = mkdtempSync(join(tmpdir(), "kinds-"));
    writeFileSync(join(folder, "file"), "");
    symlinkSync(folder, join(folder, "link"));
    symlinkSync("nowhere", join(folder, "broken"));
    const kinds = new FileKinds();
    const names = ["", "file", "link", "broken", "none", "file/below"];
    expect(await Promise.all(names.map((name) => kinds.kindOf(join(folder, name))))).toEqual([
      "directory",
      "other",
      "directory",
      "none",
      "none",
      "none",
    ]);
    rmSync(folder, { recursive: true });
  });

  it("is silent without an answer, and the path is asked about once until it responds", async () => {
    const { kinds, asked, revive } = host(20);
    const both = [kinds.kindOf("/dead/a"), kinds.kindOf("/dead/a")];
    expect(await Promise.all(both)).toEqual(["silent", "silent"]);
    expect(await kinds.kindOf("/dead/a")).toBe("silent");
    expect(await kinds.kindOf("/b")).toBe("directory");
    expect(asked).toEqual(["/dead/a", "/b"]);
    revive();
    await new Promise(setImmediate);
    const again = kinds.kindOf("/dead/a");
    revive();
    expect(await again).toBe("other");
    expect(asked).toEqual(["/dead/a", "/b", "/dead/a"]);
  });

  it("is unknown while two others do not respond, and no third question is put", async () => {
    const { kinds, asked, revive } = host(20);
    const paths = ["/dead/a", "/dead/b", "/dead/c", "/d"];
    expect(await Promise.all(paths.map((path) => kinds.kindOf(path)))).toEqual([
      "silent",
      "silent",
      "unknown",
      "unknown",
    ]);
    expect(await kinds.kindOf("/e")).toBe("unknown");
    expect(asked).toEqual(["/dead/a", "/dead/b"]);
    revive();
    await new Promise(setImmediate);
    expect(await kinds.kindOf("/e")).toBe("directory");
    expect(asked).toEqual(["/dead/a", "/dead/b", "/e"]);
  });

  it("is found for many paths, two at a time", async () => {
    let running = 0;
    let most = 0;
    const kinds = new FileKinds(async () => {
      most = Math.max(most, ++running);
      await new Promise(setImmediate);
      running -= 1;
      return "other";
    }, 60_000);
    const paths = Array.from({ length: 50 }, (_, index) => `/p${index}`);
    expect(new Set(await Promise.all(paths.map((path) => kinds.kindOf(path))))).toEqual(new Set(["other"]));
    expect(most).toBe(2);
  });
});
