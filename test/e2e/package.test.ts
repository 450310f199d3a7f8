/** The npm package: what is in it, and that it works where it is installed, without this repository. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay } from "../support/bay.ts";

const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };

describe("the npm package", () => {
  const bay = new Bay();
  const folder = join(bay.folder, "installed");
  const command = join(folder, "node_modules/.bin/bay");
  let files: string[];

  beforeAll(() => {
    bay.busybox();
    mkdirSync(folder);
    const packed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
      encoding: "utf8",
    });
    const [{ filename, files: entries }] = JSON.parse(packed) as [
      { filename: string; files: { path: string }[] },
    ];
    files = entries.map(({ path }) => path);
    writeFileSync(join(folder, "package.json"), "{}");
    const install = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    execFileSync("npm", [...install, join(folder, filename)], { cwd: folder, stdio: "pipe" });
  });
  afterAll(() => bay.close());

  it("has the command, its pages and its licence, and no tests", () => {
    for (const path of [
      "LICENSE",
      "README.md",
      "CHANGELOG.md",
      "dist/bay.js",
      "man/bay.1",
      "schemas/bay.schema.json",
    ])
      expect(files).toContain(path);
    expect(files.filter((path) => /^(src|test)\//.test(path))).toEqual([]);
  });

  it("works where it is installed", () => {
    const run = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync(command, args, {
        cwd: join(bay.folder, "stack"),
        env: bay.env,
        encoding: "utf8",
      });
      expect([args.join(" "), status, stderr]).toEqual([args.join(" "), 0, expect.anything()]);
      return stdout;
    };
    bay.write(
      "name: packed\nimages: { box: { rootfs: ../busybox } }\nservices: { a: { image: box, init: true, command: [sleep, '1000'], stop_grace_period: 0s, volumes: ['v:/v'] } }\nvolumes: { v: }\n",
    );
    expect(run("--version")).toBe(`bay ${version}\n`);
    run("up", "-d");
    expect(run("exec", "-T", "a", "echo", "inside")).toBe("inside\n");
    run("volume", "backup", "packed_v", "-o", join(bay.folder, "v.tar"));
    run("down", "-v");
    run("daemon", "stop");
  });

  it("says what is missing in one line where Node.js is too old, or there is none", () => {
    const without = spawnSync("/bin/sh", [command, "--version"], {
      env: { PATH: "/nowhere" },
      encoding: "utf8",
    });
    expect([without.status, without.stderr]).toEqual([
      127,
      expect.stringMatching(
        /^bay needs Node\.js 20\.19 or newer, and there is no node in PATH; on Debian 13: .*\n$/,
      ),
    ]);
    // the version that the check sees is the only difference
    const old = `Object.defineProperty(process.versions, "node", { value: "18.20.4" });`;
    writeFileSync(join(folder, "old.cjs"), old);
    for (const file of ["dist/bay.js", "scripts/need-node.cjs"]) {
      const args = [
        "--require",
        join(folder, "old.cjs"),
        join(folder, "node_modules/bayplan", file),
        "--version",
      ];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
      expect([status, stdout, stderr]).toEqual([
        1,
        "",
        expect.stringMatching(
          /^bay needs Node\.js 20\.19 or newer, and this is 18\.20\.4; on Debian 13: .*\n$/,
        ),
      ]);
    }
  });
});
