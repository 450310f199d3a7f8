import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { hostState } from "../support/host-state.ts";
import { nft } from "../support/nft.ts";

const stack = (options: { memory?: string; restart?: string; port?: number; command?: string } = {}) => `
name: demo
images:
  box: { rootfs: ../busybox }
services:
  a:
    image: box
    command: ${options.command ?? "sh -c 'while true; do echo tick; sleep 0.2; done'"}
    mem_limit: ${options.memory ?? "32m"}
    restart: ${options.restart ?? "always"}
    ports: ["${options.port ?? 18080}:80"]
    networks: { front: { aliases: [first] } }
    stop_grace_period: 1s
  b:
    image: box
    command: httpd -f -p 80 -h /etc
    networks: [front, back]
    links: ["a:linked"]
    stop_signal: SIGKILL
  alone:
    image: box
    command: sleep 1000
    networks: [back]
    init: true
    stop_grace_period: 5s
networks:
  front:
  back: { internal: true }
`;

describe("a stack", () => {
  const bay = new Bay();
  let before: Record<string, string>;
  beforeAll(() => {
    before = hostState();
    bay.busybox();
    bay.write(stack()).ok("up", "-d");
  });
  afterAll(() => bay.close());
  const pid = (service: string) => bay.ps().find(({ Service }) => Service === service)!.Pid;

  it.each([
    ["a memory limit", { memory: "64m" }, "services.a.mem_limit: 32m -> 64m"],
    [
      "the restart policy",
      { memory: "64m", restart: "on-failure:3" },
      "services.a.restart: always -> on-failure:3",
    ],
    [
      "a published port",
      { memory: "64m", restart: "on-failure:3", port: 18081 },
      "services.a.ports: 18080:80 -> 18081:80",
    ],
  ])("changes %s on the live container, in one step that names both values", (_, options, reason) => {
    const old = pid("a");
    bay.write(stack(options));
    const plan = bay.ok("plan");
    expect(plan).toContain(reason);
    expect(plan).toContain("Plan: 0 to add, 1 to change, 0 to replace, 0 to remove");
    bay.ok("up", "-d");
    expect(pid("a")).toBe(old);
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
  });

  it("replaces exactly the container whose command changed", () => {
    const [a, b] = [pid("a"), pid("b")];
    bay.write(stack({ command: "sleep 1000" }));
    expect(bay.ok("plan")).toContain("-/+ container demo-a-1 is replaced");
    bay.ok("up", "-d");
    expect(pid("b")).toBe(b);
    expect(pid("a")).not.toBe(a);
  });

  it("resolves names and aliases on common networks only", () => {
    const resolve = (service: string, name: string) => bay.run(["exec", "-T", service, "nslookup", name]);
    expect(resolve("b", "first").out).toMatch(/Name:.*\n.*Address: *\d/);
    expect(resolve("b", "linked").out).toMatch(/Name:.*\n.*Address: *\d/);
    expect(resolve("b", "demo-alone-1").code).toBe(0);
    expect(resolve("a", "alone").out).not.toMatch(/Name:.*\n.*Address: *1/);
    expect(bay.ok("exec", "-T", "a", "wget", "-q", "-O-", "http://b/hostname")).not.toBe("");
  });

  it("keeps networks apart", () => {
    const address = bay.ok("exec", "-T", "alone", "hostname", "-i").trim();
    const { code } = bay.run(["exec", "-T", "a", "sh", "-c", `nc -w 1 ${address} 80 </dev/null`]);
    expect(code).not.toBe(0);
  });

  it("gives exec's exit code, input and user", () => {
    expect(bay.run(["exec", "-T", "a", "sh", "-c", "exit 7"]).code).toBe(7);
    expect(bay.run(["exec", "-T", "a", "cat"], { input: "through\n" }).out).toBe("through\n");
    expect(
      bay.ok("exec", "-T", "-u", "app", "-w", "/tmp", "-e", "X=1", "a", "sh", "-c", "id -u; pwd; echo $X"),
    ).toBe("1000\n/tmp\n1\n");
    expect(bay.run(["exec", "-T", "a", "nothere"]).code).toBe(127);
    expect(bay.run(["exec", "-T", "a", "/etc/passwd"]).code).toBe(126);
  });

  it("copies files both ways", () => {
    bay.write("content\n", "file.txt");
    bay.ok("cp", "file.txt", "a:/tmp/");
    expect(bay.ok("exec", "-T", "a", "cat", "/tmp/file.txt")).toBe("content\n");
    bay.ok("cp", "file.txt", "a:/tmp/there");
    expect(bay.ok("exec", "-T", "a", "cat", "/tmp/there")).toBe("content\n");
    bay.ok("cp", "a:/tmp/there", "back");
    expect(readFileSync(`${bay.folder}/stack/back`, "utf8")).toBe("content\n");
    expect(bay.run(["cp", "a:/nothere", "x"]).err).toContain("/nothere is not in the container");
  });

  it("runs one-off commands", () => {
    expect(
      bay.run(["run", "--rm", "-T", "-e", "A=b", "alone", "sh", "-c", "cat; echo $A; exit 4"], {
        input: "in\n",
      }),
    ).toMatchObject({ code: 4, out: "in\nb\n" });
    expect(bay.ps().map(({ Name }) => Name)).toEqual(["demo-a-1", "demo-alone-1", "demo-b-1"]);
  });

  it("shows logs with names, and the last lines", async () => {
    bay.write(stack({ command: "sh -c 'echo out; echo err >&2; sleep 1000'" })).ok("up", "-d");
    await eventually(() => expect(bay.ok("logs", "a")).toBe("a-1 | out\n"));
    expect(bay.run(["logs", "--no-log-prefix", "a"]).err).toBe("err\n");
    const last = bay.run(["logs", "-t", "--tail", "1", "a"]);
    expect(last.out + last.err).toMatch(/^a-1 \| \d{4}-\d\d-\d\dT\S+Z err\n$/);
  });

  it("pauses, restarts, kills and stops", async () => {
    bay.ok("pause", "b");
    expect(bay.ps().find(({ Service }) => Service === "b")!.State).toBe("paused");
    bay.ok("unpause", "b");
    const old = pid("b");
    bay.ok("restart", "b");
    expect(pid("b")).not.toBe(old);
    bay.ok("kill", "-s", "KILL", "b");
    await eventually(() =>
      expect(bay.ps().find(({ Service }) => Service === "b")).toMatchObject({
        State: "exited",
        ExitCode: 137,
      }),
    );
    bay.ok("stop", "alone"); // its init forwards SIGTERM: it is not killed at the end of the grace period
    expect(bay.ps().find(({ Service }) => Service === "alone")).toMatchObject({
      State: "exited",
      ExitCode: 143,
    });
    bay.ok("up", "-d");
  });

  it("is spoken to by the docker CLI", async (context) => {
    try {
      execFileSync("docker", ["--version"]);
    } catch {
      return context.skip("the docker CLI is not installed");
    }
    const docker = (...args: string[]) =>
      execFileSync("docker", ["-H", `unix://${bay.socket}`, ...args], { encoding: "utf8" });
    expect(docker("ps", "--format", "{{.Names}}").trim().split("\n").sort()).toEqual([
      "demo-a-1",
      "demo-alone-1",
      "demo-b-1",
    ]);
    expect(docker("inspect", "-f", "{{.State.Status}} {{.Config.Labels}}", "demo-b-1")).toContain(
      "com.docker.compose.service:b",
    );
    expect(docker("logs", "demo-a-1")).toContain("out");
    expect(docker("exec", "demo-a-1", "echo", "hello")).toBe("hello\n");
    expect(docker("top", "demo-b-1")).toContain("httpd");
    expect(docker("stats", "--no-stream", "--format", "{{.Name}}", "demo-b-1").trim()).toBe("demo-b-1");
    docker("pause", "demo-b-1");
    docker("unpause", "demo-b-1");
    docker("restart", "demo-b-1");
    docker("stop", "demo-b-1");
    expect(docker("wait", "demo-b-1").trim()).toBe("137");
    docker("start", "demo-b-1");
    docker("kill", "demo-b-1");
    const events = docker("events", "--since", "1m", "--until", "0s", "--format", "{{.Action}}");
    for (const action of ["pause", "unpause", "restart", "kill", "die"]) expect(events).toContain(action);
    bay.ok("up", "-d");
  });

  it("is repaired: a killed process, rules, a link, a limit", async () => {
    const rules = () => nft("list", "tables");
    const table = `bay_${bay.tag}`;
    process.kill(pid("a"), "SIGKILL");
    nft("delete", "table", "ip", table);
    await eventually(() => {
      expect(rules()).toContain(table);
      expect(bay.ps().find(({ Service }) => Service === "a")!.State).toBe("running");
    });
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
  });

  it("keeps running without its supervisor, which restarts and knows what happened", async () => {
    const [a, daemon] = [pid("a"), bay.daemonPid()];
    const exec = bay.ok("run", "-d", "alone", "sh", "-c", "sleep 1; exit 9").trim();
    process.kill(daemon, "SIGKILL");
    expect(() => process.kill(a, 0)).not.toThrow();
    await eventually(() => expect(bay.daemonPid()).not.toBe(daemon));
    await eventually(() => expect(pid("a")).toBe(a));
    await eventually(() =>
      expect(bay.ps().find(({ Name }) => Name === exec)).toMatchObject({ State: "exited", ExitCode: 9 }),
    );
    bay.ok("exec", "-T", "b", "nslookup", "first");
  });

  it("goes down without a trace", async () => {
    bay.ok("down", "-v", "-t", "1");
    bay.ok("daemon", "stop");
    await eventually(() => expect(hostState()).toEqual(before));
  });
});
