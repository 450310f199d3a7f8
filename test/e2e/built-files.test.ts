/** The files of dist/: compiled code that is damaged, and an upgrade while bayd runs. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";

/** A copy of the command in a directory of its own, without compiled code. */
function copyCommand(folder: string): string {
  const dist = join(folder, "dist");
  cpSync("dist", dist, { recursive: true, filter: (source) => !source.endsWith("/dist/code") });
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  return dist;
}

describe("the compiled code of a command", () => {
  const bay = new Bay();
  const dist = copyCommand(bay.folder);
  const code = join(dist, "code");
  const config = (env: NodeJS.ProcessEnv = {}) =>
    spawnSync(process.execPath, [join(dist, "bay.js"), "config", "--services"], {
      cwd: join(bay.folder, "stack"),
      env: { ...bay.env, ...env },
      encoding: "utf8",
    });
  const works = (env?: NodeJS.ProcessEnv) => {
    const { status, signal, stdout, stderr } = config(env);
    expect({ status, signal, stdout, stderr }).toEqual({
      status: 0,
      signal: null,
      stdout: "a\n",
      stderr: "",
    });
  };
  const kept = () => readdirSync(code).map((name) => join(code, name));
  const ofConfig = () => kept().find((path) => path.includes("/config-"))!;

  beforeAll(() => bay.write("services: { a: { image: none } }\n"));
  beforeEach(() => {
    rmSync(code, { recursive: true, force: true });
    works();
  });
  afterAll(() => bay.close());

  it("is kept by the first start, and not written again by the next one", () => {
    const before = readFileSync(ofConfig());
    writeFileSync(join(code, "mark"), "");
    works();
    expect(readFileSync(ofConfig()).equals(before)).toBe(true);
    expect(kept()).toContain(join(code, "mark"));
  });

  it.each([0.001, 0.1, 0.3, 0.6, 0.999])("is not used with another byte at %s of the file", (place) => {
    for (const path of kept()) {
      const bytes = readFileSync(path);
      const at = Math.floor(bytes.length * place);
      bytes[at] = bytes[at]! ^ 0x5a;
      writeFileSync(path, bytes);
    }
    works();
    works();
  });

  it.each([
    "nothing",
    "a part",
    "zeros",
    "the code of another file",
    "a directory",
  ])("is not used if the file holds %s", (what) => {
    const all = kept().map((path) => ({ path, bytes: readFileSync(path) }));
    for (const [index, { path, bytes }] of all.entries()) {
      rmSync(path);
      if (what === "a directory") mkdirSync(path);
      else if (what === "nothing") writeFileSync(path, "");
      else if (what === "a part") writeFileSync(path, bytes.subarray(0, bytes.length / 3));
      else if (what === "zeros") writeFileSync(path, Buffer.alloc(bytes.length));
      else writeFileSync(path, all[(index + 1) % all.length]!.bytes);
    }
    works();
    works();
  });

  it("is not that of a process with other options of Node.js", () => {
    works({ NODE_OPTIONS: "--max-semi-space-size=4 --max-old-space-size=200" });
    works();
    expect(kept().filter((path) => path.includes("/config-"))).toHaveLength(2);
  });

  it("belongs to the code of one version", () => {
    const pack = join(dist, "start.cjs");
    const text = readFileSync(pack, "utf8");
    writeFileSync(pack, text.replace(/const PACK = "[0-9a-f]+"/, 'const PACK = "another"'));
    works();
    writeFileSync(pack, text);
    expect(kept().filter((path) => path.includes("/config-"))).toHaveLength(2);
  });

  it("of bayd is kept while it runs, and used by the next one", async () => {
    const daemon = async (check: () => Promise<void> | void) => {
      const child = spawn(process.execPath, [join(dist, "bay.js"), "daemon", "run"], {
        env: bay.env,
        stdio: "ignore",
      });
      const gone = once(child, "exit");
      await eventually(() => expect(bay.daemonPid()).toBe(child.pid));
      await check();
      child.kill();
      expect(await gone).toEqual([0, null]);
    };
    const ofBayd = () => kept().filter((path) => path.includes("/bayd-"));
    await daemon(() => eventually(() => expect(ofBayd()).toHaveLength(1)));
    const before = readFileSync(ofBayd()[0]!);
    await daemon(() => {});
    expect(readFileSync(ofBayd()[0]!).equals(before)).toBe(true);
  });

  it("need not be writable", () => {
    rmSync(code, { recursive: true });
    writeFileSync(code, "a file");
    works();
    rmSync(code);
  });
});

describe("an upgrade of the files while bayd runs", () => {
  const bay = new Bay();
  afterAll(() => bay.close());

  it("leaves its workers and its later parts with their own version", () => {
    bay.busybox();
    bay.write(
      "name: moved\nimages: { box: { rootfs: ../busybox } }\nservices: { a: { image: box, init: true, command: [sleep, '1000000'], stop_grace_period: 0s, volumes: ['v:/v'] } }\nvolumes: { v: }\n",
    );
    const dist = copyCommand(bay.folder);
    const up = spawnSync(process.execPath, [join(dist, "bay.js"), "up", "-d"], {
      cwd: join(bay.folder, "stack"),
      env: bay.env,
      encoding: "utf8",
    });
    expect([up.status, up.stderr]).toEqual([0, expect.anything()]);
    const bayd = bay.daemonPid();
    rmSync(dist, { recursive: true });

    writeFileSync(join(bay.folder, "stack", "given"), "given\n");
    bay.ok("cp", "given", "a:/tmp-given");
    expect(bay.ok("exec", "-T", "a", "cat", "/tmp-given")).toBe("given\n");
    bay.ok("image", "save", "-o", join(bay.folder, "box.tar"), "box");
    bay.ok("image", "load", "-i", join(bay.folder, "box.tar"));
    bay.ok("volume", "backup", "moved_v", "-o", join(bay.folder, "volume.tar"));
    writeFileSync(join(bay.folder, "stack", "Dockerfile"), "FROM box\nCOPY given /given\nRUN cat /given\n");
    bay.ok("image", "build", "-t", "made", ".");
    expect(bay.ok("run", "--rm", "-T", "a", "echo", "again")).toBe("again\n");
    expect(bay.daemonPid()).toBe(bayd);
  });
});
