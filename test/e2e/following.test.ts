/** `logs -f` and a foreground `up` stay with the services, whatever happens to their containers. */
import type { ChildProcess } from "node:child_process";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";

describe("following services", () => {
  const bay = new Bay();
  const children: ChildProcess[] = [];
  const script =
    "h=$$(hostname); echo start; i=0; while :; do i=$$((i+1)); echo tick $$i of $$h; sleep 0.2; done";
  const write = (more = "") =>
    bay.write(`name: followed
images: { box: { rootfs: ../busybox } }
services:
  one: { image: box, init: true, stop_grace_period: 0s, command: [sh, -c, "${script}"]${more} }
  two: { image: box, init: true, stop_grace_period: 0s, command: sleep 1000000 }
`);
  beforeAll(() => {
    bay.busybox();
    write();
    bay.ok("create");
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });
  afterAll(() => bay.close());

  function start(...args: string[]) {
    const child = bay.start(args);
    children.push(child);
    const seen = { text: "", code: undefined as number | null | undefined };
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (part: string) => (seen.text += part));
    child.on("close", (code) => (seen.code = code));
    const lines = (part: string) => seen.text.split("\n").filter((line) => line.includes(part));
    return { child, seen, lines };
  }

  it.each([
    ["the stack", []],
    ["a service", ["one"]],
  ])("logs -f of %s shows restarts, replacements, new replicas, and goes on while bayd restarts", async (_name, services) => {
    write();
    bay.ok("up", "-d");
    const { seen, lines } = start("logs", "-f", "-n", "0", ...services);
    await eventually(() => expect(lines("one-1 | tick").length).toBeGreaterThan(0));
    expect(lines("start")).toEqual([]);
    bay.ok("restart", "-t", "0", "one");
    await eventually(() => expect(lines("one-1 | start")).toHaveLength(1));
    bay.ok("stop", "-t", "0", "one");
    bay.ok("start", "one");
    await eventually(() => expect(lines("one-1 | start")).toHaveLength(2));
    write(", environment: { A: b }");
    bay.ok("up", "-d");
    await eventually(() => expect(lines("one-1 | start")).toHaveLength(3));
    bay.ok("up", "-d", "--scale", "one=2");
    await eventually(() => expect(lines("one-2 | start")).toHaveLength(1));
    process.kill(bay.daemonPid(), "SIGKILL");
    bay.ok("up", "-d", "--scale", "one=2");
    bay.ok("restart", "-t", "0", "one");
    await eventually(() => expect(lines("one-2 | start")).toHaveLength(2));
    await eventually(() => expect(lines("one-1 | start")).toHaveLength(4));
    expect(seen.code).toBeUndefined();
    // each line once, and none missing: every run of each container counts from one
    const ticks = [...seen.text.matchAll(/tick (\d+) of (\w+)/g)];
    for (const container of new Set(ticks.map((match) => match[2]))) {
      const numbers = ticks.filter((match) => match[2] === container).map((match) => Number(match[1]));
      const isInOrder = (number: number, index: number) =>
        index === 0 || number === 1 || number === numbers[index - 1]! + 1;
      expect(numbers.every(isInOrder), numbers.join(" ")).toBe(true);
    }
    bay.ok("down", "-t", "0");
  });

  it("up in the foreground shows restarts and new replicas, and ends when all are stopped", async () => {
    write();
    const { seen, lines } = start("up", "one");
    await eventually(() => expect(lines("one-1 | tick").length).toBeGreaterThan(0));
    bay.ok("restart", "-t", "0", "one");
    await eventually(() => expect(lines("one-1 | start")).toHaveLength(2));
    bay.ok("up", "-d", "--scale", "one=2", "one");
    await eventually(() => expect(lines("one-2 | tick").length).toBeGreaterThan(0));
    bay.ok("up", "-d", "--scale", "one=1", "--force-recreate", "one");
    await eventually(() => expect(lines("one-1 | start")).toHaveLength(3));
    expect(seen.code).toBeUndefined();
    bay.ok("stop", "-t", "0", "one");
    await eventually(() => expect(seen.code).toBe(0));
    expect(lines("exited with code 1").length).toBeGreaterThan(0);
    bay.ok("down", "-t", "0");
  });

  it("up in the foreground shows the last output of what ends, also without a newline", async () => {
    bay.write(`name: followed
images: { box: { rootfs: ../busybox } }
services:
  job: { image: box, command: [sh, -c, "seq 20000; printf end; exit 3"] }
  side: { image: box, init: true, stop_grace_period: 0s, command: sleep 1000000 }
`);
    const { seen, lines } = start("up", "--exit-code-from", "job");
    await eventually(() => expect(seen.code).toBe(3));
    expect(lines("job-1  | ")).toHaveLength(20_001);
    expect(seen.text).toContain("job-1  | end\n");
    expect(bay.ps().map(({ State }) => State)).toEqual(["exited", "exited"]);
    bay.ok("down", "-t", "0");
  });

  it("Ctrl-C stops the stack of a foreground up, and ends logs -f alone", async () => {
    write();
    const up = start("up");
    await eventually(() => expect(up.lines("one-1 | tick").length).toBeGreaterThan(0));
    const logs = start("logs", "-f");
    await eventually(() => expect(logs.lines("one-1 | tick").length).toBeGreaterThan(0));
    logs.child.kill("SIGINT");
    await eventually(() => expect(logs.seen.code).not.toBeUndefined());
    expect(bay.ps().map(({ State }) => State)).toEqual(["running", "running"]);
    up.child.kill("SIGINT");
    await eventually(() => expect(up.seen.code).toBe(130));
    expect(bay.ps().map(({ State }) => State)).toEqual(["exited", "exited"]);
    bay.ok("down", "-t", "0");
  });
});
