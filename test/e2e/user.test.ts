/** What a user sees when things go wrong around a stack, and details that were once not as in docker compose. */
import { execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually, HANGS_AFTER, jsonLines } from "../support/bay.ts";
import { freePort } from "../support/registry.ts";

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe("a stack", () => {
  const bay = new Bay();
  const write = (services: string) =>
    bay.write(`name: use\nimages: { box: { rootfs: ../busybox } }\nservices:\n${services}\n`);
  const run = (service: string, command: string) => bay.ok("exec", "-T", service, "sh", "-c", command);
  const until = (what: () => boolean) => eventually(() => expect(what()).toBe(true));
  beforeAll(() => {
    bay.busybox();
    write("  a: { image: box }");
  });
  afterAll(() => bay.close());
  afterEach(() => void bay.run(["down", "-v", "-t", "0"]));

  it("gets its links back, and says what is the matter meanwhile", async () => {
    const port = await freePort();
    write(
      `  a: { image: box, command: httpd -f -h /etc, stop_grace_period: 0s, ports: ["127.0.0.1:${port}:80"] }`,
    );
    bay.ok("up", "-d");
    const links = () => readdirSync("/sys/class/net").filter((name) => name.startsWith(`ve${bay.tag}`));
    const [link] = links();
    const answers = () => {
      try {
        execFileSync("curl", ["-sf", "-m", "1", `http://127.0.0.1:${port}/hostname`]);
        return true;
      } catch {
        return false;
      }
    };
    await until(answers);
    execFileSync("ip", ["link", "del", link!]);
    await until(() => links().includes(link!) && answers());
    execFileSync("ip", ["link", "set", link!, "down"]);
    await until(answers);
    // without a bayd that repairs, the plan says it, and up does it
    for (const [args, word] of [
      [["del", link!], "does not exist"],
      [["set", link!, "down"], "is down"],
    ] as const) {
      bay.ok("daemon", "stop");
      execFileSync("ip", ["link", ...args]);
      expect(bay.ok("plan")).toContain(`the link to use_default ${word}`);
      bay.ok("up", "-d");
      expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
      expect(answers()).toBe(true);
    }
  });

  it("keeps a port also while bayd is away, and takes one back that was stolen all the same", async () => {
    const port = await freePort();
    write(
      `  a: { image: box, command: sleep 1000, stop_grace_period: 0s, ports: ["127.0.0.1:${port}:80"] }\n  b: { image: box, command: sleep 1000, ports: ["${port}:80"] }`,
    );
    expect(bay.run(["config", "-q"]).err).toContain(`port ${port}/tcp is also published by a, on 127.0.0.1`);
    write(`  a: { image: box, command: sleep 1000, stop_grace_period: 0s, ports: ["127.0.0.1:${port}:80"] }`);
    bay.ok("up", "-d");
    expect(bay.run(["run", "--rm", "-p", `${port}:80`, "a", "true"]).err).toContain(
      "is taken by the container use-a-1",
    );
    // nobody gets it while bayd is away
    const first = bay.daemonPid();
    process.kill(first, "SIGKILL");
    const isBack = () => bay.daemonPid() !== first && existsSync(bay.socket);
    const wins = async () => {
      const thief = createServer();
      const isListening = await new Promise<boolean>((resolve) => {
        thief.once("error", () => resolve(false));
        thief.listen(port, "127.0.0.1", () => resolve(true));
      });
      thief.close();
      return isListening;
    };
    for (let tries = 0; tries < 20 || !isBack(); tries++) {
      expect(await wins()).toBe(false);
      await sleep(10);
    }
    await until(() => bay.run(["plan", "--detailed-exitcode"]).code === 0);
    expect(await wins()).toBe(false);
    // unless what keeps it is killed too
    const pid = bay.daemonPid();
    const thief = createServer();
    const notes = join(bay.folder, "run", "ports");
    for (const name of readdirSync(notes).filter((each) => each.endsWith(".json")))
      process.kill((JSON.parse(readFileSync(join(notes, name), "utf8")) as { pid: number }).pid, "SIGKILL");
    process.kill(pid, "SIGKILL");
    for (let isListening = false; !isListening; )
      isListening = await new Promise<boolean>((resolve) => {
        thief.once("error", () => setTimeout(() => resolve(false), 1));
        thief.listen(port, "127.0.0.1", () => resolve(true));
      });
    await until(() => bay.run(["ps"]).code === 0 && bay.daemonPid() !== pid);
    expect(bay.ok("plan")).toContain(`its port ${port}/tcp is taken by another program`);
    await new Promise((resolve) => thief.close(resolve));
    await until(() => bay.run(["plan", "--detailed-exitcode"]).code === 0);
    expect(readFileSync(join(bay.folder, "root", "bayd.log"), "utf8")).toContain(
      `repaired container use-a-1: port ${port}/tcp`,
    );
  });

  it("answers UDP on both families of localhost", async () => {
    const [both, six] = [await freePort(), await freePort()];
    const code =
      "const s = require('dgram').createSocket('udp4'); s.on('message', (m, r) => s.send(m, r.port, r.address)); s.bind(53)";
    bay.write(
      `name: use\nimages: { node: { host: [node] } }\nservices:\n  a: { image: node, command: [node, -e, ${JSON.stringify(code)}], stop_grace_period: 0s, ports: ["${both}:53/udp", "[::1]:${six}:53/udp"] }\n`,
    );
    bay.ok("up", "-d");
    const echo = (type: "udp4" | "udp6", address: string, port: number) =>
      new Promise<string>((resolve) => {
        const socket = createSocket(type);
        const timer = setInterval(() => socket.send("hello", port, address), 300);
        const give = (answer: string) => {
          clearInterval(timer);
          clearTimeout(late);
          socket.close();
          resolve(answer);
        };
        const late = setTimeout(() => give("nothing"), HANGS_AFTER);
        socket.on("message", (bytes) => give(bytes.toString()));
        socket.send("hello", port, address);
      });
    expect(await echo("udp4", "127.0.0.1", both)).toBe("hello");
    expect(await echo("udp6", "::1", both)).toBe("hello");
    expect(await echo("udp6", "::1", six)).toBe("hello");
  });

  it("takes what exec is given over what it has", () => {
    write(
      "  a: { image: box, command: sleep 1000, stop_grace_period: 0s, environment: { ONE: file, TWO: file } }",
    );
    bay.ok("up", "-d");
    const env = bay.ok("exec", "-T", "-e", "ONE=new", "-e", "TWO", "a", "env");
    expect(env.match(/^ONE=.*$/gm)).toEqual(["ONE=new"]);
    expect(env.match(/^TWO=.*$/gm)).toEqual(["TWO=file"]);
    expect(env.match(/^PATH=.*$/gm)!.length).toBe(1);
  });

  it("may use a device that it may not make", () => {
    write(
      '  a: { image: box, command: sleep 1000, stop_grace_period: 0s, cap_add: [SYSLOG], devices: ["/dev/kmsg:/dev/messages:r", "/dev/null:/dev/nothing:rw"] }',
    );
    bay.ok("up", "-d");
    expect(
      run(
        "a",
        "echo x > /dev/nothing && dd if=/dev/messages bs=8192 count=1 2>/dev/null | head -c 1 | wc -c",
      ).trim(),
    ).toBe("1");
    expect(bay.run(["exec", "-T", "a", "sh", "-c", "echo x > /dev/messages"]).code).not.toBe(0);
    expect(bay.run(["exec", "-T", "a", "mknod", "/tmp/other", "c", "1", "11"]).code).not.toBe(0);
  });

  it("is not less safe than it was told", () => {
    const privileges = (value: string) => {
      write(
        `  a: { image: box, command: sleep 1000, stop_grace_period: 0s, security_opt: ["no-new-privileges${value}"] }`,
      );
      return bay.run(["up", "-d"]);
    };
    for (const value of ["", ":true", "=1", ":TRUE"]) {
      expect(privileges(value).code).toBe(0);
      expect(run("a", "grep NoNewPrivs /proc/self/status")).toMatch(/1$/m);
    }
    expect(privileges(":maybe").err).toContain("no-new-privileges: expected true or false, got maybe");
  });

  it("keeps its last lines, whole, when its log is rotated", async () => {
    for (const files of [1, 3]) {
      write(
        `  a: { image: box, command: [sh, -c, "for i in $$(seq 3000); do echo this is the line number $$i; done; sleep 1000"], stop_grace_period: 0s, logging: { options: { max-size: 10k, max-file: "${files}" } } }`,
      );
      bay.ok("up", "-d");
      const lines = () => bay.ok("logs", "--no-log-prefix", "a").trim().split("\n");
      await until(() => lines().at(-1) === "this is the line number 3000");
      const kept = lines();
      expect(kept.every((line) => /^this is the line number \d+$/.test(line))).toBe(true);
      expect(kept.length).toBeLessThanOrEqual((10_240 * files) / 28 + 1);
      if (files === 3) expect(kept.length).toBeGreaterThan(10_240 / 29);
      const numbers = kept.map((line) => Number(line.split(" ").at(-1)));
      expect(numbers).toEqual(numbers.map((_, index) => 3000 - numbers.length + 1 + index));
      bay.ok("down");
    }
    write('  a: { image: box, logging: { options: { max-file: "0" } } }');
    expect(bay.run(["config", "-q"]).err).toContain("the minimum is 1");
  });

  it("continues without optional dependencies", () => {
    write(
      [
        '  sick: { image: box, command: sleep 1000, stop_grace_period: 0s, healthcheck: { test: "false", interval: 100ms, retries: 1 } }',
        "  bad: { image: box, command: sh -c 'exit 3' }",
        "  one: { image: box, command: sleep 1000, stop_grace_period: 0s, depends_on: { sick: { condition: service_healthy, required: false } } }",
        "  two: { image: box, command: sleep 1000, stop_grace_period: 0s, depends_on: { bad: { condition: service_completed_successfully, required: false } } }",
      ].join("\n"),
    );
    const { code, err } = bay.run(["up", "-d"]);
    expect([code, err]).toEqual([0, expect.stringContaining("continuing without sick")]);
    const states = Object.fromEntries(bay.ps().map(({ Service, State }) => [Service, State]));
    expect(states).toMatchObject({ one: "running", two: "running", bad: "exited" });
  });

  it("recreates only what is named", () => {
    write(
      "  db: { image: box, command: sleep 1000, stop_grace_period: 0s }\n  app: { image: box, command: sleep 1000, stop_grace_period: 0s, depends_on: [db] }",
    );
    bay.ok("up", "-d");
    const pids = () => Object.fromEntries(bay.ps().map(({ Service, Pid }) => [Service, Pid]));
    const before = pids();
    bay.ok("up", "-d", "--force-recreate", "app");
    const after = pids();
    expect(after.db).toBe(before.db);
    expect(after.app).not.toBe(before.app);
    bay.ok("up", "-d", "--force-recreate");
    expect(pids().db).not.toBe(before.db);
  });

  it("says what ended a container", async () => {
    write(
      [
        "  hog: { image: box, command: [sh, -c, 'a=x; while true; do a=$$a$$a; done'], mem_limit: 16m, memswap_limit: 16m }",
        "  plain: { image: box, command: sh -c 'exit 137' }",
        "  shot: { image: box, command: sleep 1000, stop_signal: SIGKILL }",
      ].join("\n"),
    );
    bay.ok("up", "-d");
    bay.ok("kill", "-s", "SIGKILL", "shot");
    await until(() => bay.ps().every(({ State }) => State === "exited"));
    const rows = Object.fromEntries(
      jsonLines<{ Service: string; Status: string }>(bay.ok("ps", "-a", "--format", "json")).map(
        ({ Service, Status }) => [Service, Status],
      ),
    );
    expect(rows.hog).toMatch(/^Exited \(137\) .*\(out of memory\)$/);
    expect(rows.plain).toMatch(/^Exited \(137\) .* ago$/);
    expect(rows.shot).toMatch(/^Exited \(137\) .*\(killed by SIGKILL\)$/);
    expect(bay.ok("plan")).toContain("ended with exit code 137 (out of memory)");
  });

  it("shows its output and its ends when it is in front", async () => {
    write("  a: { image: box, command: sh -c 'echo words; exit 3' }");
    const child = spawn(process.execPath, [join("dist", "bay.js"), "up"], {
      cwd: process.cwd(),
      env: { ...bay.env, COMPOSE_FILE: join(bay.folder, "stack", "bay.yaml") },
    });
    let text = "";
    child.stdout.on("data", (part: Buffer) => {
      text += part.toString();
    });
    child.stderr.on("data", (part: Buffer) => {
      text += part.toString();
    });
    await new Promise((resolve) => child.on("close", resolve));
    expect(text).toContain("use-a-1 exited with code 3");
    expect(text).toContain("words");
  });
});
