/** Names, ports and volumes that go from one container to another, or that another one still has. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { hostState } from "../support/host-state.ts";

describe("what moves between containers", () => {
  const bay = new Bay();
  let before: Record<string, string>;
  beforeAll(() => {
    before = hostState();
    bay.busybox();
  });
  beforeEach(() => void bay.run(["-p", "moves", "down", "-v", "-t", "0"], { cwd: "/" }));
  afterAll(() => bay.close());

  const head = (name: string) =>
    `name: ${name}\nimages: { box: { rootfs: ../busybox } }\nx-box: &box { image: box, init: true, stop_grace_period: 0s }\n`;
  const up = (services: string, ...args: string[]) => {
    bay.write(`${head("moves")}services:\n${services}`);
    return bay.run(["up", "-d", ...args]);
  };
  const web = (name: string, port: number) =>
    `  ${name}: { <<: *box, command: "sh -c 'mkdir /w; echo ${name} > /w/index.html; exec httpd -f -p 80 -h /w'", ports: ["${port}:80"] }\n`;
  const page = async (port: number) => (await fetch(`http://127.0.0.1:${port}/`)).text();
  const states = () => Object.fromEntries(bay.ps().map(({ Name, State }) => [Name, State]));
  const settled = { code: 0, out: "moves: nothing to do, the host matches the file\n" };

  it("two services exchange their published ports", async () => {
    expect(up(web("x", 18510) + web("y", 18511)).code).toBe(0);
    const result = up(web("x", 18511) + web("y", 18510));
    expect(result.code, result.err).toBe(0);
    await eventually(async () => expect([await page(18511), await page(18510)]).toEqual(["x\n", "y\n"]));
    expect(bay.run(["plan", "--detailed-exitcode"])).toMatchObject(settled);
  });

  it("a port goes from a service that is gone to a new one, and back by a rollback", async () => {
    expect(up(web("x", 18510)).code).toBe(0);
    const result = up(web("z", 18510), "--remove-orphans");
    expect(result.code, result.err).toBe(0);
    await eventually(async () => expect(await page(18510)).toBe("z\n"));
    const back = bay.run(["rollback"]);
    expect(back.code, back.err).toBe(0);
    await eventually(async () => expect(await page(18510)).toBe("x\n"));
    expect(states()).toEqual({ "moves-x-1": "running" });
  });

  it("a port that stays taken is an error, and others go on as they were", async () => {
    expect(up(web("x", 18510) + web("y", 18511)).code).toBe(0);
    const before = bay.ps().map(({ ID }) => ID);
    bay.write(`${head("other")}services:\n${web("z", 18510)}`);
    expect(bay.run(["up", "-d"]).err).toContain("is taken by the container moves-x-1");
    bay.ok("down", "-t", "0");
    expect(up(web("x", 18510) + web("y", 18512)).code).toBe(0);
    expect(bay.ps().map(({ ID }) => ID)).toEqual(before);
    expect([await page(18510), await page(18512)]).toEqual(["x\n", "y\n"]);
  });

  it("another container_name is another container, and its name can go on to a third", () => {
    const named = (name: string, more = "") => `  ${name}: { <<: *box, command: sleep 1000${more} }\n`;
    up(named("a"));
    expect(up(named("a", ", container_name: one")).code).toBe(0);
    expect(states()).toEqual({ one: "running" });
    up(named("a", ", container_name: two"));
    expect(states()).toEqual({ two: "running" });
    expect(up(named("b", ", container_name: two"), "--remove-orphans").code).toBe(0);
    expect(bay.ps().map(({ Name, Service }) => [Name, Service])).toEqual([["two", "b"]]);
    up(named("b"));
    expect(states()).toEqual({ "moves-b-1": "running" });
    expect(bay.run(["plan", "--detailed-exitcode"])).toMatchObject(settled);
  });

  it("a volume stays that another container has, of the stack or of another one", () => {
    const volume = "volumes: { d: { name: moves_shared } }\n";
    up(`  y: { <<: *box, command: sleep 1000, volumes: ["d:/d"] }\n${volume}`);
    up(`  z: { <<: *box, command: sleep 1000 }\n${volume}`);
    const down = bay.run(["down", "-v"]);
    expect(down.err).toContain("volumes that other containers use are kept: moves_shared");
    expect(bay.ok("volume", "ls")).toContain("moves_shared");
    bay.ok("down", "-v", "--remove-orphans");
    up(`  y: { <<: *box, command: sleep 1000, volumes: ["d:/d"] }\n${volume}`);
    bay.write(
      `${head("other")}services:\n  o: { <<: *box, command: sleep 1000, volumes: ["d:/d"] }\nvolumes: { d: { name: moves_shared, external: true } }\n`,
      "other.yaml",
    );
    bay.ok("-f", "other.yaml", "up", "-d");
    expect(bay.run(["down", "-v", "-t", "0"]).err).toContain(
      "volumes that other containers use are kept: moves_shared",
    );
    bay.ok("-f", "other.yaml", "exec", "-T", "o", "touch", "/d/still");
    bay.ok("-f", "other.yaml", "down", "-t", "0");
    bay.ok("volume", "rm", "moves_shared");
  });

  it("a version that ends at once does not take the place of one that writes to a volume", () => {
    const db = (command: string) =>
      `  db: { <<: *box, command: "sh -c '${command}'", volumes: ["d:/d"] }\nvolumes: { d: }\n`;
    up(db("sleep 1000"));
    const [old] = bay.ps();
    const result = up(db("sleep 0.2; echo no such option; exit 3"));
    expect(result.code).toBe(1);
    expect(result.err).toContain("moves-db-1: the new container ended with exit code 3\n    no such option");
    expect(bay.ps()).toMatchObject([{ ID: old!.ID, State: "running" }]);
    const absent = up('  db: { <<: *box, command: [nope], volumes: ["d:/d"] }\nvolumes: { d: }\n');
    expect(absent.err).not.toMatch(/[0-9a-f]{12}_moves/);
    expect(bay.ps()).toMatchObject([{ ID: old!.ID, State: "running" }]);
  });

  it("what is rolled back is as it was: the plan has nothing to say of it", () => {
    const web = (command: string) =>
      `  w: { <<: *box, command: "sh -c '${command}'", scale: 2, volumes: ["v:/v", "/anonymous"], deploy: { update_config: { order: start-first, failure_action: rollback } } }\nvolumes: { v: }\n`;
    up(web("sleep 1000"));
    const result = up(web("mkdir /v/a || exit 3; sleep 1000"));
    expect(result.err).toContain("moves-w-1 is rolled back to the previous revision");
    bay.write(`${head("moves")}services:\n${web("sleep 1000")}`);
    expect(bay.run(["plan", "--detailed-exitcode"])).toMatchObject(settled);
  });

  it("with several at once, one that is taken back is not said to be replaced", () => {
    const web = (command: string) =>
      `  w: { <<: *box, command: "sh -c '${command}'", scale: 2, volumes: ["v:/v"], deploy: { update_config: { order: start-first, parallelism: 2, failure_action: rollback } } }\nvolumes: { v: }\n`;
    up(web("sleep 1000"));
    // one ends at once, and the other is good a moment later
    const result = up(web("mkdir /v/one || exit 3; sleep 1000"));
    expect(result.code).toBe(1);
    expect(result.err).not.toMatch(/container moves-w-\d replaced/);
    bay.write(`${head("moves")}services:\n${web("sleep 1000")}`);
    expect(bay.run(["plan", "--detailed-exitcode"])).toMatchObject(settled);
  });

  it("an update that is interrupted in its monitor time is rolled back at once", async () => {
    const web = (mode: string) =>
      `  w: { <<: *box, command: sleep 1000, environment: { M: ${mode} }, deploy: { update_config: { order: start-first, monitor: 60s } } }\n`;
    up(web("a"));
    const [old] = bay.ps();
    bay.write(`${head("moves")}services:\n${web("b")}`);
    const child = bay.start(["up", "-d"]);
    const over = new Promise((done) => child.on("close", done));
    await eventually(() => expect(bay.ps()).toHaveLength(2));
    child.kill("SIGINT");
    await over;
    await eventually(() => expect(bay.ps()).toMatchObject([{ ID: old!.ID, State: "running" }]));
  });

  it("a paused container is resumed, and commands do not wait for one that stays paused", () => {
    const two = (more = "") =>
      `  a: { <<: *box, command: sleep 1000${more} }\n  b: { <<: *box, command: sleep 1000, depends_on: [a] }\n`;
    up(two());
    bay.ok("pause", "a");
    bay.ok("stop", "-t", "0", "b");
    expect(bay.ok("plan")).toMatch(/moves-a-1 is started\s+drift: paused/);
    const alone = bay.run(["up", "-d", "--no-deps", "b"]);
    expect(alone).toMatchObject({
      code: 1,
      err: expect.stringContaining("the dependency moves-a-1 is paused"),
    });
    expect(up(two())).toMatchObject({ code: 0 });
    expect(bay.ps().map(({ State }) => State)).toEqual(["running", "running"]);
    // also where something of it changes
    bay.ok("pause", "a");
    expect(up(two(", mem_limit: 64m"))).toMatchObject({ code: 0 });
    expect(bay.ps().map(({ State }) => State)).toEqual(["running", "running"]);
  });

  it("secrets leave nothing behind when their stack goes with all it has", () => {
    bay.write("the word", "word");
    bay.env.WORD = "of the environment";
    up(
      "  a: { <<: *box, command: sleep 1000, secrets: [word, other] }\nsecrets: { word: { file: ./word }, other: { environment: WORD } }\n",
    );
    const kept = () => readdirSync(join(bay.folder, "root", "given"));
    expect(kept()).toHaveLength(2);
    bay.write("another word", "word");
    bay.ok("up", "-d");
    expect(bay.ok("diff", "1", "2")).toContain("~ secrets.word.content: (hidden) -> (hidden)");
    expect(bay.ok("history")).toContain("secrets.word.content");
    const state = join(bay.folder, "root", "state");
    for (const name of readdirSync(state))
      expect(readFileSync(join(state, name), "latin1")).not.toContain("of the environment");
    bay.ok("rollback");
    expect(bay.ok("exec", "-T", "a", "sh", "-c", "cat /run/secrets/*")).toBe("of the environmentthe word");
    // who looks at it, or takes it down, need not know the secret; it is kept for nobody
    const cached = join(bay.folder, "run", "stacks");
    for (const name of readdirSync(cached))
      expect(readFileSync(join(cached, name), "utf8")).not.toContain("of the environment");
    delete bay.env.WORD;
    expect(bay.ps()).toHaveLength(1);
    expect(bay.run(["up", "-d"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("missing content: the secret other: the variable WORD is not set"),
    });
    bay.ok("down", "-v", "-t", "0");
    expect(kept()).toEqual([]);
  });

  it("services that share another's network and were not named are named by the plan", () => {
    const shared = (time: number) =>
      `  app: { <<: *box, command: sleep ${time} }\n  side: { <<: *box, command: sleep 1000, network_mode: service:app }\n`;
    up(shared(1000));
    expect(up(shared(2000), "app").err).toContain(
      "side shares the network of app, which is replaced: run bay up side to start it again",
    );
    expect(up(shared(2000)).code).toBe(0);
    expect(bay.run(["plan", "--detailed-exitcode"])).toMatchObject(settled);
    bay.write(
      `${head("moves")}services:\n  app: { <<: *box, command: sleep 1, deploy: { update_config: { order: start-first } } }\n  side: { <<: *box, command: sleep 1, pid: service:app }\n`,
    );
    expect(bay.run(["config", "-q"]).err).toContain("side shares a namespace of one container");
  });

  it("leaves nothing behind", async () => {
    expect(bay.run(["-p", "moves", "down", "-v", "-t", "0"], { cwd: "/" }).code).toBe(0);
    bay.ok("daemon", "stop");
    await eventually(() => expect(hostState()).toEqual(before));
  });
});
