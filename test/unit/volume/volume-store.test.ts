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

  it("is filled once, also by two starts at the same time, and never if it has files", async () => {
    volumes.create(config);
    let fills = 0;
    const copy = async (directory: string) => {
      fills += 1;
      writeFileSync(join(directory, "a"), "");
    };
    await Promise.all([volumes.fill("data", copy), volumes.fill("data", copy)]);
    await volumes.fill("data", copy);
    expect(fills).toBe(1);
    expect(volumes.get("data")!.isFilling).toBeUndefined();
  });

  it("is filled again if a copy was interrupted", async () => {
    volumes.create(config);
    const broken = volumes.fill("data", async (directory) => {
      writeFileSync(join(directory, "half"), "");
      throw new Error("killed");
    });
    await expect(broken).rejects.toThrow("killed");
    expect(volumes.get("data")!.isFilling).toBe(true);
    await volumes.fill("data", async (directory) => writeFileSync(join(directory, "whole"), ""));
    expect(readdirSync(volumes.path("data")).sort()).toEqual(["half", "whole"]);
    expect(volumes.get("data")!.isFilling).toBeUndefined();
  });

  it("cannot be restored while it is backed up, and not be removed or started meanwhile", async () => {
    volumes.create(config);
    const ends = [volumes.hold("data", "backed up"), volumes.hold("data", "backed up")];
    expect(() => volumes.hold("data", "restored")).toThrow("the volume data is being backed up");
    expect(() => volumes.remove("data")).toThrow("is being backed up");
    ends[0]!();
    expect(() => volumes.hold("data", "restored")).toThrow("is being backed up");
    ends[1]!();
    const end = volumes.hold("data", "restored");
    expect(() => volumes.hold("data", "backed up")).toThrow("is being restored");
    end();
    volumes.noteRestore("data", { phase: "unpacking" } as never);
    await expect(volumes.attach("data")).rejects.toThrow("is being restored");
    await expect(volumes.fill("data", async () => {})).rejects.toThrow("is being restored");
    volumes.noteRestore("data", undefined);
    await volumes.attach("data");
  });

  it("that is a directory of the host has its files there, and they outlive it", () => {
    const device = join(root, "elsewhere");
    mkdirSync(device);
    writeFileSync(join(device, "kept"), "");
    volumes.create({ ...config, device });
    expect(volumes.path("data")).toBe(device);
    expect(volumes.restorePlaces("data")).toMatchObject({ directory: device, data: "/" });
    volumes.remove("data");
    expect(readdirSync(device)).toEqual(["kept"]);
  });

  it("is restored beside its files", () => {
    volumes.create(config);
    expect(volumes.restorePlaces("data")).toEqual({
      directory: join(root, "volumes", "data"),
      data: "/_data",
      staging: "_restore",
    });
  });

  it("changes its labels and options without its files", () => {
    volumes.create(config);
    volumes.change("data", { labels: { a: "1" } });
    expect(volumes.get("data")!.config).toEqual({ ...config, labels: { a: "1" } });
    volumes.change("missing", { labels: {} });
    expect(volumes.get("missing")).toBeUndefined();
  });

  it.each(["", "..", "a/b", "-a", "a b"])("rejects the name %j", (name) => {
    expect(() => volumes.create({ ...config, name })).toThrow("invalid volume name");
  });

  it("says what is wrong if a file system cannot be mounted", async () => {
    volumes.create({ ...config, mount: { type: "nosuchfs", device: "/dev/null", options: "" } });
    await expect(volumes.attach("data")).rejects.toThrow("the volume data cannot be mounted");
    volumes.detach("data");
  });
});
