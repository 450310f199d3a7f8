/** Builds for another platform than the host's: everything but commands works without an interpreter. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { hostPlatform } from "../../src/image/index.ts";
import { BASE, Builds } from "../support/builds.ts";
import { Registry } from "../support/registry.ts";

interface Inspected {
  Id: string;
  Architecture: string;
  Config: { Env: string[] };
}

describe("a build for another platform", () => {
  const builds = new Builds();
  const { bay, put } = builds;
  const own = hostPlatform().architecture;
  const other = own === "riscv64" ? "arm64" : "riscv64";
  let registry: Registry;
  const run = (file: string, ...options: string[]) => {
    put("Dockerfile", file);
    return bay.run(["image", "build", "-t", "test:1", "--progress", "plain", ...options, builds.context]);
  };
  const build = (file: string, ...options: string[]) => {
    const { code, out, err } = run(file, ...options);
    if (code !== 0) throw new Error(out + err);
    return err;
  };
  const inspect = (name = "test:1") => (JSON.parse(bay.ok("image", "inspect", name)) as [Inspected])[0];
  beforeAll(async () => {
    registry = await Registry.start();
  });
  beforeEach(() => builds.empty());
  afterAll(() => {
    registry.stop();
    bay.close();
  });

  it("copies files, and says in the config what it is for", () => {
    const file =
      "FROM scratch\nARG TARGETARCH BUILDPLATFORM\nCOPY busybox /x\nENV A=$TARGETARCH B=$BUILDPLATFORM\n";
    build(file, "--platform", `linux/${other}`);
    expect(inspect().Architecture).toBe(other);
    expect(inspect().Config.Env).toEqual(expect.arrayContaining([`A=${other}`, `B=linux/${own}`]));
    build(file);
    expect(inspect().Architecture).toBe(own);
  });

  it("begins with images for that platform, and leaves names of the host's own alone", () => {
    const name = `${registry.host}/base:1`;
    build("FROM scratch\nCOPY busybox /own\n", "-t", name);
    const ownId = inspect(name).Id;
    // the name in the registry stands for the other platform's alone
    build("FROM scratch\nCOPY busybox /foreign\n", "-t", name, "--platform", `linux/${other}`);
    bay.ok("image", "push", name);
    build("FROM scratch\nCOPY busybox /own\n", "-t", name);
    expect(inspect(name).Id).toBe(ownId);
    const file = `FROM ${name}\nCOPY Dockerfile /more\n`;
    expect(build(file, "--platform", `linux/${other}`)).toContain(`[image] ${name}`);
    expect(inspect().Architecture).toBe(other);
    expect(inspect(name).Id).toBe(ownId);
    // it is not fetched again
    expect(build(file, "--platform", `linux/${other}`)).not.toContain("[image]");
    // a stage may be for another, to take files from
    build(`FROM --platform=linux/${other} ${name} AS far\nFROM scratch\nCOPY --from=far /foreign /x\n`);
    expect(inspect().Architecture).toBe(own);
  });

  it("runs commands of the host's own stages, and says what those of others lack", () => {
    const told = run(`${BASE}FROM base\nRUN echo here\n`, "--platform", `linux/${other}`);
    expect(told.err).toMatch(new RegExp(`Dockerfile:3:1: error: this host cannot run programs for ${other}`));
    expect(told.err).toContain("qemu-user-static");
    const cross = BASE.replace("FROM scratch", "FROM --platform=$BUILDPLATFORM scratch");
    build(
      `${cross}FROM base AS made\nRUN echo made > /made\nFROM scratch\nCOPY --from=made /made /\n`,
      "--platform",
      `linux/${other}`,
    );
    expect(inspect().Architecture).toBe(other);
  });

  it("is refused for several at once, and in a stack file too", () => {
    expect(run("FROM scratch\nCOPY busybox /\n", "--platform", "linux/amd64,linux/arm64").err).toContain(
      "only one platform can be built at a time",
    );
    expect(run("FROM scratch\nCOPY busybox /\n", "--platform", "li nux").err).toContain("invalid platform");
    writeFileSync(join(builds.context, "Dockerfile"), "FROM scratch\nCOPY busybox /\n");
    bay.write(
      `name: far\nservices:\n  a: { image: far:1, build: { context: ${builds.context}, platforms: [linux/${other}] } }\n`,
    );
    bay.ok("build");
    expect(inspect("far:1").Architecture).toBe(other);
  });
});
