/** Builds that are asked for in a wrong way: each is refused before it does anything, or ends as soon as it fails. */
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { BASE, Builds } from "../support/builds.ts";

describe("a build that cannot be", () => {
  const builds = new Builds();
  const { bay, context, put, run, build } = builds;
  const image = (...words: string[]) => bay.run(["image", "build", ...words]);
  const refused = (dockerfile: string) => {
    const { code, err } = run(`${BASE}FROM base\n${dockerfile}\n`);
    expect(code).toBe(1);
    return err;
  };
  beforeEach(() => builds.empty());
  afterAll(() => bay.close());

  it("is refused for a checksum that would not be looked at", () => {
    put("file", "x");
    const digest = `sha256:${"0".repeat(64)}`;
    expect(refused(`ADD --checksum=${digest} file /y`)).toContain(
      "file is neither a URL nor a git repository",
    );
    const url = "http://127.0.0.1:9/x";
    expect(refused(`ADD --checksum=md5:00 ${url} /y`)).toContain('invalid digest "md5:00"');
    expect(refused(`ADD --checksum=sha256:00 ${url} /y`)).toContain("64 hexadecimal digits");
    expect(refused(`ADD --checksum=${digest} ${url} ${url} /y/`)).toContain(
      "--checksum supports only one source",
    );
    expect(refused(`COPY ${url} /y`)).toContain(`COPY does not support URLs: ${url}`);
    expect(refused("ADD http://127.0.0.1:9/ /y/")).toContain("does not end with a file name");
  });

  it("is refused for stages that are not there, with those that are", () => {
    expect(refused("COPY --from=5 /a /b")).toContain("the stage 5 does not exist");
    expect(refused("COPY --from=bsae /a /b")).toContain("no stage is named bsae; did you mean base?");
  });

  it("gives a step the host's network only where that is granted, before anything runs", () => {
    const listen = "cat /proc/net/dev";
    const file = `${BASE}FROM base AS early\nRUN touch /ran\nFROM base\nCOPY --from=early /ran /ran\nRUN --network=host ${listen}\n`;
    const { code, err } = run(file);
    expect(code).toBe(1);
    expect(err).toMatch(/Dockerfile:12:1: error: RUN --network=host is not allowed for this build/);
    expect(err).toContain(
      "add --allow network.host, or build.entitlements: [network.host] in the stack file",
    );
    expect(err).not.toContain("touch /ran");
    // a stage that is not built is not asked for
    expect(run(file, "--target", "early").code).toBe(0);
    for (const grant of [
      ["--allow", "network.host"],
      ["--network", "host"],
    ])
      expect(run(file, ...grant).code, grant.join(" ")).toBe(0);
    expect(run(file, "--allow", "security.insecure").code).toBe(1);
    // a trigger of the base image is known when that is read
    expect(run(`${BASE}ONBUILD RUN --network=host ${listen}\n`).code).toBe(0);
    bay.ok("image", "tag", "test:1", "trigger:1");
    expect(run("FROM trigger:1\n").err).toContain("RUN --network=host is not allowed for this build");
    expect(run("FROM trigger:1\n", "--allow", "network.host").code).toBe(0);
    // all triggers are checked before the first of them runs
    const triggers = `ONBUILD RUN echo ran-first\nONBUILD RUN --network=host ${listen}\n`;
    expect(run(`${BASE}${triggers}`).code).toBe(0);
    bay.ok("image", "tag", "test:1", "triggers:1");
    const refusedTrigger = run("FROM triggers:1\n", "--progress", "plain");
    expect(refusedTrigger.err).toMatch(/Dockerfile:1:1: error: RUN --network=host is not allowed/);
    expect(refusedTrigger.out + refusedTrigger.err).not.toContain("ran-first");
  });

  it("asks the stack file for it too", () => {
    put("Dockerfile", `${BASE}FROM base\nRUN --network=host true\n`);
    const stack = (more: string) =>
      bay.write(
        `name: granted\nservices: { a: { image: granted, build: { context: ${context}${more} } } }\n`,
      );
    stack("");
    expect(bay.run(["build"]).err).toContain("RUN --network=host is not allowed");
    for (const more of [", entitlements: [network.host]", ", network: host"]) {
      stack(more);
      expect(bay.run(["build"]).code, more).toBe(0);
    }
  });

  it("names what is wrong alone, and nothing that follows from it", () => {
    const text = run("FROM bb AS 1x\nRUN ls\n").err;
    expect(text).toContain('Dockerfile:1:1: error: invalid stage name "1x"');
    expect(text).not.toMatch(/no FROM|before the first/);
    expect(run("ARG A\n").err).toContain("Dockerfile:1:1: error: the Dockerfile has no FROM");
    put(".dockerignore", "a\n[\n");
    expect(run(`${BASE}`).err).toContain(
      `${join(context, ".dockerignore")}:2: the bracket in "[" is not closed`,
    );
  });

  it("is refused for options that say nothing", () => {
    put("Dockerfile", BASE);
    for (const [words, message] of [
      [["--add-host", "foo"], "--add-host: expected NAME=ADDRESS, got foo"],
      [["--allow", "foo"], "--allow: unknown entitlement foo"],
      [["--build-context", "q"], "--build-context: expected NAME=CONTEXT, got q"],
      [["--iidfile", join(context, "no/x")], "--iidfile: the directory"],
      [["-o", `type=tar,dest=${join(context, "no/x.tar")}`], "--output: the directory"],
      [["-o", join(context, "Dockerfile")], "exists and is not a directory"],
    ] as const)
      expect(image(...words, context).err).toContain(message);
    expect(image("-f", "-", "-").err).toContain(
      "standard input cannot be both the Dockerfile and the context",
    );
  });

  it("is refused in the stack file, with the place", () => {
    bay.write(`name: wrong
services:
  a:
    image: Foo:1
    build:
      context: ${context}
      tags: [Bad X]
      entitlements: [foo]
      additional_contexts: [w]
`);
    const { err } = bay.run(["config"]);
    for (const line of ["4:12", "7:14", "8:21", "9:29"]) expect(err).toContain(`bay.yaml:${line}: error`);
  });

  it("ends with its first failure, and lets the other stages go", () => {
    const { code, err } = run(
      `${BASE}FROM base AS a\nRUN sleep 1; false\nFROM base AS b\nRUN sleep 100000\n` +
        "FROM base\nCOPY --from=a /etc /a\nCOPY --from=b /etc /b\n",
    );
    expect(code).toBe(1);
    expect(err).toContain("the command ended with exit code 1");
    expect(err).not.toContain("last lines of output");
  });

  it("runs the named stages again, and limits the output of a step", () => {
    const file = "FROM base AS prod\nRUN cat /proc/sys/kernel/random/uuid | tee /id\n";
    build(file);
    const first = builds.inspect().Id;
    build(file, "--no-cache-filter", "other");
    expect(builds.inspect().Id).toBe(first);
    build(file, "--no-cache-filter", "other,prod");
    expect(builds.inspect().Id).not.toBe(first);
    const told = build("FROM base\nRUN yes | head -c 6000000; echo the end > /end\n");
    expect(told).toContain("output clipped, log limit 2MiB reached");
    expect(told.length).toBeLessThan(40_000_000);
  });
});
