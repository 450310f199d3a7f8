/** The manual pages are those of the commands. `npm run man` writes them. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { manPages, roff } from "../../../src/cli/man-page.ts";
import { build } from "../../../src/cli/program.ts";
import { sampleOf } from "../../support/long.ts";

const FOLDER = "man";
const pages = manPages(build(() => {}));

if (process.env.BAY_WRITE_MAN) {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
  for (const [name, text] of pages) writeFileSync(join(FOLDER, name), text);
}

describe("the manual pages", () => {
  it("are one for each command", () => {
    expect(readdirSync(FOLDER).sort()).toEqual([...pages.keys()].sort());
  });

  it.each([...pages])("%s is current (npm run man)", (name, text) => {
    expect(readFileSync(join(FOLDER, name), "utf8")).toBe(text);
  });

  // one function writes all of them, and man(1) takes a tenth of a second for each
  it.each(sampleOf([...pages.keys()], 12))("%s is read by man(1) without a warning", (name) => {
    const { status, stdout, stderr } = spawnSync("man", ["--warnings", "-l", join(FOLDER, name)], {
      encoding: "utf8",
      env: { ...process.env, MANWIDTH: "100", LC_ALL: "C.UTF-8", PAGER: "cat", MANPAGER: "cat" },
    });
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^NAME\n/m);
  });

  it("show text as it is, whatever it begins with", () => {
    expect(roff(".dockerignore\n'quoted' --flag \\ x")).toBe(
      "\\&.dockerignore\n\\&'quoted' \\-\\-flag \\e x",
    );
  });
});
