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

  const onTerminal = (command: string) => {
    const child = spawn("script", ["-qec", `${process.execPath} ${COMMAND} ${command}`, "/dev/null"], {
      cwd: join(bay.folder, "stack"),
      env: { ...bay.env, NO_COLOR: "", TERM: "xterm" },
    });
    const screen = { text: "" };
    child.stdout.setEncoding("utf8").on("data", (part: string) => (screen.text += part));
    return {
      screen,
      press: (keys: string) => void child.stdin.write(keys),
      ended: new Promise((resolve) => child.on("exit", resolve)),
      says: (text: string | RegExp, after = 0) =>
        eventually(() => expect(screen.text.slice(after)).toMatch(text)),
    };
  };

  it("up --watch asks on a terminal as well, and Ctrl-C stops the stack while it asks", async () => {
    stack(other);
    const { screen, press, says, ended } = onTerminal("up --watch");
    await says("Ctrl-C ends the watch");
    stack("");
    await says(/Apply it\? \[y\/N\]/);
    press("y\r");
    await says(/applied \d+ step/);
    expect(services()).toEqual(["web"]);
    const { length } = screen.text;
    stack(other);
    await says(/applied \d+ step/, length);
    stack("");
    await eventually(() => expect(screen.text.match(/Apply it\?/g)?.length).toBe(2));
    press("\x03");
    await ended;
    expect(bay.ps().filter(({ State }) => State === "running")).toEqual([]);
    stack(other);
  });

  it("rebuilds with b, and removes a service only after y", async () => {
    const { screen, press, says, ended } = onTerminal("watch");
    await says("b rebuild");
    await says(/web +running/);

    press("b");
    await says("the image is unchanged");
    writeFileSync(join(bay.folder, "stack", "made"), "two");
    press("b");
    await says("rebuilt in");
    expect(bay.ok("exec", "-T", "web", "cat", "/made")).toBe("two");

    let { length } = screen.text;
    stack("");
    await says(/This removes a service or data\. Apply it\? \[y\/N\]/, length);
    press("n");
    await says("so it was not applied", length);
    expect(services()).toEqual(["other", "web"]);

    ({ length } = screen.text);
    stack("# changed\n");
    await says(/Apply it\? \[y\/N\]/, length);
    press("y");
    await says(/applied \d+ step/, length);
    expect(services()).toEqual(["web"]);

    press("q");
    expect(await ended).toBe(0);
  });
});
