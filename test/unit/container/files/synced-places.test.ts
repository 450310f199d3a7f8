/** Which record a synchronised path belongs to, and the records of bind mounts. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mountTargets } from "../../../../src/container/files/mount-targets.ts";
import {
  keepBind,
  releaseBinds,
  syncedPlaces,
  within,
} from "../../../../src/container/files/synced-places.ts";
import type { ContainerConfig, MountConfig } from "../../../../src/container/model/config.ts";
import type { Host } from "../../../../src/container/model/host.ts";
import { containerDirectory } from "../../../../src/container/model/paths.ts";
import type { ContainerRecord } from "../../../../src/container/model/record.ts";
import type { SyncOperation } from "../../../../src/image/index.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-places-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const put = (path: string): SyncOperation => ({ op: "file", path, mode: 0o644, size: 0 });
const rule = { source: "/src", target: "/app" };

describe("the record of a path", () => {
  const host = () =>
    ({
      roots: { root: join(folder, "root"), run: join(folder, "run") },
      volumes: { syncedFile: (name: string) => join(folder, name) },
    }) as unknown as Host;
  const container = (id: string, mounts: MountConfig[]) => {
    mkdirSync(containerDirectory(host(), id), { recursive: true });
    return { id, config: { mounts } } as unknown as ContainerRecord;
  };
  const volume = (target: string, readOnly = false): MountConfig =>
    ({ type: "volume", source: target.slice(1).replaceAll("/", "-"), target, readOnly }) as MountConfig;

  it.each<[string, MountConfig]>([
    ["tmpfs", { type: "tmpfs", target: "/app/nested" } as MountConfig],
    ["image", { type: "image", source: "app", target: "/app/nested" } as MountConfig],
    ["read-only volume", volume("/app/nested", true)],
    [
      "missing bind",
      { type: "bind", source: "/does-not-exist", target: "/app/nested", readOnly: false } as MountConfig,
    ],
  ])("below a nested %s mount is the container's own", async (_, nested) => {
    const mounts = [volume("/app"), nested];
    const synced = await syncedPlaces(host(), container("a".repeat(64), mounts));
    synced.before(rule, [put("/app/file"), put("/app/nested/file")]);
    expect(synced.list(rule).sort()).toEqual(["/app/file", "/app/nested/file"]);
    const again = await syncedPlaces(host(), container("a".repeat(64), mounts));
    expect(again.list(rule).sort()).toEqual(["/app/file", "/app/nested/file"]);
    const other = await syncedPlaces(host(), container("b".repeat(64), [volume("/app")]));
    expect(other.list(rule)).toEqual(["/app/file"]);
  });

  it("of a bind mount is kept until it is closed", async () => {
    const source = join(folder, "source");
    mkdirSync(source);
    const bind = { type: "bind", source, target: "/app", readOnly: false } as MountConfig;
    const synced = await syncedPlaces(host(), container("a".repeat(64), [bind]));
    synced.before(rule, [put("/app/file")]);
    const directory = join(folder, "root", "synced");
    expect(readdirSync(directory)).toHaveLength(1);
    keepBind(join(directory, "other"), 1);
    expect(readdirSync(directory)).toHaveLength(1);
    synced.close();
    synced.close();
    keepBind(join(directory, "another"), 1);
    expect(readdirSync(directory)).toHaveLength(0);
    releaseBinds([join(directory, "other"), join(directory, "another")]);
  });
});

describe("the records of bind mounts", () => {
  it("are removed if they were not used for the longest time", () => {
    const files = ["a", "b", "c"].map((name) => join(folder, name));
    for (const [index, file] of files.entries()) {
      writeFileSync(file, "");
      utimesSync(file, 1000 + index, 1000 + index);
    }
    const left = () => files.filter((file) => existsSync(file)).map((file) => file.at(-1));
    // its own record exists: none is removed, and it now is the newest
    keepBind(files[0]!, 3);
    releaseBinds([files[0]!]);
    expect(left()).toEqual(["a", "b", "c"]);
    keepBind(files[1]!, 3);
    keepBind(join(folder, "d"), 3);
    expect(left()).toEqual(["a", "b"]);
    releaseBinds([files[1]!, join(folder, "d")]);
  });
});

it("a file system that does not answer is not waited for", async () => {
  expect(await within(new Promise(() => {}), 1)).toBeUndefined();
  expect(await within(Promise.resolve("answer"), 2 ** 31 - 1)).toBe("answer");
});

it("the mounts of a container include single files", () => {
  const config = {
    mounts: [{ type: "tmpfs", target: "/tmp" }],
    files: [{ target: "/app/conf/secret" }],
    devices: [
      { source: "/dev/null", target: "/app/bound", access: "rw" },
      { source: "/dev/null", target: "/app/made", access: "rwm" },
    ],
  } as unknown as ContainerConfig;
  expect(mountTargets(config)).toEqual([
    "/tmp",
    "/app/conf/secret",
    "/app/bound",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
  ]);
});
