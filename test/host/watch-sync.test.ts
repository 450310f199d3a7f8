/** Batches of file changes through bayd: into running and stopped containers, confined to them, and before a start. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client } from "../../src/daemon/client.ts";
import { writeBatch } from "../../src/daemon/watch/protocol.ts";
import type { SyncOperation, SyncResult } from "../../src/image/index.ts";
import { Bay, eventually } from "../support/bay.ts";

describe("a batch of file changes through bayd", () => {
  const bay = new Bay();
  const outside = join(bay.folder, "outside");
  beforeAll(() => {
    bay.busybox();
    mkdirSync(outside);
    writeFileSync(join(outside, "secret"), "of the host\n");
    symlinkSync(outside, join(bay.folder, "busybox", "to-outside"));
    symlinkSync("/proc/self/root", join(bay.folder, "busybox", "self-root"));
    mkdirSync(join(bay.folder, "busybox", "app"));
    mkdirSync(join(bay.folder, "busybox", "owned"));
    bay
      .write(`
name: batch
images: { box: { rootfs: ../busybox } }
services:
  plain: { image: box, command: sleep 10000, stop_grace_period: 0s, network_mode: none, volumes: ["data:/data"] }
  user: { image: box, user: "1234:99", command: sleep 10000, stop_grace_period: 0s, network_mode: none }
  looking:
    image: box
    command: sh -c 'for i in $$(seq 40); do ls -lR /app; done > /tmp/seen; sleep 10000'
    stop_grace_period: 0s
    network_mode: none
  fixed: { image: box, read_only: true, command: sleep 10000, stop_grace_period: 0s, network_mode: none }
volumes: { data: }
`)
      .ok("up", "-d");
  });
  afterAll(() => bay.close());

  const send = (container: string, list: SyncOperation[], text = "") =>
    new Promise<SyncResult>((resolve, reject) => {
      const path = `/bay/v1/watch/containers/batch-${container}-1/sync`;
      const call = request({ socketPath: bay.socket, method: "POST", path }, (response) => {
        let body = "";
        response.on("data", (part) => (body += part));
        response.on("end", () => resolve(JSON.parse(body) as SyncResult));
      });
      call.on("error", reject);
      call.end(writeBatch(list, [Buffer.from(text)]));
    });
  const file = (path: string, text: string): SyncOperation => ({
    op: "file",
    path,
    mode: 0o644,
    size: text.length,
  });
  const sh = (service: string, script: string) => bay.ok("exec", "-T", service, "sh", "-c", script);

  it("is visible to the container, also in its volumes, and keeps the inode of a file", async () => {
    expect(await send("plain", [file("/app/a", "one"), file("/data/b", "two")], "onetwo")).toEqual({
      changed: 2,
      failed: [],
    });
    expect(sh("plain", "cat /app/a /data/b")).toBe("onetwo");
    const inode = sh("plain", "stat -c %i /app/a");
    await send("plain", [file("/app/a", "other")], "other");
    expect(sh("plain", "cat /app/a")).toBe("other");
    expect(sh("plain", "stat -c %i /app/a")).toBe(inode);
  });

  it("gives new files to the container's user, or to the owner of the directory", async () => {
    await send("user", [file("/app/a", "x")], "x");
    expect(sh("user", "stat -c %u:%g /app/a").trim()).toBe("1234:99");
    sh("plain", "chown 5:6 /owned");
    await send("plain", [file("/owned/new/a", "x")], "x");
    expect(sh("plain", "stat -c %u:%g /owned/new /owned/new/a")).toBe("5:6\n5:6\n");
  });

  it.each(["running", "stopped"])("stays inside of the container: %s", async (state) => {
    if (state === "stopped") bay.ok("stop", "plain");
    for (const link of [
      "/to-outside",
      `/self-root${outside}`,
      `/proc/1/root${outside}`,
      `/proc/self/cwd/..${outside}`.replace("/..", ""),
    ])
      await send(
        "plain",
        [file(`${link}/new`, "x"), { op: "remove", path: `${link}/secret`, root: "/" }],
        "x",
      );
    expect(readdirSync(outside)).toEqual(["secret"]);
    expect(readFileSync(join(outside, "secret"), "utf8")).toBe("of the host\n");
    bay.ok("start", "plain");
  });

  it("reaches a container that does not run, which has it at the next start", async () => {
    bay.ok("stop", "plain");
    expect(await send("plain", [file("/app/late", "x"), file("/data/late", "y")], "xy")).toEqual({
      changed: 2,
      failed: [],
    });
    bay.ok("start", "plain");
    expect(sh("plain", "cat /app/late /data/late")).toBe("xy");
  });

  it("says what is read-only, and what does not exist", async () => {
    expect(await send("fixed", [file("/app/a", "x")], "x")).toMatchObject({
      changed: 0,
      failed: [{ path: "/app/a", code: "EROFS" }],
    });
    expect(await send("none", [])).toMatchObject({ code: "CONTAINER_NOT_FOUND" });
  });

  it("is complete before a container of a session starts, which does not wait for a client that has gone", async () => {
    bay.ok("stop", "plain");
    const client = new Client(bay.socket);
    const { body } = await client.send("POST", "/bay/v1/watch", { stack: "batch", services: ["plain"] });
    const lines: { session?: string; ask?: { container: string } }[] = [];
    body.on("data", (part: Buffer) => {
      for (const line of part.toString().split("\n").filter(Boolean))
        lines.push(JSON.parse(line) as (typeof lines)[0]);
    });
    body.on("error", () => {});
    const started = bay.call(["start", "plain"]);
    await eventually(() => expect(lines.length).toBe(2));
    const { container } = lines[1]!.ask!;
    expect(bay.ps().find(({ ID }) => container.startsWith(ID))!.State).not.toBe("running");
    await send("plain", [file("/app/first", "x")], "x");
    await client.json("POST", `/bay/v1/watch/${lines[0]!.session}/ready`, { container });
    expect((await started).code).toBe(0);
    expect(sh("plain", "cat /app/first")).toBe("x");
    bay.ok("stop", "plain");
    const again = bay.call(["start", "plain"]);
    await eventually(() => expect(lines.length).toBe(3));
    body.destroy();
    expect((await again).code).toBe(0);
    await expect(
      client.json("POST", `/bay/v1/watch/${lines[0]!.session}/ready`, { container }),
    ).rejects.toThrow(/does not exist/);
  });

  it("is visible once it is acknowledged, also if the container is restarted meanwhile", async () => {
    const client = new Client(bay.socket);
    const names = Array.from({ length: 300 }, (_, index) => `/app/mode-${index}`);
    const modesOf = () => new Set(sh("looking", "stat -c %a /app/mode-*").trim().split("\n"));
    const expected: string[] = [];
    for (let round = 0; round < 4; round++) {
      let isRestarting = true;
      const restarted = client.json("POST", "/containers/batch-looking-1/restart?t=0").finally(() => {
        isRestarting = false;
      });
      let mode = 0o755;
      while (isRestarting) {
        const next = mode === 0o755 ? 0o700 : 0o755;
        const { failed } = await send(
          "looking",
          names.map((path) => ({ op: "directory", path, mode: next })),
        );
        // a process that is about to end may refuse it, and then the sender has to repeat it
        if (failed?.length === 0) mode = next;
      }
      await restarted;
      expect(modesOf()).toEqual(new Set([mode.toString(8)]));
      expected.push(mode.toString(8));
    }
    expect(expected.length).toBe(4);
  });

  it("leaves no mounts behind", () => {
    expect(execFileSync("cat", ["/proc/self/mountinfo"], { encoding: "utf8" })).not.toContain(
      `${bay.folder}/run/rootfs`,
    );
    expect(existsSync(join(outside, "new"))).toBe(false);
  });
});
