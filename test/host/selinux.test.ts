/** Labels on a tree: real attributes on a real file system, also on a host where SELinux is off. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isSelinuxOn, labelTree, privateLabel, SHARED_LABEL } from "../../src/linux/index.ts";

describe.skipIf(isSelinuxOn())("labels of SELinux", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-label-"));
  const tree = join(folder, "tree");
  const labelsOf = (path: string) =>
    execFileSync("getfattr", ["-R", "-P", "-h", "-d", "-m", "security.selinux", "--absolute-names", path], {
      encoding: "utf8",
    });
  beforeAll(() => {
    mkdirSync(join(tree, "deep/er"), { recursive: true });
    for (const file of ["file", "deep/er/file", "../outside"]) writeFileSync(join(tree, file), "");
    symlinkSync("../outside", join(tree, "link"));
    symlinkSync("..", join(tree, "deep/up"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("are set on every file of a directory, and on no target of a link", async () => {
    await labelTree(tree, SHARED_LABEL);
    const labels = labelsOf(folder);
    const labelled = [...labels.matchAll(/^# file: (.*)$/gm)]
      .map(([, path]) => path!.slice(folder.length))
      .sort();
    expect(labelled).toEqual(
      ["", "/deep", "/deep/er", "/deep/er/file", "/deep/up", "/file", "/link"].map((path) => `/tree${path}`),
    );
    expect(labels).toContain(`security.selinux="${SHARED_LABEL}"`);
  });

  it("are set on a single file, with its own categories for each service", async () => {
    const label = privateLabel("stack/web");
    expect(label).toMatch(/^system_u:object_r:container_file_t:s0:c\d+,c\d+$/);
    expect(privateLabel("stack/db")).not.toBe(label);
    for (const name of ["a", "b", "c", "d"]) {
      const [first, second] = [...privateLabel(name).matchAll(/c(\d+)/g)].map(([, number]) => Number(number));
      expect(first!).toBeLessThan(second!);
      expect(second!).toBeLessThan(1024);
    }
    await labelTree(join(tree, "file"), label);
    expect(labelsOf(join(tree, "file"))).toContain(label);
  });

  it("are rejected on a file system without labels", async () => {
    await expect(labelTree("/proc/self/status", SHARED_LABEL)).rejects.toThrow(
      "cannot be labelled for SELinux",
    );
  });
});
