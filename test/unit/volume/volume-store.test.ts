import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { JournalStore } from "../../../src/store/index.ts";
import { type VolumeConfig, VolumeStore } from "../../../src/volume/index.ts";

const config: VolumeConfig = { name: "data", stack: undefined, key: undefined, anonymous: false, labels: {} };

describe("the volume store", () => {
  let root: string;
  let store: JournalStore;
  let volumes: VolumeStore;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "bay-volumes-"));
    mkdirSync(join(root, "state"));
    store = new JournalStore(join(root, "state"));
    volumes = new VolumeStore(root, store);
  });
  afterEach(() => {
    store.close();
    rmSync(root, { recursive: true });
  });

  it("creates a record and a directory, and removes both", () => {
    volumes.create(config);
    expect(volumes.get("data")?.config).toEqual(config);
    expect(statSync(volumes.path("data")).mode & 0o777).toBe(0o755);
    volumes.remove("data");
    expect(volumes.list()).toEqual([]);
    expect(readdirSync(join(root, "volumes"))).toEqual([]);
  });

  it("creates the directory of a known volume again", () => {
    const record = volumes.create(config);
    rmSync(join(root, "volumes"), { recursive: true });
    expect(volumes.create(config)).toEqual(record);
    expect(existsSync(volumes.path("data"))).toBe(true);
  });

  it("leaves no directory without a record, and no record without a directory, where a write fails", () => {
    const put = store.put.bind(store);
    store.put = () => {
      throw new Error("no space");
    };
    expect(() => volumes.create(config)).toThrow("no space");
    expect(existsSync(join(root, "volumes"))).toBe(false);
    store.put = put;
    writeFileSync(join(root, "volumes"), "");
    expect(() => volumes.create(config)).toThrow("ENOTDIR");
    expect(volumes.list()).toEqual([]);
  });
});
