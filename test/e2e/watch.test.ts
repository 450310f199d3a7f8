/** bay watch: its actions and options, containers made while it runs, a bayd that dies, and changed stack files. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Client } from "../../src/daemon/client.ts";
import { Bay, eventually } from "../support/bay.ts";
import { inContainer, treeOf, Watching } from "../support/watching.ts";

describe("bay watch", () => {
  const bay = new Bay();
  const source = join(bay.folder, "stack", "src");
  const put = (name: string, text: string) => {
    mkdirSync(dirname(join(source, name)), { recursive: true });
    writeFileSync(join(source, name), text);
  };
  const stack = (rules: string, more = "") =>
    bay.write(`name: seen
images: { box: { rootfs: ../busybox } }
services:
  web:
    image: box
    command: sh -c 'cat /app/a >> /log/starts; echo >> /log/starts; exec sleep 100000'
    stop_grace_period: 0s
    network_mode: none
    volumes: ["../log:/log", "../log:/fixed:ro"]
    develop:
      watch: [${rules}]
${more}`);
  const starts = () =>
    readFileSync(join(bay.folder, "log", "starts"), "utf8")
      .trim()
      .split("\n");
  const read = (path: string, name = "seen-web-1") => readFileSync(inContainer(bay, name, path), "utf8");
  let watching: Watching | undefined;
  const watch = async (...args: string[]) => {
    watching = new Watching(bay, args);
    return watching.begun();
  };

  beforeAll(() => {
    bay.busybox();
    mkdirSync(join(bay.folder, "log"), { mode: 0o777 });
    chmodSync(join(bay.folder, "log"), 0o777);
  });
  beforeEach(() => {
    rmSync(source, { recursive: true, force: true });
    mkdirSync(source, { recursive: true });
    put("a", "one");
    rmSync(join(bay.folder, "log", "starts"), { force: true });
  });
  afterEach(async () => {
    await watching?.stop();
    watching = undefined;
    bay.run(["down", "-v", "-t", "0", "--remove-orphans"]);
  });
  afterAll(() => bay.close());

  it("has all files in place before the main process starts, with initial_sync", async () => {
    stack("{ path: src, action: sync, target: /app, initial_sync: true }");
    await watch();
    expect(starts()).toEqual(["one"]);
  });

  it("removes what the host removed while no watch ran, and nothing else", async () => {
    stack("{ path: src, action: sync, target: /app, initial_sync: true, ignore: [left-out] }");
    put("folder/b", "two");
    await watch();
    const place = inContainer(bay, "seen-web-1", "/app");
    put("c", "three");
    await watching!.next("sync", 1);
    bay.ok("exec", "-T", "web", "sh", "-c", "echo own > /app/own; mkdir /app/more; echo own > /app/more/own");
    put("more/d", "four");
    await eventually(() => expect(existsSync(join(place, "more/d"))).toBe(true));
    await watching!.stop();
    process.kill(bay.daemonPid(), "SIGKILL");
    rmSync(join(source, "c"));
    rmSync(join(source, "more"), { recursive: true });
    rmSync(join(source, "folder"), { recursive: true });
    put("a", "changed");
    await watch();
    await eventually(() =>
      expect(treeOf(place)).toEqual({
        a: "file 644 changed",
        more: "directory 755",
        "more/own": "file 644 own\n",
        own: "file 644 own\n",
      }),
    );
  });

  it("leaves the files of the image alone at the start, without initial_sync", async () => {
    stack("{ path: src, action: sync, target: /app }");
    const { of, next } = bind(await watch());
    expect(of("sync")).toEqual([]);
    put("b", "two");
    await next("sync", 0);
    expect(read("/app/b")).toBe("two");
    expect(existsSync(inContainer(bay, "seen-web-1", "/app/a"))).toBe(false);
  });

  it("gives each new container all files before it starts: after an update, and with more replicas", async () => {
    stack("{ path: src, action: sync, target: /app }");
    await watch();
    put("a", "two");
    await watching!.next("sync", 0);
    bay.ok("up", "-d", "--force-recreate");
    expect(starts().at(-1)).toBe("two");
    rmSync(join(source, "a"));
    put("b", "x");
    await watching!.next("sync", 2);
    bay.ok("up", "-d", "--scale", "web=2");
    expect(treeOf(inContainer(bay, "seen-web-2", "/app"))).toEqual(treeOf(source));
    bay.ok("restart", "-t", "0", "web");
    expect(treeOf(inContainer(bay, "seen-web-1", "/app"))).toEqual(treeOf(source));
  });

  it("restarts, without and with synchronisation", async () => {
    stack(
      `{ path: src/conf, action: restart }, { path: src/a, action: sync+restart, target: /app/a, initial_sync: true }`,
    );
    put("conf", "1");
    await watch();
    put("conf", "2");
    await watching!.next("restart", 0);
    expect(starts()).toEqual(["one", "one"]);
    put("a", "two");
    await watching!.next("restart", 1);
    expect(starts()).toEqual(["one", "one", "two"]);
    expect(existsSync(inContainer(bay, "seen-web-1", "/app/conf"))).toBe(false);
  });

  it("restarts a container that has ended because of a mistake, with the corrected file", async () => {
    bay.write(`name: seen
images: { box: { rootfs: ../busybox } }
services:
  web:
    image: box
    command: sh -c 'cat /app/a >> /log/starts; echo >> /log/starts; test $$(cat /app/a) != wrong && exec sleep 100000'
    stop_grace_period: 0s
    network_mode: none
    volumes: ["../log:/log"]
    develop: { watch: [{ path: src/a, action: sync+restart, target: /app/a, initial_sync: true }] }
`);
    await watch();
    put("a", "wrong");
    await watching!.next("restart", 0);
    await eventually(() => expect(bay.ps().map(({ State }) => State)).toEqual(["exited"]));
    put("a", "corrected");
    await watching!.next("restart", 1);
    await eventually(() => expect(starts()).toEqual(["one", "wrong", "corrected"]));
    expect(bay.ps().map(({ State }) => State)).toEqual(["running"]);
  });

  it("runs the command of sync+exec after the files have arrived, as it says", async () => {
    stack(
      `{ path: src, action: sync+exec, target: /app, exec: { command: sh -c 'cat /app/a; echo $$(id -u) $$PWD $$MORE >&2; exit 3', user: "12", working_dir: /tmp, environment: { MORE: more } } }`,
    );
    await watch();
    put("a", "two\n");
    const { exitCode, output, command } = await watching!.next("exec", 0);
    expect({ exitCode, output: output.split("\n").sort() }).toEqual({
      exitCode: 3,
      output: ["", "12 /tmp more", "two"],
    });
    expect(command[0]).toBe("sh");
  });

  it("honours ignore and include", async () => {
    stack(`{ path: src, action: sync, target: /app, include: ["**/*.js", a], ignore: [skip/] }`);
    await watch();
    mkdirSync(join(source, "skip"));
    for (const name of ["skip/x.js", "x.ts", "x.js"]) put(name, "x");
    await watching!.next("sync", 0);
    put("a", "two");
    await eventually(() => expect(read("/app/a")).toBe("two"));
    expect(Object.keys(treeOf(inContainer(bay, "seen-web-1", "/app"))).sort()).toEqual(["a", "x.js"]);
  });

  it("goes on when bayd is killed, and loses nothing", async () => {
    stack("{ path: src, action: sync, target: /app, initial_sync: true }");
    await watch();
    process.kill(bay.daemonPid(), "SIGKILL");
    put("a", "while it was away");
    put("b", "new");
    await watching!.next("connected", 0);
    await eventually(() => expect(treeOf(inContainer(bay, "seen-web-1", "/app"))).toEqual(treeOf(source)));
    put("c", "after");
    await eventually(() => expect(read("/app/c")).toBe("after"));
  });

  it("does not hold up starts when the watch is killed", async () => {
    stack("{ path: src, action: sync, target: /app, initial_sync: true }");
    await watch();
    await watching!.stop("SIGKILL");
    bay.ok("restart", "-t", "0", "web");
    expect(bay.ps()[0]!.State).toBe("running");
  });

  it("says what cannot be written, and goes on", async () => {
    stack("{ path: src, action: sync, target: /fixed/x }, { path: src, action: sync, target: /app }");
    await watch();
    put("b", "x");
    expect(await watching!.next("sync-failed", 0)).toMatchObject({ service: "web", container: "seen-web-1" });
    await eventually(() => expect(read("/app/b")).toBe("x"));
  });

  it("leaves the stack running at Ctrl-C, with exit code 0", async () => {
    stack("{ path: src, action: sync, target: /app }");
    await watch();
    expect(await watching!.stop()).toBe(0);
    expect(bay.ps()[0]!.State).toBe("running");
  });

  it("does not start the stack with --no-up, and refuses what has nothing to watch", async () => {
    stack("{ path: src, action: sync, target: /app }", "  other: { image: box, command: sleep 1000 }\n");
    await watch("--no-up", "web");
    expect(bay.ps()).toEqual([]);
    expect(bay.run(["watch", "other"]).err).toContain("NO_WATCH_RULES");
    expect(bay.run(["watch", "none"]).code).not.toBe(0);
  });

  describe("a changed stack file", () => {
    it("is applied when nothing is destroyed, and new rules count", async () => {
      stack("{ path: src, action: sync, target: /app }");
      await watch();
      stack(
        "{ path: src, action: sync, target: /other, initial_sync: true }",
        "    environment: { NEW: value }\n",
      );
      expect(await watching!.next("plan", 0)).toMatchObject({ applied: true, destructive: false });
      await watching!.next("applied", 0);
      expect(bay.ok("exec", "-T", "web", "sh", "-c", "echo $NEW")).toBe("value\n");
      put("b", "x");
      await eventually(() => expect(read("/other/b")).toBe("x"));
    });

    it("is shown with its errors and their places, and applied when it is mended", async () => {
      stack("{ path: src, action: sync, target: /app }");
      const mended = readFileSync(join(bay.folder, "stack", "bay.yaml"), "utf8");
      await watch();
      bay.write(`${mended}    imagee: wrong\n`);
      expect((await watching!.next("stack-failed", 0)).message).toMatch(/bay\.yaml:\d+:\d+/);
      bay.write(`${mended}    labels: { mended: "yes" }\n`);
      await watching!.next("applied", 0);
      expect(bay.ok("inspect", "seen-web-1")).toContain('"mended": "yes"');
    });

    it("that removes a service is only shown", async () => {
      stack(
        "{ path: src, action: sync, target: /app }",
        "  other: { image: box, command: sleep 1000, network_mode: none, stop_grace_period: 0s }\n",
      );
      await watch();
      stack("{ path: src, action: sync, target: /app }");
      expect(await watching!.next("plan", 0)).toMatchObject({ applied: false, destructive: true });
      expect(
        bay
          .ps()
          .map(({ Service }) => Service)
          .sort(),
      ).toEqual(["other", "web"]);
    });

    it("includes env files and configs", async () => {
      writeFileSync(join(bay.folder, "stack", "own.env"), "FROM=one\n");
      stack("{ path: src, action: sync, target: /app }", "    env_file: own.env\n");
      await watch();
      writeFileSync(join(bay.folder, "stack", "own.env"), "FROM=two\n");
      await watching!.next("applied", 0);
      expect(bay.ok("exec", "-T", "web", "sh", "-c", "echo $FROM")).toBe("two\n");
    });
  });

  describe("rebuild", () => {
    const dockerfile = join(bay.folder, "stack", "Dockerfile");
    const withBuild = () =>
      bay.write(`name: seen
images: { box: { rootfs: ../busybox } }
services:
  web:
    build: .
    command: sleep 100000
    stop_grace_period: 0s
    network_mode: none
    develop: { watch: [{ path: src, action: rebuild }, { path: Dockerfile, action: rebuild }] }
`);

    it("ends a start with Ctrl-C, and the build with it", async () => {
      writeFileSync(dockerfile, "FROM box\nRUN sleep 76543\n");
      withBuild();
      const starting = new Watching(bay, ["web"]);
      const steps = () =>
        execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })
          .split("\n")
          .filter((line) => /^sleep 76543/.test(line));
      await eventually(() => expect(steps()).not.toEqual([]));
      expect(await starting.stop()).toBe(130);
      await eventually(() => expect(steps()).toEqual([]));
      expect(bay.ps()).toEqual([]);
    });

    it("uses a .dockerignore that has changed", async () => {
      const ignore = join(bay.folder, "stack", ".dockerignore");
      writeFileSync(dockerfile, "FROM box\n");
      writeFileSync(ignore, "src/*.log\n");
      stack("{ path: src, action: sync, target: /app, initial_sync: true }", "    build: .\n");
      put("x.log", "1");
      put("x.tmp", "1");
      await watch("web");
      const inside = () => Object.keys(treeOf(inContainer(bay, "seen-web-1", "/app"))).sort();
      expect(inside()).toEqual(["a", "x.tmp"]);
      writeFileSync(ignore, "src/*.tmp\n");
      await eventually(() => expect(inside()).toContain("x.log"));
      put("x.tmp", "2");
      put("y.log", "1");
      await eventually(() => expect(inside()).toContain("y.log"));
      expect(read("/app/x.tmp")).toBe("1");
      expect(watching!.of("plan")).toEqual([]);
      rmSync(ignore);
    });

    it("replaces the containers, keeps them when a build fails, and prunes old images", async () => {
      writeFileSync(dockerfile, "FROM box\nCOPY src /app\n");
      withBuild();
      await watch("web");
      put("a", "two");
      await watching!.next("rebuilt", 0);
      expect(read("/app/a")).toBe("two");
      writeFileSync(dockerfile, "FROM box\nCOPY src /app\nRUN false\n");
      expect((await watching!.next("build-failed", 0)).message).toMatch(/Dockerfile:3/);
      expect(read("/app/a")).toBe("two");
      writeFileSync(dockerfile, "FROM box\nCOPY src /other\n");
      await watching!.next("rebuilt", 1);
      expect(read("/other/a")).toBe("two");
      // the builds before are gone
      const client = new Client(bay.socket);
      const dangling = encodeURIComponent(JSON.stringify({ dangling: ["true"] }));
      await eventually(async () =>
        expect(await client.json("GET", `/images/json?filters=${dangling}`)).toEqual([]),
      );
    });
  });
});

function bind(watching: Watching) {
  return { of: watching.of.bind(watching), next: watching.next.bind(watching) };
}
