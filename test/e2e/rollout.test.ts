/** Rolling updates under load: four containers, asked all the time through their published ports and by their name. */
import { writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually, HANGS_AFTER, type PsRow, sleep } from "../support/bay.ts";
import { hostState } from "../support/host-state.ts";

const FIRST_PORT = 18280;
const REPLICAS = 4;

/** It may fail as long as a slow machine takes to start the server; another probe is wrong at once. */
const HTTP = "wget -q -O /dev/null 127.0.0.1";
interface Version {
  version?: string;
  probe?: string;
  deploy?: string;
  /** Whether the probe may fail while the server starts. */
  mayFail?: boolean;
}
const stack = ({ version = "one", probe = HTTP, deploy = "", mayFail = probe === HTTP }: Version = {}) => `
name: roll
images: { box: { rootfs: ../busybox } }
services:
  web:
    image: box
    command: sh -c 'mkdir -p /www; echo ${version} > /www/index.html; exec httpd -f -p 80 -h /www'
    environment: { VERSION: ${version} }
    init: true
    scale: ${REPLICAS}
    stop_grace_period: 2s
    ports: ["127.0.0.1:${FIRST_PORT}-${FIRST_PORT + REPLICAS - 1}:80"]
    healthcheck: { test: "${probe}", interval: 1s, retries: 2, start_interval: 1s, start_period: ${mayFail ? "5m" : "0s"} }
    ${deploy}
  client:
    image: box
    init: true
    stop_grace_period: 0s
    depends_on: { web: { condition: service_healthy } }
    command:
      - sh
      - -c
      - |
        while true; do
          answer=$$(wget -q -O- http://web/ 2>&1) || echo "FAIL $$answer"
          echo "$$answer"
          sleep 0.02
        done
`;

/** Asks the published ports in turn, each time by a new connection, until it is stopped. */
class Load {
  readonly answers = new Map<string, number>();
  readonly failures: string[] = [];
  #isOver = false;
  readonly #ended: Promise<void>;

  constructor() {
    this.#ended = this.#run();
  }

  async #run(): Promise<void> {
    for (let turn = 0; !this.#isOver; turn++) {
      try {
        const answer = await ask(FIRST_PORT + (turn % REPLICAS));
        this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
      } catch (error) {
        this.failures.push(String(error));
      }
      await sleep(3);
    }
  }

  /** Waits until this is answered as often again as would take each port several times. */
  async hears(answer: string): Promise<void> {
    const before = this.answers.get(answer) ?? 0;
    await eventually(() => expect(this.answers.get(answer) ?? 0).toBeGreaterThan(before + 10 * REPLICAS));
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#ended;
  }
}

const ask = (port: number) =>
  new Promise<string>((resolve, reject) => {
    const request = get({ host: "127.0.0.1", port, agent: false, timeout: HANGS_AFTER }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => resolve(`${response.statusCode} ${text.trim()}`));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.on("timeout", () => request.destroy(new Error("no answer in time")));
  });

describe("a rolling update", () => {
  const bay = new Bay();
  let before: Record<string, string>;
  beforeAll(() => {
    before = hostState();
    bay.busybox();
    bay.write(stack());
    bay.ok("up", "-d", "--wait");
  });
  afterAll(() => bay.close());

  const webs = () => bay.ps().filter(({ Service }) => Service === "web");
  const ids = (rows: PsRow[]) => rows.map(({ ID }) => ID).sort();
  const said = () =>
    bay
      .ok("logs", "--no-log-prefix", "client")
      .split("\n")
      .filter((line) => line !== "");

  it("to a new version fails no request, neither by port nor by name", async () => {
    const old = webs();
    bay.write(stack({ version: "two" }));
    expect(bay.ok("plan")).toContain("no interruption: the new container is ready before the old one stops");
    const load = new Load();
    await load.hears("200 one");
    const up = await bay.call(["up", "-d"]);
    expect(up.code, up.err).toBe(0);
    await load.hears("200 two");
    await eventually(() => expect(said()).toContain("two"));
    await load.end();
    expect(load.failures).toEqual([]);
    expect([...load.answers.keys()].sort()).toEqual(["200 one", "200 two"]);
    const lines = said();
    expect(lines.filter((line) => line !== "one" && line !== "two")).toEqual([]);
    expect(new Set(lines)).toEqual(new Set(["one", "two"]));
    const fresh = webs();
    expect(fresh.map(({ Name }) => Name).sort()).toEqual([1, 2, 3, 4].map((number) => `roll-web-${number}`));
    expect(ids(fresh).filter((id) => ids(old).includes(id))).toEqual([]);
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
  });

  it("to a version that never gets healthy is rolled back, says why, and fails no request", async () => {
    const old = ids(webs());
    bay.write(stack({ version: "three", probe: "echo it is broken; false" }));
    const load = new Load();
    await load.hears("200 two");
    const up = await bay.call(["up", "-d"]);
    await load.hears("200 two");
    await load.end();
    expect(up.code).toBe(1);
    expect(up.err).toContain("roll-web-1: the new container is unhealthy: it is broken");
    expect(up.err).toContain("the previous container keeps running");
    expect(load.failures).toEqual([]);
    expect([...load.answers.keys()]).toEqual(["200 two"]);
    expect(said().filter((line) => line !== "one" && line !== "two")).toEqual([]);
    expect(ids(webs())).toEqual(old);
  });

  it("that fails on its way takes back what it had done", async () => {
    const old = ids(webs());
    // the first one leaves a mark, by which the second one fails
    const probe = "mkdir -p /marks/$$(hostname); test $$(ls /marks | wc -l) -le 1";
    const deploy = "deploy: { update_config: { order: start-first, failure_action: rollback } }";
    bay.write(stack({ version: "four", probe, deploy: `${deploy}\n    volumes: ["./marks:/marks"]` }));
    const load = new Load();
    const up = await bay.call(["up", "-d"]);
    await load.end();
    expect(up.code).toBe(1);
    expect(up.err).toContain("roll-web-2: the new container is unhealthy");
    expect(up.err).toContain(
      "the previous container keeps running; roll-web-1 is rolled back to the previous revision",
    );
    expect([...load.answers.keys()].sort()).toEqual(["200 four", "200 two"]);
    expect(load.failures).toEqual([]);
    await eventually(() => expect(webs()).toHaveLength(REPLICAS));
    for (const number of [0, 1, 2, 3]) expect(await ask(FIRST_PORT + number)).toBe("200 two");
    expect(ids(webs()).filter((id) => old.includes(id))).toHaveLength(REPLICAS - 1);
  });

  it("goes by update_config: several at once, with a pause between them", async () => {
    const deploy =
      "deploy: { update_config: { order: start-first, parallelism: 2, delay: 1s, monitor: 500ms } }";
    bay.write(stack({ version: "five", deploy }));
    const load = new Load();
    const began = Date.now();
    const up = await bay.call(["up", "-d"]);
    await load.end();
    expect(up.code, up.err).toBe(0);
    expect(Date.now() - began).toBeGreaterThan(1000);
    expect(load.failures).toEqual([]);
    for (const number of [0, 1, 2, 3]) expect(await ask(FIRST_PORT + number)).toBe("200 five");
  });

  it("with stop-first ends the old one first, and brings it back where the new one fails", async () => {
    const deploy =
      "deploy: { update_config: { order: stop-first, parallelism: 0, failure_action: rollback } }";
    bay.write(stack({ version: "six", deploy, probe: "false" }));
    expect(bay.ok("plan")).toContain("downtime: up to 2s to stop, then until it is healthy again");
    const old = ids(webs());
    const up = await bay.call(["up", "-d"]);
    expect(up.code).toBe(1);
    expect(ids(webs())).toEqual(old);
    for (const number of [0, 1, 2, 3]) expect(await ask(FIRST_PORT + number)).toBe("200 five");
  });

  it("that was interrupted by a kill of bayd is repaired by the next one", async () => {
    // it is not healthy before the test says so
    const deploy = 'volumes: ["./gate:/gate"]';
    bay.write(stack({ version: "seven", probe: "test -e /gate/open", deploy, mayFail: true }));
    const up = bay.start(["up", "-d"]);
    const over = new Promise((done) => up.on("close", done));
    await eventually(() => expect(bay.ps().length).toBeGreaterThan(REPLICAS + 1));
    process.kill(bay.daemonPid(), "SIGKILL");
    await over;
    writeFileSync(join(bay.folder, "stack", "gate", "open"), "");
    expect(bay.ok("plan")).toContain("left by an interrupted update");
    bay.ok("up", "-d");
    expect(webs()).toHaveLength(REPLICAS);
    for (const number of [0, 1, 2, 3]) expect(await ask(FIRST_PORT + number)).toBe("200 seven");
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
  });

  it("leaves nothing behind", async () => {
    bay.ok("down", "-v", "-t", "0");
    bay.ok("daemon", "stop");
    await eventually(() => expect(hostState()).toEqual(before));
  });
});
