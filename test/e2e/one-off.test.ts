/** `run --rm`: bayd removes the container, whichever way its client ends. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, COMMAND, ended, eventually } from "../support/bay.ts";
import { isLong } from "../support/long.ts";

describe("run --rm", () => {
  const bay = new Bay();
  beforeAll(() => {
    bay.busybox();
    bay.write(
      "name: once\nimages: { box: { rootfs: ../busybox } }\nservices: { w: { image: box, command: sleep 1000000 } }\n",
    );
    bay.ok("create");
    bay.ok("rm", "-f");
  });
  afterAll(() => bay.close());
  const isRunning = () => eventually(() => expect(bay.ps().map(({ State }) => State)).toEqual(["running"]));
  const isRemoved = () => eventually(() => expect(bay.ps()).toEqual([]));
  /** Lets the container's command end by itself. */
  const end = () => process.kill(bay.ps()[0]!.Pid, "SIGKILL");

  it.each(["SIGKILL", "SIGHUP"] as const)("removes it where the client gets %s", async (signal) => {
    const client = bay.start(["run", "--rm", "-T", "w"]);
    await isRunning();
    client.kill(signal);
    await ended(client);
    await isRunning();
    end();
    await isRemoved();
  });

  it("removes it where its terminal is closed", async () => {
    // script(1) gives it a terminal, which goes with script
    const terminal = spawn("script", ["-qec", `${process.execPath} ${COMMAND} run --rm w`, "/dev/null"], {
      cwd: `${bay.folder}/stack`,
      env: bay.env,
      stdio: ["pipe", "pipe", "pipe"],
    });
    await isRunning();
    terminal.kill("SIGKILL");
    await ended(terminal);
    end();
    await isRemoved();
  });

  it("removes it where bayd is killed before its end", async () => {
    bay.ok("run", "-d", "--rm", "w");
    const { Pid } = bay.ps()[0]!;
    process.kill(bay.daemonPid(), "SIGKILL");
    process.kill(Pid, "SIGKILL");
    await isRemoved();
  });

  // it waits for the minute that a client has to start its container
  it.runIf(isLong)("removes it where the client ended before the start", async () => {
    // a client that is killed when the container has been created
    const client = bay.start(["run", "--rm", "-T", "--name", "unstarted", "w"]);
    await new Promise<void>((resolve, reject) => {
      const events = request({ socketPath: bay.socket, path: "/events" }, (response) => {
        response.setEncoding("utf8").on("data", (text: string) => {
          if (!text.includes('"create"') || !text.includes("unstarted")) return;
          client.kill("SIGKILL");
          events.destroy();
          resolve();
        });
      });
      events.on("error", reject).end();
    });
    await ended(client);
    if (bay.ps()[0]?.State === "running") end(); // the client was faster
    await isRemoved();
  });
});

describe("run, with one request if nothing has to be made first", () => {
  const bay = new Bay();
  const file = (text: string, more = "") =>
    bay.write(
      `name: ready\nimages: { box: { rootfs: ../busybox } }\nservices:\n  db: { image: box, command: sleep 1000000, stop_grace_period: 0s }\n  w: { image: box, depends_on: [db], volumes: ['v:/v'], configs: [{ source: c, target: /c }]${more} }\nvolumes: { v: }\nconfigs: { c: { content: "${text}" } }\n`,
    );
  beforeAll(() => {
    bay.busybox();
    file("one");
  });
  afterAll(() => bay.close());
  const shown = () => bay.ok("run", "--rm", "-T", "w", "cat", "/c");
  const running = () => bay.ps().map(({ Service, State }) => `${Service} ${State}`);

  it("makes the image, the network and the volume, and starts what the service depends on", () => {
    expect(shown()).toBe("one");
    expect(running()).toEqual(["db running"]);
  });

  it("does it again where nothing is missing", () => {
    const { ID } = bay.ps()[0]!;
    expect(shown()).toBe("one");
    expect(bay.ps().map((row) => row.ID)).toEqual([ID]);
  });

  it("follows a change of the file", () => {
    file("two", ", networks: [other]");
    bay.write(`${readFileSync(join(bay.folder, "stack", "bay.yaml"), "utf8")}networks: { other: }\n`);
    expect(shown()).toBe("two");
    expect(bay.ok("network", "ls")).toContain("ready_other");
  });

  it("starts again a dependency that was stopped", () => {
    bay.ok("stop", "db");
    expect(shown()).toBe("two");
    expect(running()).toEqual(["db running"]);
  });

  it("makes again what was removed meanwhile", () => {
    bay.ok("down", "-v");
    expect(shown()).toBe("two");
    expect(running()).toEqual(["db running"]);
  });
});
