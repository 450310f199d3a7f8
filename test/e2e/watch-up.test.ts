/** bay up --watch, and the live screen of bay watch on a terminal. */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Bay, COMMAND, eventually } from "../support/bay.ts";
import { inContainer } from "../support/watching.ts";

describe("a watch with logs", () => {
  const bay = new Bay();
  const source = join(bay.folder, "stack", "src");
  beforeAll(() => {
    bay.busybox();
    mkdirSync(source, { recursive: true });
    writeFileSync(join(source, "a"), "one");
    bay.write(`name: logs
images: { box: { rootfs: ../busybox } }
services:
  web:
    image: box
    command: sh -c 'echo begun with $$(cat /app/a); exec sleep 100000'
    stop_grace_period: 0s
    network_mode: none
    develop: { watch: [{ path: src, action: sync+restart, target: /app, initial_sync: true }] }
`);
  });
  afterEach(() => void bay.run(["down", "-t", "0"]));
  afterAll(() => bay.close());

  it("up --watch shows logs and what was synchronised, and Ctrl-C stops the stack", async () => {
    const child = bay.start(["up", "--watch"]);
    let said = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (part: string) => (said += part));
    const ended = new Promise((resolve) => child.on("exit", resolve));
    await eventually(() => expect(said).toContain("begun with one"));
    await eventually(() => expect(said).toContain("watching "));
    writeFileSync(join(source, "a"), "two");
    await eventually(() => expect(said).toMatch(/web {2}synced 1 file in [\d.]+ ms/));
    await eventually(() => expect(said).toContain("begun with two"));
    child.kill("SIGINT");
    await ended;
    expect(bay.ps().map(({ State }) => State)).toEqual(["exited"]);
  });

  it("up --watch cannot run in the background", () => {
    expect(bay.run(["up", "-d", "--watch"]).err).toContain("--watch cannot be used with -d");
  });

  it("bay watch on a terminal has a line for each service, logs, and keys", async () => {
    writeFileSync(join(source, "a"), "one");
    const command = `${process.execPath} ${COMMAND} watch`;
    const env = { ...bay.env, NO_COLOR: "", TERM: "xterm" };
    const child = spawn("script", ["-qec", command, "/dev/null"], { cwd: join(bay.folder, "stack"), env });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => (said += part));
    const ended = new Promise((resolve) => child.on("exit", resolve));
    await eventually(() => expect(said).toContain("r restart  b rebuild  p plan  l logs  o open  q leave"));
    await eventually(() => expect(said).toMatch(/web {2}running/));
    writeFileSync(join(source, "a"), "two");
    await eventually(() => expect(said).toContain("restarted in"));
    await eventually(() => expect(said).toContain("begun with two"));
    child.stdin.write("p");
    await eventually(() => expect(said).toContain("nothing to do"));
    const { length } = said;
    child.stdin.write("r");
    await eventually(() => expect(said.slice(length)).toContain("begun with two"));
    child.stdin.write("o");
    await eventually(() => expect(said).toContain("no port is published"));
    child.stdin.write("l");
    await eventually(() => expect(said).toContain("the logs are off"));
    child.stdin.write("q");
    expect(await ended).toBe(0);
    expect(readFileSync(inContainer(bay, "logs-web-1", "/app/a"), "utf8")).toBe("two");
  });
});
