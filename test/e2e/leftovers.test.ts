/** What a kill -9 of bayd, or of a client, leaves on the host: each kind by itself. The leak test tries them in all mixtures. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { HEADER } from "../../src/linux/program-format.ts";
import { Bay, eventually, sleep } from "../support/bay.ts";
import { ask, askFor, rawRequest, sendRaw } from "../support/engine.ts";
import { descriptorsOf, useOf } from "../support/host-use.ts";

/** Milliseconds after which a client that waits for an answer gives up. */
const PATIENCE = 60_000;
const BOX = "image: box, command: sleep 1000, stop_grace_period: 0s";
const stack = (services: string) =>
  `name: rest\nimages: { box: { rootfs: ../busybox } }\nservices:\n${services}`;

describe("nothing is left", () => {
  const bay = new Bay();
  beforeAll(() => void bay.busybox());
  afterEach(() => void bay.run(["down", "-v", "--remove-orphans", "-t", "0"]));
  afterAll(() => bay.close());

  const answers = () => eventually(async () => expect((await ask(bay, "GET", "/_ping")).status).toBe(200));
  /** Processes of the bay whose arguments are these. */
  const pidsOf = (words: string) =>
    useOf(bay)
      .processes.filter((each) => each.words === words)
      .map(({ pid }) => pid);

  /** The descriptors of bayd by kind, without those that come and go. */
  async function least(): Promise<Record<string, number>> {
    let found = descriptorsOf(bay);
    for (let sample = 0; sample < 40; sample++) {
      await sleep(50);
      const now = descriptorsOf(bay);
      found = Object.fromEntries(
        Object.entries(found).flatMap(([kind, count]) =>
          now[kind] === undefined ? [] : [[kind, Math.min(count, now[kind])]],
        ),
      );
    }
    return found;
  }

  /** Kills bayd, and keeps the next one from starting until the action is done. */
  async function betweenTwoDaemons(action: () => void = () => {}): Promise<void> {
    const [keeper] = pidsOf("bay-keeper");
    const daemon = bay.daemonPid();
    process.kill(keeper!, "SIGSTOP");
    try {
      process.kill(daemon, "SIGKILL");
      await eventually(() => expect(pidsOf("bayd")).toEqual([]));
      action();
    } finally {
      process.kill(keeper!, "SIGCONT");
    }
    await eventually(() => expect(bay.daemonPid()).not.toBe(daemon));
    await answers();
  }

  it("of the probes and hooks that a killed bayd waited for; a client's command goes on", async () => {
    const health = "healthcheck: { test: sleep 3001, interval: 100ms, timeout: 1h }";
    bay.write(stack(`  a: { ${BOX}, ${health}, post_start: [{ command: [sleep, "3002"] }] }\n`));
    const up = bay.start(["up", "-d"]);
    await eventually(() => expect(pidsOf("sleep 3002")).toHaveLength(1));
    up.kill("SIGKILL");
    await eventually(() => expect(pidsOf("sleep 3001")).toHaveLength(1));
    bay.ok("exec", "-d", "a", "sleep", "3003");
    const before = ["sleep 3001", "sleep 3002", "sleep 3003"].flatMap(pidsOf);
    await betweenTwoDaemons();
    await eventually(() => expect(pidsOf("sleep 3001")).toHaveLength(1));
    const [probe, hook, command] = before;
    const after = useOf(bay).processes.map(({ pid }) => pid);
    expect(after).not.toContain(probe);
    expect(after).not.toContain(hook);
    expect(after).toContain(command);
    const execs = ["sleep 3001", "sleep 3002", "sleep 3003"].flatMap(pidsOf);
    expect(readdirSync(join(bay.folder, "run", "execs"))).toHaveLength(execs.length);
  });

  it("of a link that its running container lost", async () => {
    bay.write(stack(`  a: { ${BOX} }\n`)).ok("up", "-d");
    const link = `ve${bay.tag}00000000`;
    const [known] = useOf(bay).links.filter((name) => name.startsWith("ve"));
    await betweenTwoDaemons(() => {
      const pid = String(bay.ps()[0]!.Pid);
      execFileSync("ip", ["link", "add", link, "type", "veth", "peer", "name", "lost", "netns", pid]);
    });
    expect(useOf(bay).links.filter((name) => name.startsWith("ve"))).toEqual([known]);
  });

  it("of a keeper of ports that was started and not yet noted", async () => {
    bay.write(stack(`  a: { ${BOX}, ports: ["80"] }\n`)).ok("up", "-d");
    const before = pidsOf("bay-ports");
    expect(before).toHaveLength(1);
    const directory = join(bay.folder, "run", "ports");
    await betweenTwoDaemons(() => {
      for (const name of readdirSync(directory)) if (name.endsWith(".json")) rmSync(join(directory, name));
    });
    expect(pidsOf("bay-ports")).toHaveLength(1);
    expect(pidsOf("bay-ports")).not.toEqual(before);
    expect(readdirSync(directory)).toHaveLength(2);
  });

  it("of two keepers where several commands start bayd at once", async () => {
    bay.write(stack(`  a: { ${BOX} }\n`)).ok("up", "-d");
    for (let round = 0; round < 3; round++) {
      bay.ok("daemon", "stop");
      const ends = await Promise.all(Array.from({ length: 4 }, () => bay.call(["up", "-d"])));
      expect(ends.map(({ code, err }) => (code === 0 ? "" : err))).toEqual(["", "", "", ""]);
      expect(pidsOf("bay-keeper")).toHaveLength(1);
    }
  });

  it("of a keeper that a client started, and was killed before it noted its start time", () => {
    bay.write(stack(`  a: { ${BOX} }\n`)).ok("up", "-d");
    const file = join(bay.folder, "run", "keeper");
    const program = readFileSync(file);
    program.writeBigUInt64LE(0n, HEADER.shimStart);
    writeFileSync(file, program, { flag: "r+" });
    bay.ok("down");
    bay.ok("daemon", "stop");
    expect(useOf(bay).processes).toEqual([]);
  });

  it("of the anonymous volumes of a container that could not be made", async () => {
    bay.write(stack(`  a: { ${BOX} }\n`)).ok("up", "-d");
    // the folder of the second cannot be made
    const { code, err } = bay.run([
      "run",
      "--rm",
      "-T",
      "-v",
      "/own",
      "-v",
      "/dev/null/none:/b",
      "a",
      "true",
    ]);
    expect([code, err]).toEqual([1, expect.stringContaining("/dev/null/none")]);
    expect(await askFor(bay, "GET", "/volumes")).toMatchObject({ Volumes: [] });
    expect(useOf(bay).files["root/volumes"]).toEqual([]);
  });

  it("of a copy whose client disconnected before it began", async () => {
    bay.write(stack(`  a: { ${BOX}, network_mode: none }\n`)).ok("up", "-d");
    const id = bay.ps()[0]!.ID;
    const usual = await least();
    for (let round = 0; round < 20; round++) {
      await sendRaw(bay, rawRequest("GET", `/containers/${id}/archive?path=/bin`), "at once", PATIENCE);
      await sendRaw(bay, rawRequest("GET", `/containers/${id}/export`), "at once", PATIENCE);
      const upload = `PUT /containers/${id}/archive?path=/tmp HTTP/1.1\r\nHost: bay\r\nContent-Length: 9\r\n\r\n`;
      await sendRaw(bay, upload, "at once", PATIENCE);
    }
    await eventually(async () => expect(await least()).toEqual(usual));
  });

  it("of an exec that waits for input, when its client is killed with output unread", async () => {
    bay.write(stack(`  a: { ${BOX} }\n`)).ok("up", "-d");
    const { Id } = (await askFor<{ Id: string }>(bay, "POST", `/containers/${bay.ps()[0]!.ID}/exec`, {
      AttachStdin: true,
      AttachStdout: true,
      Cmd: ["sh", "-c", "yes | head -c 3000000; cat; sleep 0"],
    }))!;
    const start = rawRequest("POST", `/exec/${Id}/start`, JSON.stringify({ Detach: false, Tty: false }));
    const client = connect({ path: bay.socket });
    client.on("error", () => {});
    client.write(start);
    client.on("readable", () => {}); // fills its buffer, and takes nothing from it
    await eventually(() =>
      expect(client.readableLength).toBeGreaterThanOrEqual(client.readableHighWaterMark),
    );
    client.destroy();
    await eventually(async () =>
      expect(await askFor(bay, "GET", `/exec/${Id}/json`)).toMatchObject({ Running: false }),
    );
  });

  it("of the pipes of build steps that could not begin", () => {
    bay.write(stack(`  a: { ${BOX} }\n`)).ok("up", "-d");
    bay.write("FROM scratch\nCOPY . /\nUSER unknown\nRUN true\n", "Dockerfile.unknown");
    const build = () =>
      bay.run(["image", "build", "-q", "-t", "rest/app", "-f", "Dockerfile.unknown", "../busybox"]);
    expect(build().err).toContain("unknown");
    const pipes = () => descriptorsOf(bay).pipe ?? 0;
    const before = pipes();
    for (let round = 0; round < 6; round++) expect(build().code).not.toBe(0);
    expect(pipes()).toBeLessThan(before + 6);
  });
});
