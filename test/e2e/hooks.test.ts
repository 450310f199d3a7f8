/** post_start and pre_stop: commands in a container after its start and before its stop. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";

describe("hooks", () => {
  const bay = new Bay();
  const shared = join(bay.folder, "shared");
  const said = () => readFileSync(join(shared, "log"), "utf8");
  const write = (keys: string) =>
    bay.write(`name: hooked
images: { box: { rootfs: ../busybox } }
services:
  a:
    image: box
    command: sh -c 'trap "echo ended >> /shared/log; exit 0" TERM; echo begun >> /shared/log; while :; do sleep 0.1; done'
    environment: { OWN: one }
    stop_grace_period: 3s
    volumes: ["${shared}:/shared"]
${keys}`);
  beforeAll(() => void bay.busybox());
  beforeEach(() => {
    rmSync(shared, { recursive: true, force: true });
    mkdirSync(shared, { mode: 0o777 });
  });
  afterAll(() => bay.close());

  it("run after the start and before the stop, as who and where they say", () => {
    write(`    post_start:
      - command: [sh, -c, "echo started $$OWN $$MORE $$(id -u) $$(pwd) >> /shared/log"]
        environment: { MORE: two }
        working_dir: /tmp
      - { command: sh -c "id -u > /shared/user", user: "0:0" }
    pre_stop: [{ command: [sh, -c, "sleep 0.3; echo stopping >> /shared/log"] }]
`);
    bay.ok("up", "-d");
    expect(said().split("\n").sort().slice(1)).toEqual(["begun", "started one two 0 /tmp"]);
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
    bay.ok("restart", "-t", "3");
    expect(
      said()
        .split("\n")
        .filter((line) => line.startsWith("started")).length,
    ).toBe(2);
    bay.ok("down");
    expect(said().trim().split("\n").slice(-2)).toEqual(["stopping", "ended"]);
  });

  it("that fail say so, with what they said, and the stop goes on", () => {
    write(`    post_start: [{ command: sh -c "echo it went wrong; exit 3" }]
    pre_stop: [{ command: /no/such }]
`);
    const { code, err, out } = bay.run(["up", "-d"]);
    expect(code).toBe(1);
    expect(out + err).toContain("the post_start hook sh ended with exit code 3\n  it went wrong");
    expect(bay.ps()[0]!.State).toBe("running");
    bay.ok("down");
    expect(said()).toContain("ended");
    expect(bay.log()).toContain("the pre_stop hook /no/such could not be run");
  });

  it("take no longer before a stop than the stop may, and none where it must be at once", () => {
    write(`    pre_stop: [{ command: sleep 100000 }]
`);
    bay.ok("up", "-d");
    bay.ok("stop", "-t", "1");
    expect(said()).toContain("ended");
    bay.ok("start");
    bay.ok("down", "-t", "0");
  });

  it("of a container that is paused continue later, and keep no other operation waiting", async () => {
    write(`    post_start: [{ command: sh -c "echo hook >> /shared/log; until test -e /shared/go; do sleep 0.1; done; echo done >> /shared/log" }]
`);
    const up = bay.call(["up", "-d"]);
    await eventually(() => expect(said()).toContain("hook"));
    bay.ok("pause");
    const { code, out, err } = await up;
    expect([code, out + err]).toEqual([
      1,
      expect.stringContaining("was paused while its post_start hooks ran"),
    ]);
    bay.ok("unpause");
    writeFileSync(join(shared, "go"), "");
    await eventually(() => expect(said()).toContain("done"));
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
    bay.ok("down", "-t", "0");
  });

  it("run again where bayd was killed before they ended", async () => {
    write(`    post_start: [{ command: sh -c "echo hook >> /shared/log; sleep 1; echo done >> /shared/log" }]
`);
    const up = bay.start(["up", "-d"]);
    await eventually(() => expect(said()).toContain("hook"));
    process.kill(bay.daemonPid(), "SIGKILL");
    await new Promise((resolve) => up.once("exit", resolve));
    bay.ok("image", "ls");
    await eventually(() => expect(said().match(/done/g)?.length).toBeGreaterThan(0));
    expect(said().match(/hook/g)?.length).toBe(2);
    bay.ok("down", "-t", "0");
  });

  it("are compared: a new pre_stop changes in place, and variables are shown by name alone", () => {
    const keys = (start: string, stop: string) =>
      write(`    post_start: [{ command: "true", environment: { A: "${start}" } }]
    pre_stop: [{ command: "true", environment: { B: "${stop}" } }]
`);
    keys("one", "one");
    bay.ok("up", "-d");
    keys("one", "two");
    const plan = bay.ok("plan");
    expect(plan).toContain("~ container hooked-a-1 changes in place");
    expect(plan).toContain('services.a.pre_stop: ["true"] with B -> ["true"] with B');
    keys("two", "one");
    expect(bay.ok("plan")).toContain("-/+ container hooked-a-1 is replaced");
    bay.ok("down", "-t", "0");
  });
});
