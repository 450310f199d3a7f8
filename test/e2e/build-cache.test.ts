/** Caches that go from host to host: by a registry, by a folder, and in the image itself. */
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Builds } from "../support/builds.ts";
import { Registry } from "../support/registry.ts";

const FILE = `FROM base AS side
RUN echo side > /side && cat /proc/sys/kernel/random/uuid >> /side
FROM base
COPY word /word
RUN cat /word > /seen && cat /proc/sys/kernel/random/uuid > /when
RUN true
COPY --from=side /side /side
`;

describe("a build's cache", () => {
  const here = new Builds();
  const there = new Builds();
  const steps = (told: string) => told.match(/CACHED|DONE/g) ?? [];
  const done = (told: string) => steps(told).filter((word) => word === "DONE").length;
  let registry: Registry;
  beforeAll(async () => {
    registry = await Registry.start();
  });
  beforeEach(() => {
    for (const builds of [here, there]) {
      builds.empty();
      builds.put("word", "one");
      builds.bay.run(["builder", "prune", "-af"]);
      builds.bay.run(["image", "rm", "-f", "test:1"]);
      builds.bay.run(["image", "prune", "-af"]);
    }
  });
  afterAll(() => {
    registry.stop();
    here.bay.close();
    there.bay.close();
  });

  it("is another host's by a registry, with the steps of all stages or the image's own", () => {
    const ref = `${registry.host}/cache:all`;
    here.build(FILE, "--cache-to", `type=registry,ref=${ref},mode=max`);
    const told = there.build(FILE, "--cache-from", `type=registry,ref=${ref}`);
    expect(done(told)).toBe(0);
    expect(there.inspect().RootFS).toEqual(here.inspect().RootFS);
    expect(there.say("cat /when /side")).toBe(here.say("cat /when /side"));
    // what is taken is the host's own from then on
    expect(done(there.build(FILE))).toBe(0);
    there.bay.ok("builder", "prune", "-af");
    const least = `${registry.host}/cache:least`;
    here.build(FILE, "--cache-to", `type=registry,ref=${least}`);
    const some = there.build(FILE, "--cache-from", least);
    // the other stage's step is not in it, and what follows it may differ
    expect(done(some)).toBe(2);
    expect(there.say("cat /when")).toBe(here.say("cat /when"));
  });

  it("fetches only the layers that are needed", () => {
    const ref = `${registry.host}/cache:big`;
    here.build(
      `FROM base AS big\nRUN head -c 5000000 /dev/urandom > /big\n${FILE}`,
      "--cache-to",
      `type=registry,ref=${ref},mode=max`,
      "--target",
      "big",
    );
    const blobs = join(there.bay.folder, "root", "blobs", "sha256");
    const told = there.build("FROM base\n", "--cache-from", ref);
    expect(done(told)).toBe(0);
    expect(readdirSync(blobs).filter((name) => statSync(join(blobs, name)).size > 4_000_000)).toEqual([]);
    const layers = readdirSync(join(there.bay.folder, "root", "layers"));
    expect(layers.filter((name) => /^[0-9a-f]{16}$/.test(name)).length).toBe(3);
  });

  it("is another host's by a folder", () => {
    const folder = join(here.bay.folder, "exported");
    rmSync(folder, { recursive: true, force: true });
    here.build(FILE, "--cache-to", `type=local,dest=${folder},mode=max`);
    expect(done(there.build(FILE, "--cache-from", `type=local,src=${folder}`))).toBe(0);
    expect(there.say("cat /when")).toBe(here.say("cat /when"));
    // again over what is there
    here.put("word", "two");
    here.build(FILE, "--cache-to", `type=local,dest=${folder},mode=max`);
    there.put("word", "two");
    expect(done(there.build(FILE, "--cache-from", `type=local,src=${folder}`))).toBe(0);
  });

  it("is in the image itself", () => {
    const name = `${registry.host}/inline:1`;
    here.build(FILE, "-t", name, "--cache-to", "type=inline");
    here.bay.ok("image", "push", name);
    const told = there.build(
      FILE.replace(/^FROM base AS side\n.*\n/, "").replace(/COPY --from.*\n/, ""),
      "--cache-from",
      name,
    );
    expect(done(told)).toBe(0);
    expect(there.say("cat /when")).toBe(here.say("cat /when"));
  });

  it("is used by a stack file's build", () => {
    const ref = `${registry.host}/cache:stack`;
    for (const [builds, key] of [
      [here, "cache_to"],
      [there, "cache_from"],
    ] as const) {
      builds.put("Dockerfile", 'FROM scratch\nCOPY busybox /\nRUN ["/busybox", "touch", "/made"]\n');
      builds.bay.write(
        `name: cached\nservices:\n  a:\n    image: test:1\n    build: { context: ${builds.context}, ${key}: ["type=registry,ref=${ref}"] }\n`,
      );
    }
    here.bay.ok("build", "--progress", "plain");
    const { err } = there.bay.run(["build", "--progress", "plain"]);
    expect(steps(err)).toEqual(["CACHED", "CACHED"]);
  });

  it("continues without a missing cache, and reports it; an invalid option is an error", () => {
    const told = here.build(FILE, "--cache-from", `type=registry,ref=${registry.host}/absent:1`);
    expect(told).toContain("cannot be imported");
    expect(done(told)).toBeGreaterThan(3);
    mkdirSync(join(here.bay.folder, "nothing"), { recursive: true });
    const wrong = (...options: string[]) => here.run("FROM scratch\n", ...options).err;
    const other = `${FILE}RUN touch /other\n`;
    expect(here.build(other, "--cache-from", `type=local,src=${here.bay.folder}/nothing`)).toContain(
      "cannot be imported",
    );
    expect(wrong("--cache-from", "type=s3,ref=x")).toContain("type=s3 is not supported");
    expect(wrong("--cache-from", "type=registry")).toContain("needs a ref");
    expect(wrong("--cache-to", "type=local,dst=x")).toContain("did you mean dest?");
    expect(wrong("--cache-to", "type=inline,mode=max")).toContain("the steps of the image only");
    const failed = here.run("FROM scratch\nCOPY word /\n", "--cache-to", "type=registry,ref=127.0.0.1:1/x:1");
    expect(failed.code).not.toBe(0);
    expect(failed.err).toContain("cannot be reached");
    const ignored = here.run(
      "FROM scratch\nCOPY word /\n",
      "--cache-to",
      "type=registry,ref=127.0.0.1:1/x:1,ignore-error=true",
    );
    expect(ignored.code).toBe(0);
    expect(ignored.err).toContain("was not exported");
  });
});
