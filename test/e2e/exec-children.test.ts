/** The end of an exec, a health probe or a hook ends all that it started. */
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, ended, eventually } from "../support/bay.ts";

/** Pids on this host whose arguments are this text, or end with it. */
function processesWith(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim();
        return line === text || line.endsWith(` ${text}`);
      } catch {
        return false; // it ended
      }
    });
}

describe("the end of a command in a container", () => {
  const bay = new Bay();
  /** A number of seconds that only this test's processes sleep. */
  const sleeps = (index: number) => `sleep ${process.pid}${index}`;
  const stack = (keys: string) =>
    bay.write(`name: started
images: { box: { rootfs: ../busybox } }
services:
  a:
    image: box
    init: true
    command: sleep 1000000
${keys}`);
  beforeAll(() => void bay.busybox());
  afterAll(() => bay.close());

  it.each([
    ["a background process", 1, (sleep: string) => `${sleep} &`],
    ["a session of its own", 2, (sleep: string) => `setsid ${sleep} &`],
    ["a process whose parent has ended", 3, (sleep: string) => `(setsid sh -c "${sleep} & ${sleep} &" &)`],
    ["one without its output", 4, (sleep: string) => `setsid ${sleep} </dev/null >/dev/null 2>&1 &`],
  ])("ends %s", async (_title, index, start) => {
    stack("");
    bay.ok("up", "-d");
    const child = sleeps(index);
    const script = `${start(child)}\nuntil ps | grep -q "[0-9] root *${child}$"; do sleep 0.01; done; echo said; exit 7`;
    expect(bay.run(["exec", "-T", "a", "sh", "-c", script])).toEqual({ code: 7, out: "said\n", err: "" });
    await eventually(() => expect(processesWith(child)).toEqual([]));
    expect(bay.ps()[0]!.State).toBe("running");
    bay.ok("down", "-t", "0");
  });

  it("ends what starts processes all the time", async () => {
    stack("    pids_limit: 60\n");
    bay.ok("up", "-d");
    const marker = `bomb${process.pid}`;
    const bomb = `f() { f "$@" & f "$@" & wait; }; f ${marker}`;
    bay.run(["exec", "-T", "a", "sh", "-c", `sh -c '${bomb}' ${marker} >/dev/null 2>&1 & sleep 0.5`, marker]);
    await eventually(() => expect(processesWith(marker)).toEqual([]));
    expect(bay.ok("exec", "-T", "a", "echo", "free")).toBe("free\n");
    bay.ok("down", "-t", "0");
  });

  it("ends what a probe started, also where the probe took too long", async () => {
    const [late, left] = [sleeps(5), sleeps(6)];
    stack(
      `    healthcheck: { test: "setsid ${late} & ${left}; true", interval: 1s, timeout: 300ms, retries: 1 }\n`,
    );
    bay.ok("up", "-d");
    await eventually(() => expect(bay.ps()[0]!.Health).toBe("unhealthy"));
    for (let probe = 0; probe < 5; probe++) {
      // of each at most the one of the present probe
      await eventually(() => expect(processesWith(late).length).toBeGreaterThan(0));
      await eventually(() => expect(processesWith(late)).toEqual([]));
      expect(processesWith(left).length).toBeLessThan(2);
    }
    bay.ok("down", "-t", "0");
    expect([...processesWith(late), ...processesWith(left)]).toEqual([]);
  });

  it("ends what a hook started, also where bayd was killed before the hook ended", async () => {
    const [child, hook] = [sleeps(7), sleeps(8)];
    stack(
      `    post_start: [{ command: [sh, -c, "setsid ${child} & [ -e /again ] || { touch /again; ${hook}; }"] }]\n`,
    );
    const up = ended(bay.start(["up", "-d"]));
    await eventually(() => expect(processesWith(hook)).toHaveLength(1));
    process.kill(bay.daemonPid(), "SIGKILL");
    expect((await up).code).toBe(1);
    // the next bayd ends it and runs the hook again
    await eventually(() => expect([...processesWith(hook), ...processesWith(child)]).toEqual([]));
    bay.ok("image", "ls"); // waits until it serves
    expect(bay.ok("exec", "-T", "a", "ls", "/again")).toBe("/again\n");
    bay.ok("down", "-t", "0");
  });

  it("is waited for by the next bayd where a client started the command", async () => {
    stack("");
    bay.ok("up", "-d");
    const [child, main] = [sleeps(9), sleeps(10)];
    bay.ok("exec", "-d", "a", "sh", "-c", `setsid ${child} & ${main} & touch /begun; wait $!`);
    await eventually(() => expect(processesWith(main)).toHaveLength(1));
    process.kill(bay.daemonPid(), "SIGKILL");
    bay.ok("up", "-d");
    expect(processesWith(child)).toHaveLength(1);
    process.kill(processesWith(main)[0]!, "SIGTERM");
    await eventually(() => expect(processesWith(child)).toEqual([]));
    // and one that ended while there was no bayd
    bay.ok("exec", "-d", "a", "sh", "-c", `setsid ${child} & ${main} & wait $!`);
    await eventually(() => expect(processesWith(main)).toHaveLength(1));
    bay.ok("daemon", "stop");
    process.kill(processesWith(main)[0]!, "SIGTERM");
    bay.ok("up", "-d");
    await eventually(() => expect(processesWith(child)).toEqual([]));
    bay.ok("down", "-t", "0");
  });
});
