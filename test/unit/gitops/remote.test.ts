/** The local copies of remote stack files, fetched by several processes, some of which are interrupted. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { boundPack, within } from "../../../src/gitops/git/bound-fetch.ts";
import { leaveOutPointers } from "../../../src/gitops/remote/fetch-git.ts";
import { Pins, placeOnce } from "../../../src/gitops/remote/pins.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-pins-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const directoryWith = (name: string, text: string): string => {
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, "bay.yaml"), text);
  return join(folder, name);
};

it("keeps the version that another process has put there", () => {
  const place = join(folder, "files", "shop");
  placeOnce(directoryWith("first", "one"), place);
  placeOnce(directoryWith("second", "two"), place);
  expect(readFileSync(join(place, "bay.yaml"), "utf8")).toBe("one");
});

it("reports a directory that cannot be put in its place", () => {
  expect(() => placeOnce(join(folder, "absent"), join(folder, "files", "shop"))).toThrow("ENOENT");
});

it("removes directories of fetches whose process has ended, and no others", () => {
  const { pid } = spawnSync("true");
  mkdirSync(join(folder, `fetch-${pid}-abcdef`));
  mkdirSync(join(folder, `fetch-${process.ppid}-abcdef`));
  const own = new Pins(folder).workFolder();
  expect(existsSync(own)).toBe(true);
  expect(readdirSync(folder).map((name) => join(folder, name))).toEqual(
    expect.arrayContaining([own, join(folder, `fetch-${process.ppid}-abcdef`)]),
  );
  expect(readdirSync(folder)).toHaveLength(2);
});

it("leaves out pointers of Git LFS, and names them", () => {
  const top = directoryWith("shop", "version https://git-lfs.github.com/spec/v1");
  const written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  leaveOutPointers(top, ["bay.yaml", ...Array.from({ length: 6 }, (_, index) => `\x1b${index}`)], {
    remote: "https://me:password@git.example.org/shop.git",
  });
  expect(readdirSync(top)).toEqual([]);
  expect(written.mock.calls.join()).toContain("left out: bay.yaml, ?0, ?1, ?2, ?3, and 2 more");
  expect(written.mock.calls.join()).not.toContain("password");
});

it("says that a server did not answer in time", async () => {
  const never = (limit: AbortSignal) =>
    new Promise<never>((_, reject) => {
      limit.addEventListener("abort", () => reject(limit.reason as Error));
    });
  await expect(
    within(1, new AbortController().signal, "https://git.example.org/a.git", never),
  ).rejects.toMatchObject({
    code: "GITOPS_TIMEOUT",
    message: expect.stringContaining("did not answer within"),
  });
});

it("stops a pack that is too large", async () => {
  mkdirSync(join(folder, "objects", "pack"), { recursive: true });
  const pack = join(folder, "objects", "pack", "tmp_pack_1");
  writeFileSync(pack, "");
  // a sparse file needs no space
  const { truncateSync } = await import("node:fs");
  truncateSync(pack, (1 << 30) + 1);
  const [signal, end] = boundPack(folder, new AbortController().signal);
  await new Promise((done) => signal.addEventListener("abort", done));
  end();
  expect(signal.reason).toMatchObject({ code: "GITOPS_COMMIT" });
});
