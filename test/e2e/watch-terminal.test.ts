/** A watch on a terminal: a rebuild by key, and the question before a change that destroys something. */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Bay, COMMAND, eventually } from "../support/bay.ts";

describe("bay watch on a terminal", () => {
  const bay = new Bay();
  const stack = (services: string) =>
    bay.write(`name: keys
images: { box: { rootfs: ../busybox } }
services:
  web:
    build: .
    command: sleep 100000
    stop_grace_period: 0s
    network_mode: none
    develop: { watch: [{ path: src, action: sync, target: /app }] }
${services}`);
  const other = "  other: { image: box, command: sleep 100000, stop_grace_period: 0s, network_mode: none }\n";
  const services = () =>
    bay
      .ps()
      .map(({ Service }) => Service)
      .sort();
  beforeAll(() => {
    bay.busybox();
    mkdirSync(join(bay.folder, "stack", "src"), { recursive: true });
    writeFileSync(join(bay.folder, "stack", "Dockerfile"), "FROM box\nCOPY made /made\n");
    writeFileSync(join(bay.folder, "stack", "made"), "one");
    stack(other);
  });
  afterEach(() => void bay.run(["down", "-t", "0", "--remove-orphans"]));
  afterAll(() => bay.close());

  it("rebuilds with b, and removes a service only after y", async () => {
    const child = spawn("script", ["-qec", `${process.execPath} ${COMMAND} watch`, "/dev/null"], {
      cwd: join(bay.folder, "stack"),
      env: { ...bay.env, NO_COLOR: "", TERM: "xterm" },
    });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => (said += part));
    const ended = new Promise((resolve) => child.on("exit", resolve));
    const says = (text: string | RegExp, after = 0) =>
      eventually(() => expect(said.slice(after)).toMatch(text));
    await says("b rebuild");
    await says(/web +running/);

    child.stdin.write("b");
    await says("the image is unchanged");
    writeFileSync(join(bay.folder, "stack", "made"), "two");
    child.stdin.write("b");
    await says("rebuilt in");
    expect(bay.ok("exec", "-T", "web", "cat", "/made")).toBe("two");

    let { length } = said;
    stack("");
    await says(/This removes a service or data\. Apply it\? \[y\/N\]/, length);
    child.stdin.write("n");
    await says("so it was not applied", length);
    expect(services()).toEqual(["other", "web"]);

    ({ length } = said);
    stack("# changed\n");
    await says(/Apply it\? \[y\/N\]/, length);
    child.stdin.write("y");
    await says(/applied \d+ step/, length);
    expect(services()).toEqual(["web"]);

    child.stdin.write("q");
    expect(await ended).toBe(0);
  });
});
