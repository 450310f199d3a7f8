/** What stack files ask of the kernel: propagation of mounts, options of bridges, owners of secrets. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";

const box = "image: box, init: true, stop_grace_period: 0s, command: sleep 1000";

describe("kernel options of a stack file", () => {
  const bay = new Bay();
  const shared = join(bay.folder, "shared");
  const link = `brt${process.pid}`.slice(0, 15);

  beforeAll(() => {
    mkdirSync(shared);
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", shared]);
    execFileSync("mount", ["--make-shared", shared]);
    bay.busybox();
    bay.write("secret", "s.txt");
    bay
      .write(`
name: kernel
images: { box: { rootfs: ../busybox } }
services:
  shared: { ${box}, privileged: true, volumes: ["${shared}:/m:shared"], network_mode: none }
  slave: { ${box}, volumes: ["${shared}:/m:rslave"], network_mode: none }
  private: { ${box}, volumes: ["${shared}:/m"], network_mode: none }
  one: { ${box}, networks: [apart] }
  two: { ${box}, networks: [apart] }
  joined: { ${box}, network_mode: kernel_plain, user: "1000:1001", secrets: [s, { source: s, target: t, uid: "7" }], configs: [{ source: c, mode: 0400 }] }
  host: { ${box}, networks: [plain] }
networks:
  apart: { driver_opts: { com.docker.network.bridge.name: ${link}, com.docker.network.bridge.enable_icc: "false", com.docker.network.container_iface_prefix: lan } }
  plain: { driver_opts: { com.docker.network.bridge.inhibit_ipv4: "true" } }
secrets: { s: { file: ./s.txt } }
configs: { c: { content: text } }
`)
      .ok("up", "-d");
  });
  afterAll(() => {
    spawnSync("umount", ["-R", shared]);
    bay.close();
  });

  const inside = (service: string, command: string) => bay.run(["exec", "-T", service, "sh", "-c", command]);

  it("mounts of the host reach shared and slave binds, and mounts of a container reach the shared ones", async () => {
    mkdirSync(join(shared, "host"));
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", join(shared, "host")]);
    writeFileSync(join(shared, "host", "seen"), "");
    for (const [service, isSeen] of [
      ["shared", true],
      ["slave", true],
      ["private", false],
    ] as const)
      expect([service, inside(service, "ls /m/host").out.includes("seen")]).toEqual([service, isSeen]);
    const made = inside("shared", "mkdir /m/own && mount -t tmpfs tmpfs /m/own && touch /m/own/seen");
    expect(made.err).toBe("");
    expect(existsSync(join(shared, "own", "seen"))).toBe(true);
    expect(inside("slave", "ls /m/own").out).toContain("seen");
    expect(inside("private", "ls /m/own").out).toBe("");
  });

  it("a bind of a private mount cannot be shared, which the start reports", () => {
    bay.write(
      `name: alone\nimages: { box: { rootfs: ../busybox } }\nservices: { a: { ${box}, volumes: ["/proc:/m:shared"], network_mode: none } }\n`,
      "alone.yaml",
    );
    const { code, err } = bay.run(["-f", "alone.yaml", "up", "-d"]);
    expect([code, err]).toEqual([1, expect.stringContaining("/proc, which is not shared")]);
    bay.ok("-f", "alone.yaml", "down");
  });

  it("a bridge has the configured name, and its containers do not reach each other", async () => {
    expect(existsSync(`/sys/class/net/${link}`)).toBe(true);
    const address = inside("two", "ip -4 -o addr show lan0").out.match(/inet ([\d.]+)/)![1]!;
    expect(inside("one", `ping -c 1 -W 2 ${address}`).code).not.toBe(0);
    const gateway = inside("one", "ip route").out.match(/default via ([\d.]+)/)![1]!;
    expect(inside("one", `ping -c 1 -W 20 ${gateway}`).code).toBe(0);
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
  });

  it("a bridge name that exists on the host is rejected, and that link is kept", () => {
    bay.write(
      `name: taken\nimages: { box: { rootfs: ../busybox } }\nservices: { a: { ${box} } }\nnetworks: { default: { driver_opts: { com.docker.network.bridge.name: lo0t } } }\n`,
      "taken.yaml",
    );
    execFileSync("ip", ["link", "add", "lo0t", "type", "bridge"]);
    try {
      const { code, err } = bay.run(["-f", "taken.yaml", "up", "-d"]);
      expect([code, err]).toEqual([1, expect.stringContaining("this host already has a link lo0t")]);
      bay.ok("-f", "taken.yaml", "down");
      expect(existsSync("/sys/class/net/lo0t")).toBe(true);
    } finally {
      execFileSync("ip", ["link", "del", "lo0t"]);
    }
  });

  it("network_mode with a network's name joins it; its bridge need not have an address", async () => {
    const address = inside("joined", "ip -4 -o addr show eth0").out.match(/inet ([\d.]+)/)![1]!;
    await eventually(async () => expect(inside("host", `ping -c 1 -W 5 ${address}`).code).toBe(0));
    const gateway = inside("host", "ip route").out.match(/default via ([\d.]+)/)![1]!;
    expect(inside("host", `ping -c 1 -W 2 ${gateway}`).code).not.toBe(0);
  });

  it("secrets and configs belong to the container's user, unless the file says otherwise", () => {
    const shown = inside("joined", "stat -c '%a %u:%g' /run/secrets/s /run/secrets/t /c; cat /c");
    expect(shown.out).toBe("444 1000:1001\n444 7:1001\n400 1000:1001\ntext");
  });

  it("the bridge is removed with the stack", () => {
    bay.ok("down");
    expect(existsSync(`/sys/class/net/${link}`)).toBe(false);
  });
});
