import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ImageStore, staleReason } from "../../../../src/image/index.ts";
import { JournalStore } from "../../../../src/store/index.ts";

describe("an image that bay created", () => {
  let folder: string;
  let store: JournalStore;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "bay-stale-"));
    mkdirSync(join(folder, "one"));
    mkdirSync(join(folder, "two"));
    writeFileSync(join(folder, "one", "layer.tar"), Buffer.alloc(1024));
    mkdirSync(join(folder, "root", "blobs", "sha256"), { recursive: true });
    store = new JournalStore(join(folder, "root", "state"));
  });
  afterEach(() => {
    store.close();
    rmSync(folder, { recursive: true });
  });
  const source = (base: string, path: string) => ({
    kind: "rootfs" as const,
    path: join(folder, path),
    base: join(folder, base),
    config: {},
  });

  it("is up to date for its stack after a move, and for another stack that refers to the same files", async () => {
    const images = new ImageStore(join(folder, "root"), store);
    await images.ensure("box", source("one", "one/layer.tar"));
    const record = images.records.find("box")!;
    expect(staleReason(record, source("one", "one/layer.tar"))).toBeUndefined();
    expect(staleReason(record, source("two", "one/layer.tar"))).toBeUndefined();
    cpSync(join(folder, "one"), join(folder, "moved"), { recursive: true, preserveTimestamps: true });
    expect(staleReason(record, source("moved", "moved/layer.tar"))).toBeUndefined();
    expect(staleReason(record, source("two", "two/layer.tar"))).toContain("changed");
    writeFileSync(join(folder, "one", "layer.tar"), Buffer.alloc(2048));
    expect(staleReason(record, source("two", "one/layer.tar"))).toContain("layer.tar changed");
  });
});
