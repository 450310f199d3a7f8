/** Targets of a watch on what is mounted in a container: a tmpfs, volumes, binds, and a root that is read-only. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { inContainer, treeOf, Watching } from "../support/watching.ts";

describe("watch targets on mounts", () => {
  const bay = new Bay();
  const source = join(bay.folder, "stack", "src");
  const log = join(bay.folder, "log");
  let watching: Watching | undefined;
  const put = (name: string, text: string) => writeFileSync(join(source, name), `${text}\n`);
  const inside = () => treeOf(inContainer(bay, "mounts-web-1", "/app"));
  const areEqual = () => eventually(() => expect(inside()).toEqual(treeOf(source)));
  /** What the program saw at each of its starts. */
  const starts = () => readFileSync(join(log, "starts"), "utf8").trim().split("\n");
  const stack = (more: string, volumes = "", rules = "initial_sync: true") =>
    bay.write(`name: mounts
images: { box: { rootfs: ../busybox } }
services:
  web:
    image: box
    command: sh -c 'echo $$(cat /app/*) >> /log/starts; exec sleep 100000'
    restart: always
    stop_grace_period: 0s
    network_mode: none
    volumes: ["../log:/log"${volumes}]
    develop: { watch: [{ path: src, action: sync, target: /app, ${rules} }] }
${more}`);
  const watch = async () => {
    watching = await new Watching(bay).begun();
  };

  beforeAll(() => {
    bay.busybox();
    mkdirSync(join(bay.folder, "busybox", "app"));
  });
  beforeEach(() => {
    for (const path of [source, log]) {
      rmSync(path, { recursive: true, force: true });
      mkdirSync(path, { recursive: true });
    }
    put("a", "one");
    put("b", "two");
  });
  afterEach(async () => {
    await watching?.stop();
    bay.run(["down", "-v", "-t", "0"]);
  });
  afterAll(() => bay.close());

  it("a tmpfs has all files again at each start, before the program runs", async () => {
    stack("    tmpfs: [/app]\n");
    await watch();
    expect(starts()).toEqual(["one two"]);
    await areEqual();
    put("a", "changed");
    await areEqual();
    bay.ok("restart", "-t", "0");
    expect(starts()).toEqual(["one two", "changed two"]);
    // the restart policy
    const [{ State }] = JSON.parse(bay.ok("inspect", "mounts-web-1")) as [{ State: { Pid: number } }];
    process.kill(State.Pid, "SIGKILL");
    await eventually(() => expect(starts()).toEqual(["one two", "changed two", "changed two"]));
    rmSync(join(source, "b"));
    await areEqual();
    bay.ok("up", "-d", "--force-recreate");
    expect(starts().at(-1)).toBe("changed");
    await areEqual();
  });

  it("a tmpfs below the target gets its part again, and files without initial_sync if they changed", async () => {
    mkdirSync(join(source, "sub"));
    put("sub/c", "three");
    stack("    tmpfs: [/app/sub]\n", "", "initial_sync: false");
    await watch();
    put("sub/c", "changed");
    put("a", "changed");
    await eventually(() =>
      expect(inside()).toEqual({
        a: "file 644 changed\n",
        sub: expect.stringMatching(/^directory/),
        "sub/c": "file 644 changed\n",
      }),
    );
    bay.ok("restart", "-t", "0");
    expect(inside()["sub/c"]).toBe("file 644 changed\n");
  });

  it.each([
    ["a volume", ', "data:/app"', "volumes: { data: }\n"],
    [
      "a part of a volume",
      ', { type: volume, source: data, target: /app, volume: { subpath: part/below } }, "data:/whole"',
      "volumes: { data: }\n",
    ],
    ["a bind mount", ', "../bound:/app"', ""],
  ])("%s loses what the host removed while the container was replaced", async (_what, volumes, more) => {
    const bound = join(bay.folder, "bound");
    rmSync(bound, { recursive: true, force: true });
    mkdirSync(bound);
    if (volumes.includes("subpath")) {
      // the subpath has to exist before the container starts
      stack(more, ', "data:/whole"', "initial_sync: false").ok("up", "-d");
      bay.ok("exec", "-T", "web", "mkdir", "-p", "/whole/part/below");
      bay.ok("down", "-t", "0");
    }
    stack(more, volumes);
    await watch();
    await areEqual();
    bay.ok("exec", "-T", "web", "sh", "-c", "echo own > /app/own");
    await watching!.stop();
    bay.ok("down", "-t", "0");
    rmSync(join(source, "b"));
    put("c", "three");
    await watch();
    await eventually(() => expect(inside()).toEqual({ ...treeOf(source), own: "file 644 own\n" }));
    expect(starts().at(-1)).toBe("one three own");
    // by an update while a watch runs
    rmSync(join(source, "c"));
    await eventually(() => expect(inside()).not.toHaveProperty("c"));
    bay.ok("up", "-d", "--force-recreate");
    expect(inside()).toEqual({ a: "file 644 one\n", own: "file 644 own\n" });
  });

  it("a root that is read-only has the files of initial_sync, which are written before it becomes so", async () => {
    stack("    read_only: true\n");
    await watch();
    expect(starts()).toEqual(["one two"]);
    put("a", "changed");
    expect((await watching!.next("sync-failed", 0)).message).toContain("read-only file system");
    bay.ok("restart", "-t", "0");
    expect(starts().at(-1)).toBe("changed two");
  });

  it("a container that waits for its files does not run its program when bayd is killed", async () => {
    stack("");
    await watch();
    process.kill(watching!.pid, "SIGSTOP");
    try {
      const restarted = bay.call(["restart", "-t", "0"]);
      await eventually(() => expect(isWaiting()).toBe(true));
      // the next bayd starts the container without the watch, so there must be none yet
      const bayd = bay.daemonPid();
      const [keeper] = /(?<=PPid:\s+)\d+/.exec(readFileSync(`/proc/${bayd}/status`, "utf8"))!;
      process.kill(Number(keeper), "SIGSTOP");
      process.kill(bayd, "SIGKILL");
      await restarted;
      await eventually(() => expect(isWaiting()).toBe(false));
      expect(starts().length).toBe(1);
      process.kill(Number(keeper), "SIGCONT");
    } finally {
      process.kill(watching!.pid, "SIGCONT");
    }
    await watching!.next("connected", 0);
    bay.ok("up", "-d");
    await areEqual();
    expect(starts().at(-1)).toBe("one two");
  });
});

/** Whether the container has a process that has not executed its command yet, and so has the name of its shim. */
function isWaiting(): boolean {
  const names = execFileSync("ps", ["-eo", "args"], { encoding: "utf8" }).split("\n");
  return names.filter((name) => name === "bay-shim mounts-web-1").length === 2;
}
