/** /proc of a container shows its limits by lxcfs, also after lxcfs was restarted. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";

/** lxcfs, mounted at a directory of the test's own. */
class Lxcfs {
  #process: ChildProcess | undefined;

  readonly #folder = mkdtempSync(join(tmpdir(), "bay-lxcfs-"));
  readonly directory = join(this.#folder, "mounted");

  constructor() {
    mkdirSync(this.directory);
  }

  async start(): Promise<void> {
    const child = spawn("lxcfs", ["-f", "-l", "-p", `${this.directory}.pid`, this.directory], {
      stdio: "ignore",
    });
    this.#process = child;
    await eventually(() => expect(existsSync(join(this.directory, "proc/meminfo"))).toBe(true));
  }

  /** As its service does: the file system is unmounted, and what other mounts show of it is gone. */
  async stop(): Promise<void> {
    const ended = once(this.#process!, "exit");
    this.#process!.kill();
    await ended;
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true });
  }

  signal(name: NodeJS.Signals): void {
    this.#process!.kill(name);
  }
}

describe.skipIf(!existsSync("/dev/fuse"))("/proc of a container (needs /dev/fuse)", () => {
  const bay = new Bay();
  const lxcfs = new Lxcfs();
  const config = join(bay.folder, "config");
  bay.env.BAY_CONFIG = config;
  const settings = (more: object = {}) =>
    writeFileSync(join(config, "daemon.json"), JSON.stringify({ lxcfs: lxcfs.directory, ...more }));
  const service = (more = "") =>
    `{ image: box, init: true, command: [sleep, "1000"], stop_grace_period: 0s, network_mode: none, mem_limit: 64m, cpuset: "0", ${more} }`;
  const stack = (services: string) =>
    bay.write(`name: limits\nimages: { box: { rootfs: ../busybox } }\nservices:\n${services}`);
  const inside = (name: string, command: string) => bay.ok("exec", "-T", name, "sh", "-c", command).trim();
  const memory = (name: string) => inside(name, "grep MemTotal /proc/meminfo").replace(/\s+/g, " ");
  const LIMIT = "MemTotal: 65536 kB";
  const hosts = () => /MemTotal.*/.exec(readFileSync("/proc/meminfo", "utf8"))![0].replace(/\s+/g, " ");

  beforeAll(async () => {
    mkdirSync(config);
    settings();
    bay.busybox();
    await lxcfs.start();
  });
  afterAll(async () => {
    bay.close();
    await lxcfs.close();
  });

  it("shows the container's memory, processors and uptime where the service says so", () => {
    stack(`  own: ${service("x-bay: { proc: limits }")}\n  other: ${service()}\n`).ok("up", "-d");
    expect(memory("own")).toBe(LIMIT);
    expect(memory("other")).toBe(hosts());
    expect(inside("own", "grep -c ^processor /proc/cpuinfo; grep -c '^cpu[0-9]' /proc/stat")).toBe("1\n1");
    expect(inside("own", "cat /sys/devices/system/cpu/online")).toBe("0");
    const uptime = (text: string) => Number(text.split(" ")[0]);
    expect(uptime(inside("own", "cat /proc/uptime"))).toBeLessThan(
      uptime(readFileSync("/proc/uptime", "utf8")) - 1,
    );
    // they cannot be written, and what bay masks stays masked
    expect(bay.run(["exec", "-T", "own", "sh", "-c", "echo 1 > /proc/meminfo"]).code).not.toBe(0);
    expect(inside("own", "wc -c < /proc/keys")).toBe("0");
  });

  it("gives the kernel's files while lxcfs does not run, and those of the next lxcfs", async () => {
    await lxcfs.stop();
    await eventually(() => expect(memory("own")).toBe(hosts()));
    await lxcfs.start();
    await eventually(() => expect(memory("own")).toBe(LIMIT));
    // also where bayd did not see the restart
    process.kill(bay.daemonPid(), "SIGSTOP");
    await lxcfs.stop();
    await lxcfs.start();
    process.kill(bay.daemonPid(), "SIGKILL");
    await eventually(() => expect(memory("own")).toBe(LIMIT));
    expect(inside("own", "grep -c lxcfs /proc/mounts")).toBe(
      String(inside("own", "grep lxcfs /proc/mounts | cut -d' ' -f2 | sort -u").split("\n").length),
    );
  });

  it("is the host's where the setting of bayd says limits and the service says host", () => {
    settings({ proc: "limits" });
    bay.ok("daemon", "reload");
    stack(
      `  own: ${service()}\n  other: ${service("x-bay: { proc: host }")}\n  mount: ${service("volumes: ['../given:/proc/uptime:ro']")}\n`,
    );
    writeFileSync(join(bay.folder, "given"), "given\n");
    bay.ok("up", "-d", "--force-recreate");
    expect([memory("own"), memory("other")]).toEqual([LIMIT, hosts()]);
    // a mount of the file wins
    expect(inside("mount", "cat /proc/uptime")).toBe("given");
    expect(memory("mount")).toBe(LIMIT);
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
  });

  it("is the kernel's after a restart of lxcfs if the setting is host again", async () => {
    settings();
    bay.ok("daemon", "reload");
    expect(memory("own")).toBe(LIMIT);
    await lxcfs.stop();
    await lxcfs.start();
    await eventually(() => expect(memory("own")).toBe(hosts()));
    settings({ proc: "limits" });
    bay.ok("daemon", "reload");
  });

  it("is the host's where the container has the host's /proc and /sys as mounts", () => {
    stack(`  own: ${service("volumes: ['/proc:/proc', '/sys:/sys:ro'], x-bay: { proc: limits }")}\n`);
    bay.ok("up", "-d", "--remove-orphans");
    expect(memory("own")).toBe(hosts());
    expect(inside("own", "ls /sys/fs/cgroup | wc -l")).not.toBe("0");
    stack(`  own: ${service()}\n`).ok("up", "-d");
    expect(memory("own")).toBe(LIMIT);
  });

  it("is an error if lxcfs does not answer, and the container before it keeps running", async () => {
    lxcfs.signal("SIGSTOP");
    try {
      const { code, err } = bay.run(["up", "-d", "--force-recreate", "own"]);
      expect([code, err]).toEqual([1, expect.stringContaining("lxcfs does not answer")]);
      expect(bay.ps().find(({ Service }) => Service === "own")?.State).toBe("running");
    } finally {
      lxcfs.signal("SIGCONT");
    }
    bay.ok("up", "-d", "--force-recreate", "own");
    await lxcfs.stop();
    const { code, err } = bay.run(["up", "-d", "--force-recreate", "own"]);
    expect([code, err]).toEqual([1, expect.stringContaining(`lxcfs is not mounted at ${lxcfs.directory}`)]);
    await lxcfs.start();
    bay.ok("up", "-d");
  });
});
