/** bayd as a service: an ordered stop of the containers, settings that are read again, and a state of another bay. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";

describe("bayd", () => {
  let bay: Bay;
  beforeEach(() => {
    bay = new Bay();
    bay.busybox();
    bay.env.BAY_CONFIG = join(bay.folder, "config");
    mkdirSync(bay.env.BAY_CONFIG);
  });
  afterEach(() => bay.close());

  const states = () => Object.fromEntries(bay.ps().map(({ Service, State }) => [Service, State]));

  it("stops containers in the order of their dependencies, and starts them again", async () => {
    const service = (name: string, more: string) =>
      `  ${name}: { image: box, volumes: ["order:/o"], ${more} }`;
    // each says when it is told to end, and takes its time
    const command = (name: string) =>
      `command: [sh, -c, "trap 'echo begin-${name} >> /o/order; sleep 0.3; echo end-${name} >> /o/order; exit 0' TERM; while :; do sleep 0.1; done"]`;
    bay.write(
      `name: order\nimages: { box: { rootfs: ../busybox } }\nservices:\n${[
        service("web", `restart: on-failure, depends_on: [app], ${command("web")}`),
        service("app", `restart: always, depends_on: [db], ${command("app")}`),
        service("db", `restart: unless-stopped, ${command("db")}`),
        service("once", `${command("once")}`),
        service("idle", `restart: always, ${command("idle")}`),
      ].join("\n")}\nvolumes: { order: }\n`,
    );
    bay.ok("up", "-d");
    bay.ok("stop", "-t", "0", "idle");
    rmSync(join(bay.folder, "root/volumes/order_order/_data/order"), { force: true });
    expect(bay.ok("daemon", "stop", "--with-containers")).toMatch(/^containers and bayd stopped/);
    const order = readFileSync(join(bay.folder, "root/volumes/order_order/_data/order"), "utf8").split("\n");
    expect(order.filter((line) => /web|app|db/.test(line))).toEqual([
      "begin-web",
      "end-web",
      "begin-app",
      "end-app",
      "begin-db",
      "end-db",
    ]);
    expect(bay.ps().every(({ Pid }) => Pid === 0)).toBe(true);
    expect(bay.run(["daemon", "stop", "--with-containers"]).err).toMatch(/bayd is not running/);
    // any command that needs bayd starts it, and bayd starts what was running
    bay.ok("image", "ls");
    await eventually(() =>
      expect(states()).toEqual({
        web: "running",
        app: "running",
        db: "running",
        once: "exited",
        idle: "exited",
      }),
    );
  });

  it("reads its settings again on SIGHUP and on reload, and keeps the old ones where they are not valid", async () => {
    bay.write("name: empty\nservices: {}\n");
    bay.ok("image", "ls");
    const pid = bay.daemonPid();
    const settings = join(bay.env.BAY_CONFIG!, "daemon.json");
    const limit = () => (bay.run(["info"]).out.match(/default-pids-limit\s+(\S+)/) ?? [])[1];
    expect(limit()).toBe("4096");
    writeFileSync(settings, '{ "default-pids-limit": 100 }');
    process.kill(pid, "SIGHUP");
    await eventually(() => expect(limit()).toBe("100"));
    expect(bay.log()).toContain("default-pids-limit: 4096 -> 100");
    writeFileSync(settings, '{ "default-pids-limit": 200 }');
    expect(bay.ok("daemon", "reload")).toContain("default-pids-limit: 100 -> 200");
    expect(bay.ok("daemon", "reload")).toMatch(/^no setting in .* has changed/);
    writeFileSync(settings, '{ "pids": 1 }');
    const { code, err } = bay.run(["daemon", "reload"]);
    expect([code, err]).toEqual([1, expect.stringContaining(`${settings}: `)]);
    process.kill(pid, "SIGHUP");
    await eventually(() => expect(bay.log()).toContain("the settings are unchanged"));
    expect([limit(), bay.daemonPid()]).toEqual(["200", pid]);
  });

  it.each([
    "SIGKILL",
    "SIGUSR2",
  ] as const)("logs after %s that the previous bayd was ended by it", async (signal) => {
    bay.write("name: empty\nservices: {}\n");
    bay.ok("image", "ls");
    const pid = bay.daemonPid();
    process.kill(pid, signal);
    await eventually(() => expect(bay.log()).toContain(`the previous bayd was ended by ${signal}\n`));
    await eventually(() => expect(bay.daemonPid()).not.toBe(pid));
    bay.ok("image", "ls");
    expect(bay.log().match(/the previous bayd/g)).toHaveLength(1);
  });

  it("ends with code 78 where its settings are not valid, so that a service manager does not try again", () => {
    writeFileSync(join(bay.env.BAY_CONFIG!, "daemon.json"), "{");
    const { code, err } = bay.run(["daemon", "run"], { cwd: "/" });
    expect([code, err]).toEqual([78, expect.stringContaining("daemon.json")]);
  });

  it("refuses the state of a newer bay by name and changes nothing", () => {
    bay.write("name: a\nimages: { box: { rootfs: ../busybox } }\nservices: { a: { image: box } }\n");
    const state = join(bay.folder, "root/state");
    mkdirSync(state, { recursive: true });
    const journal = '00000000 [["format",{"number":999,"bay":"7.1.0"}]]\n';
    writeFileSync(join(state, "journal.5"), journal);
    for (const args of [["up", "-d"], ["plan"], ["ps"], ["ls"]]) {
      const { code, err } = bay.run(args);
      expect([code, err]).toEqual([1, expect.stringMatching(/journal\.5: .* format 999, .* bay 7\.1\.0/)]);
      expect(err).toContain("install bay 7.1.0 or newer");
    }
    expect(bay.run(["daemon", "run"]).code).toBe(78);
    expect(readFileSync(join(state, "journal.5"), "utf8")).toBe(journal);
    expect(existsSync(join(bay.folder, "run/keeper"))).toBe(false);
    rmSync(join(state, "journal.5"));
  });

  it("takes over the state of an older bay", () => {
    for (const format of readdirSync("test/fixtures/state")) {
      bay.write("name: fixture\nservices: {}\n");
      const state = join(bay.folder, "root/state");
      rmSync(state, { recursive: true, force: true });
      mkdirSync(state, { recursive: true });
      copyFileSync(join("test/fixtures/state", format, "journal"), join(state, "journal.1"));
      bay.ok("volume", "ls");
      expect(bay.ok("volume", "ls", "-q")).toContain("fixture_data");
      expect(bay.ok("-p", "fixture", "history")).toContain("2");
      expect(bay.run(["-p", "fixture", "down", "-v"], { cwd: "/" }).code).toBe(0);
      expect(bay.ok("volume", "ls", "-q")).not.toContain("fixture_data");
      bay.ok("daemon", "stop");
    }
  });
});
