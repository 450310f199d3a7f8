import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Bay, COMMAND, eventually, jsonLines } from "../support/bay.ts";
import { nft } from "../support/nft.ts";

const stack = (services: string) =>
  `name: cmd\nimages: { box: { rootfs: ../busybox } }\nservices:\n${services}`;
const SLEEP = "  a: { image: box, command: sleep 1000, stop_grace_period: 0s }\n";

describe("commands", () => {
  const bay = new Bay();
  beforeAll(() => void bay.busybox());
  afterAll(() => bay.close());
  afterEach(() => void bay.run(["down", "-v", "--remove-orphans", "-t", "0"]));

  it("exec gives a real terminal of the right size, and the exit code", () => {
    bay.write(stack(SLEEP)).ok("up", "-d");
    const command = `stty rows 33 cols 111; ${process.execPath} ${COMMAND} exec a sh -c 'tty; stty size; exit 3'`;
    // script(1) types an end of input into its terminal, so its own input never ends
    const held = `mkfifo input; script -qec "$0" /dev/null <> input`;
    const { status, stdout } = spawnSync("sh", ["-c", held, command], {
      cwd: `${bay.folder}/stack`,
      env: bay.env,
      encoding: "utf8",
    });
    expect(stdout).toMatch(/\/dev\/pts\/\d+\r+\n33 111\r+\n/);
    expect(status).toBe(3);
  });

  it("a container with a terminal keeps it over its supervisor's death", async () => {
    bay
      .write(stack("  t: { image: box, command: sh, tty: true, stdin_open: true, stop_grace_period: 0s }\n"))
      .ok("up", "-d");
    const say = async (text: string, answer: string) => {
      const child = bay.start(["attach", "t"]);
      child.stdin.write(`${text}\n`);
      await eventually(() =>
        expect(bay.run(["logs", "--no-log-prefix", "t"]).out).toContain(`${answer}\r\n`),
      );
      child.kill();
    };
    await say("echo $((20 + 1))", "21");
    const pid = bay.ps()[0]!.Pid;
    const daemon = bay.daemonPid();
    process.kill(daemon, "SIGKILL");
    await eventually(() => expect(bay.daemonPid()).not.toBe(daemon));
    await eventually(() => expect(bay.ps()[0]!.Pid).toBe(pid));
    await say("echo $((20 + 2))", "22");
  });

  it("a terminal is left by the detach keys, and what runs in it goes on", async () => {
    bay
      .write(stack("  t: { image: box, command: sh, tty: true, stdin_open: true, stop_grace_period: 0s }\n"))
      .ok("up", "-d");
    const left = bay.start(["attach", "--detach-keys", "ctrl-a,d", "t"]);
    const code = new Promise((resolve) => left.on("exit", resolve));
    left.stdin.write("echo $((40 + 2))\n\x01d");
    expect(await code).toBe(0);
    expect(bay.run(["logs", "--no-log-prefix", "t"]).out).toContain("42\r\n");
    expect(bay.ps()[0]!.State).toBe("running");
  });

  it("a range of published ports gives each container one of its own", () => {
    const web =
      '  w: { image: box, command: sleep 1000, stop_grace_period: 0s, ports: ["18431-18433:80"] }\n';
    bay.write(stack(web)).ok("up", "-d", "--scale", "w=3");
    const ports = () =>
      bay
        .ps()
        .map(({ Publishers }) => Publishers[0]!.PublishedPort)
        .sort();
    expect(ports()).toEqual([18431, 18432, 18433]);
    const { code, err } = bay.run(["up", "-d", "--scale", "w=4"]);
    expect([code, err]).toEqual([1, expect.stringContaining("all ports from 18431 to 18433 are taken")]);
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(2); // one replica, as the file says
    bay.ok("up", "-d");
    expect(ports()).toEqual([18431]);
  });

  it("a tail shows an unfinished last line, and follows it", async () => {
    bay.write(
      stack(
        `  a: { image: box, command: "sh -c 'echo one; printf que; until [ -e /go ]; do sleep 0.05; done; echo stion; sleep 1000'", stop_grace_period: 0s }\n`,
      ),
    );
    bay.ok("up", "-d");
    const written = `${bay.folder}/root/containers/${bay.ps()[0]!.ID}/logs/1.out`;
    await eventually(() => expect(readFileSync(written, "utf8")).toBe("one\nque"));
    const follower = bay.start(["logs", "-f", "--tail", "1", "--no-log-prefix", "a"]);
    let seen = "";
    follower.stdout.on("data", (part) => (seen += part));
    await eventually(() => expect(seen).toBe("que"));
    bay.ok("exec", "a", "touch", "/go");
    await eventually(() => expect(seen).toBe("question\n"));
    follower.kill();
  });

  it("up in the foreground shows logs, and ends with a service's code", () => {
    bay.write(stack(`${SLEEP}  job: { image: box, command: "sh -c 'sleep 0.5; echo worked; exit 6'" }\n`));
    const { code, out } = bay.run(["up", "--exit-code-from", "job"]);
    expect(out).toContain("job-1 | worked");
    expect(code).toBe(6);
    expect(bay.ps().map(({ State }) => State)).toEqual(["exited", "exited"]);
  });

  it("depends_on waits for completion, and a failed dependency stops what needs it", () => {
    bay.write(
      stack(
        `  init: { image: box, command: "sh -c 'sleep 0.3; exit 0'" }\n  a: { image: box, command: sleep 1000, stop_grace_period: 0s, depends_on: { init: { condition: service_completed_successfully } } }\n`,
      ),
    );
    bay.ok("up", "-d");
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
    bay.ok("down", "-v");
    bay.write(
      stack(
        `  init: { image: box, command: "sh -c 'exit 5'" }\n  a: { image: box, command: sleep 1000, depends_on: { init: { condition: service_completed_successfully } } }\n`,
      ),
    );
    const { code, err } = bay.run(["up", "-d"]);
    expect([code, err]).toEqual([
      1,
      expect.stringContaining("the dependency cmd-init-1 ended with exit code 5"),
    ]);
  });

  it("a kept plan is applied, and refused when the host has moved on", () => {
    bay.write(stack(SLEEP)).ok("plan", "-o", "kept");
    bay.ok("apply", "kept");
    expect(bay.ps()).toHaveLength(1);
    const { code, err } = bay.run(["apply", "kept"]);
    expect([code, err]).toEqual([1, expect.stringContaining("the host has changed since the plan was made")]);
  });

  it("a taken port is an error that names its owner, and no program can take a published one", async () => {
    const server = createServer().listen(18282);
    bay.write(
      stack(
        '  a: { image: box, command: httpd -f -p 80 -h /etc, ports: ["18282:80"], stop_grace_period: 0s }\n',
      ),
    );
    const { code, err } = bay.run(["up", "-d"]);
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/port 0\.0\.0\.0:18282\/tcp is taken by .*\(pid \d+\)/),
    ]);
    await new Promise((done) => server.close(done));
    bay.ok("up", "-d");
    const taken = await new Promise<string>((done) => {
      const second = createServer()
        .on("error", (error) => done((error as { code?: string }).code ?? ""))
        .listen(18282, () => second.close(() => done("listened")));
    });
    expect(taken).toBe("EADDRINUSE");
  });

  it("an image may serve DNS on 0.0.0.0:53 itself", async () => {
    bay
      .write(`name: cmd
images: { node: { host: [node] } }
services:
  a: { image: node, stop_grace_period: 0s, command: [node, -e, "require('dgram').createSocket('udp4').bind(53, '0.0.0.0', () => console.log('serves'))"] }
  b: { image: node, stop_grace_period: 0s, command: [node, -e, "setInterval(() => {}, 1000)"] }
`)
      .ok("up", "-d");
    await eventually(() => expect(bay.ok("logs", "a")).toContain("serves"));
    const lookup = "require('dns').lookup('b', (error, address) => console.log(error ?? address))";
    expect(bay.ok("exec", "-T", "a", "node", "-e", lookup)).toMatch(/^172\./);
  });

  it("scale, orphans, create, rm and wait do what docker compose does", () => {
    bay.write(stack(`${SLEEP}  old: { image: box, command: sleep 1000, stop_grace_period: 0s }\n`));
    bay.ok("up", "-d", "--scale", "a=3");
    expect(bay.ps().map(({ Name }) => Name)).toEqual(["cmd-a-1", "cmd-a-2", "cmd-a-3", "cmd-old-1"]);
    bay.write(stack(SLEEP));
    expect(bay.run(["up", "-d"]).err).toContain("cmd-old-1");
    bay.ok("up", "-d", "--remove-orphans");
    expect(bay.ps().map(({ Name }) => Name)).toEqual(["cmd-a-1"]);
    bay.ok("stop");
    bay.ok("rm", "-f");
    bay.ok("create");
    expect(bay.ps()[0]!.State).toBe("created");
    bay.ok("start");
    bay.ok("kill", "-s", "KILL");
    expect(bay.run(["wait", "a"]).code).toBe(137);
  });

  it("stacks on one host with two roots do not touch each other", async () => {
    const other = new Bay();
    try {
      other.busybox();
      bay.write(stack(SLEEP)).ok("up", "-d");
      other.write(stack(SLEEP)).ok("up", "-d");
      const pid = bay.ps()[0]!.Pid;
      other.ok("down", "-v");
      expect(bay.ps()[0]).toMatchObject({ Pid: pid, State: "running" });
      expect(nft("list", "tables")).toContain(`bay_${bay.tag}`);
    } finally {
      other.close();
    }
  });

  it("networks and aliases change on the live container", () => {
    const services = (a: string) =>
      stack(
        `  a: { image: box, command: sleep 1000, stop_grace_period: 0s, ports: ["18090:80"], networks: ${a} }\n  b: { image: box, command: sleep 1000, stop_grace_period: 0s, networks: [one, two] }\nnetworks: { one: , two: { internal: true } }\n`,
      );
    bay.write(services("[one]")).ok("up", "-d");
    const pid = () => bay.ps().find(({ Service }) => Service === "a")!.Pid;
    const before = pid();
    const change = (networks: string) => {
      bay.write(services(networks));
      expect(bay.ok("plan")).toContain("~ container cmd-a-1 changes in place");
      bay.ok("up", "-d");
      expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
      expect(pid()).toBe(before);
      return bay.ok("exec", "-T", "a", "sh", "-c", "ip -o -4 addr; ip route; cat /etc/hosts");
    };
    const both = change("{ one: { aliases: [first] }, two: { aliases: [second] } }");
    expect(both).toMatch(/eth0[\s\S]*eth1[\s\S]*default via/);
    for (const name of ["first", "second"]) bay.ok("exec", "-T", "b", "nslookup", name);
    const inner = change("{ two: { aliases: [third] } }");
    expect(inner).not.toContain("eth0");
    expect(inner).not.toContain("default via");
    bay.ok("exec", "-T", "b", "nslookup", "third");
    expect(bay.run(["exec", "-T", "b", "nslookup", "first"]).code).not.toBe(0);
    expect(change("[one, two]")).toContain("default via");
    bay.ok("exec", "-T", "b", "ping", "-c", "1", "-W", "2", "a");
  });

  it("a network is replaced with what is on it, and one of another stack's containers keeps it", () => {
    const services = "  a: { image: box, command: sleep 1000, stop_grace_period: 0s, volumes: [/keep] }\n";
    const withNetwork = (options: string) => stack(`${services}networks: { default: ${options} }\n`);
    bay.write(stack(services)).ok("up", "-d");
    bay.ok("exec", "-T", "a", "touch", "/keep/this");
    bay.write(withNetwork("{ ipam: { config: [{ subnet: 10.123.45.0/24 }] }, driver_opts: { mtu: 1400 } }"));
    const { out } = bay.run(["plan"]);
    expect(out).toContain("-/+ network cmd_default is replaced");
    expect(out).toMatch(/networks.default.ipam.subnet: \S+ -> 10.123.45.0\/24/);
    expect(out).toContain("networks.default.driver_opts.mtu: (none) -> 1400");
    bay.ok("up", "-d");
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
    expect(bay.ok("exec", "-T", "a", "ip", "addr", "show", "eth0")).toMatch(
      /mtu 1400[\s\S]*10\.123\.45\.2\/24/,
    );
    expect(bay.ok("exec", "-T", "a", "ls", "/keep")).toBe("this\n");
    bay.write(
      `name: other\nimages: { box: { rootfs: ../busybox } }\nservices:\n  b: { image: box, command: sleep 1000, stop_grace_period: 0s }\nnetworks: { default: { external: true, name: cmd_default } }\n`,
      "other.yaml",
    );
    bay.ok("-f", "other.yaml", "up", "-d");
    bay.write(withNetwork("{ internal: true }"));
    expect(bay.run(["up", "-d"]).err).toContain(
      "cannot change the network cmd_default: other-b-1 of another stack uses it",
    );
    bay.ok("-f", "other.yaml", "down");
    bay.ok("up", "-d");
    expect(bay.run(["exec", "-T", "a", "ip", "route"]).out).not.toContain("default");
  });

  it("cp reaches the volumes of a stopped container, and puts no directory over a file", () => {
    const service = `  a: { image: box, command: sleep 1000, stop_grace_period: 0s, volumes: ["data:/data"] }\n`;
    bay.write(`${stack(service)}volumes: { data: }\n`).ok("up", "-d");
    bay.write("kept\n", "note.txt");
    bay.ok("stop", "a");
    bay.ok("cp", "note.txt", "a:/data/");
    bay.ok("start", "a");
    expect(bay.ok("exec", "-T", "a", "cat", "/data/note.txt")).toBe("kept\n");
    expect(bay.run(["cp", "a:/data", "note.txt"]).err).toContain("is an existing file");
    expect(readFileSync(`${bay.folder}/stack/note.txt`, "utf8")).toBe("kept\n");
    expect(bay.run(["cp", ".", "a:/data/note.txt"]).err).toContain("is a file in the container");
    expect(bay.run(["cp", "note.txt", "a:/nothere/"]).err).toContain("no directory /nothere/");
    expect(bay.run(["cp", "a:/data/note.txt", "nothere/x"]).err).toContain("does not exist");
  });

  it("run --rm leaves nothing, and a signal reaches what runs", async () => {
    bay.write(stack(SLEEP));
    bay.ok("run", "--rm", "-d", "a", "true");
    await eventually(() => expect(bay.ps()).toEqual([]));
    const child = bay.start([
      "run",
      "--rm",
      "-T",
      "a",
      "sh",
      "-c",
      "trap 'exit 9' INT; echo up; while :; do sleep 0.1; done",
    ]);
    await new Promise((done) => child.stdout.once("data", done));
    const code = new Promise((done) => child.on("close", done));
    child.kill("SIGINT");
    expect(await code).toBe(9);
    expect(bay.ps()).toEqual([]);
  });

  it("a container that shares another's network is restarted with it", () => {
    const services = `${SLEEP}  b: { image: box, command: sleep 1000, stop_grace_period: 0s, network_mode: "service:a" }\n`;
    bay.write(stack(services)).ok("up", "-d");
    const address = (service: string) => bay.ok("exec", "-T", service, "cat", "/sys/class/net/eth0/address");
    expect(address("b")).toBe(address("a"));
    bay.ok("restart", "a");
    expect(address("b")).toBe(address("a"));
    bay.ok("restart");
    expect(address("b")).toBe(address("a"));
    bay.ok("stop");
    bay.ok("start");
    expect(address("b")).toBe(address("a"));
    bay.ok("stop", "a");
    bay.ok("start", "a");
    expect(bay.ok("plan")).toContain("shares the network of an earlier run of cmd-a-1");
    bay.ok("up", "-d");
    expect(address("b")).toBe(address("a"));
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
  });

  it("an interrupted up starts no further steps", async () => {
    const waits = "depends_on: { slow: { condition: service_healthy } }";
    bay.write(
      stack(
        `  slow: { image: box, command: sleep 1000, stop_grace_period: 0s, healthcheck: { test: "test -e /ready", interval: 100ms, retries: 1000 } }\n  late: { image: box, command: sleep 1000, ${waits} }\n`,
      ),
    );
    const child = bay.start(["up", "-d"]);
    await new Promise<void>((done, fail) => {
      let said = "";
      child.stderr.on("data", (bytes) => {
        said += bytes;
        if (said.includes("waiting for slow")) done();
      });
      child.on("close", () => fail(new Error(said)));
    });
    child.kill("SIGINT");
    await new Promise((done) => child.on("close", done));
    bay.ok("exec", "-T", "slow", "touch", "/ready");
    await eventually(() =>
      expect(bay.ps().find(({ Service }) => Service === "slow")!.Health).toBe("healthy"),
    );
    await new Promise((done) => setTimeout(done, 1500));
    expect(bay.ps().find(({ Service }) => Service === "late")?.State ?? "created").toBe("created");
  });

  it("ps and ls tell the truth while bayd is not running", async () => {
    bay.write(stack(`${SLEEP}  b: { image: box, command: "true" }\n`)).ok("up", "-d");
    await eventually(() => expect(bay.ps().map(({ State }) => State)).toEqual(["running", "exited"]));
    const before = bay.ps().map(({ ID, State, Pid }) => [ID, State, Pid]);
    bay.ok("daemon", "stop");
    const { out, err } = bay.run(["ps", "-a", "--format", "json"]);
    expect(err).toContain("bayd is not running");
    expect(
      jsonLines<{ ID: string; State: string; Pid: number }>(out).map(({ ID, State, Pid }) => [
        ID,
        State,
        Pid,
      ]),
    ).toEqual(before);
    expect(bay.ok("ls")).toContain("cmd");
    expect(existsSync(bay.socket)).toBe(false);
    bay.ok("up", "-d");
  });

  it("daemon stop says how many containers keep running", () => {
    bay.write(stack(`${SLEEP}${SLEEP.replace("a:", "b:")}  done: { image: box, command: "true" }\n`));
    bay.ok("up", "-d", "--wait", "a", "b");
    expect(bay.ok("daemon", "stop")).toMatch(/^bayd stopped\. 2 containers keep running\. /);
    bay.ok("up", "-d", "a"); // starts bayd
    bay.ok("stop", "b");
    expect(bay.ok("daemon", "stop")).toMatch(/^bayd stopped\. 1 container keeps running\. /);
    bay.ok("up", "-d", "done");
    bay.ok("stop");
    expect(bay.ok("daemon", "stop")).toBe("bayd stopped.\n");
    expect(bay.ok("daemon", "stop")).toBe("bayd was not running\n");
    bay.ok("up", "-d");
    bay.ok("down");
    expect(bay.ok("daemon", "stop")).toBe("bayd stopped.\n");
  });

  it("config prints a file that can be read again", () => {
    bay.write(stack(SLEEP));
    const printed = bay.ok("config");
    expect(printed).toContain("name: cmd\nservices:\n  a:\n    image: box\n");
    expect(bay.run(["-f", "-", "config"], { input: printed }).out).toBe(printed);
  });

  it("a volume is filled from the image, and an anonymous one survives a replacement", () => {
    bay
      .write(
        stack(
          '  a: { image: box, command: sleep 1000, stop_grace_period: 0s, volumes: ["data:/etc", "/keep"] }\nvolumes: { data: }\n',
        ),
      )
      .ok("up", "-d");
    expect(bay.ok("exec", "-T", "a", "cat", "/etc/passwd")).toContain("app:x:1000");
    bay.ok("exec", "-T", "a", "touch", "/keep/this");
    bay.ok("up", "-d", "--force-recreate");
    expect(bay.ok("exec", "-T", "a", "ls", "/keep")).toBe("this\n");
    bay.ok("up", "-d", "--force-recreate", "-V");
    expect(bay.ok("exec", "-T", "a", "ls", "/keep")).toBe("");
  });

  it("everything is there again after a reboot", async () => {
    bay
      .write(
        stack(
          "  a: { image: box, command: sleep 1000, restart: always, stop_grace_period: 0s }\n  b: { image: box, command: sleep 1000, stop_grace_period: 0s }\n",
        ),
      )
      .ok("up", "-d");
    const pids = bay.ps().map(({ Pid }) => Pid);
    bay.ok("daemon", "stop");
    for (const pid of pids) process.kill(pid, "SIGKILL");
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      if (!existsSync(`/proc/${pid}/cmdline`)) continue;
      if (readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("bay-shim cmd-"))
        process.kill(Number(pid), "SIGKILL");
    }
    execFileSync("sh", [
      "-c",
      `for f in ${bay.folder}/run/netns/*; do umount -l $f; done; rm -rf ${bay.folder}/run; nft delete table ip bay_${bay.tag}; for l in $(ls /sys/class/net | grep bay${bay.tag}); do ip link del $l; done`,
    ]);
    const daemon = bay.start(["daemon", "run"]);
    await eventually(() => {
      const rows = Object.fromEntries(
        bay.ps().map(({ Service, State, ExitCode }) => [Service, `${State} ${ExitCode}`]),
      );
      expect(rows).toEqual({ a: "running 0", b: "exited 255" });
    });
    bay.ok("exec", "-T", "a", "nslookup", "a");
    bay.ok("down", "-v");
    daemon.kill();
  });
});
