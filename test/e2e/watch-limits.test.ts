/** Limits of inotify: what the message says, and that edits arrive nevertheless. Ignored folders need no watches. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { inContainer, Watching } from "../support/watching.ts";

describe("limits of inotify", () => {
  const bay = new Bay();
  const source = join(bay.folder, "stack", "src");
  let watching: Watching | undefined;
  beforeAll(() => {
    bay.busybox();
    for (let number = 0; number < 20; number++) {
      mkdirSync(join(source, `folder-${number}`), { recursive: true });
      mkdirSync(join(source, "node_modules", `package-${number}`), { recursive: true });
    }
    bay.write(`name: limits
images: { box: { rootfs: ../busybox } }
services:
  web:
    image: box
    command: sleep 100000
    stop_grace_period: 0s
    network_mode: none
    develop: { watch: [{ path: src, action: sync, target: /app, initial_sync: true, ignore: [node_modules/] }] }
`);
    bay.ok("up", "-d");
  });
  afterEach(() => watching?.stop());
  afterAll(() => bay.close());

  /** A user namespace has limits of its own, so those of the host stay. */
  const limited = (sysctl: string, value: number) => [
    ...["unshare", "--user", "--map-root-user", "sh", "-c"],
    ...[`echo ${value} > /proc/sys/user/${sysctl} && exec "$0" "$@"`],
  ];

  it.each([
    ["watches", "max_inotify_watches", 10, "sysctl user.max_inotify_watches=524288"],
    ["instances", "max_inotify_instances", 0, "sysctl user.max_inotify_instances=1024"],
  ])("names the limit of %s and polls, when it is reached", async (_what, sysctl, value, hint) => {
    watching = await new Watching(bay, ["--no-up"], limited(sysctl, value)).begun();
    const { path, ...said } = await watching.next("polling", 0);
    expect(path).toBe(source);
    expect(said.reason).toBe(`the inotify limit is reached: user.${sysctl} is ${value}`);
    expect(said.hint).toContain(hint);
    writeFileSync(join(source, "folder-19", sysctl), "text");
    await eventually(() =>
      expect(readFileSync(join(inContainer(bay, "limits-web-1", "/app"), "folder-19", sysctl), "utf8")).toBe(
        "text",
      ),
    );
    expect(watching.of("polling").length).toBe(1);
  });

  it("needs no watches for files, and for folders that are ignored", async () => {
    watching = await new Watching(bay, ["--no-up"]).begun();
    const watches = readdirSync(`/proc/${watching.pid}/fdinfo`)
      .map((fd) => readFileSync(`/proc/${watching!.pid}/fdinfo/${fd}`, "utf8"))
      .flatMap((text) => text.split("\n").filter((line) => line.startsWith("inotify ")));
    // the folders, the one that is watched, the one above it, and perhaps those of the stack file
    expect(watches.length).toBeGreaterThanOrEqual(22);
    expect(watches.length).toBeLessThan(30);
  });
});
