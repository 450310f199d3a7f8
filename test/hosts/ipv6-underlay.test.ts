/** Overlay networks between hosts that have IPv6 addresses only. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/bay.ts";
import { type TestHost, TestHosts } from "../support/hosts.ts";

const service = (name: string, host: string) =>
  `  ${name}: { image: box, command: sleep 10000, stop_grace_period: 0s, host: ${host}, networks: [vx, routed] }\n`;

describe("hosts with IPv6 addresses only", () => {
  let hosts: TestHosts;
  let a: TestHost;
  beforeAll(async () => {
    hosts = await TestHosts.start(["a", "b"]);
    a = hosts.all[0]!;
    for (const host of hosts.all) host.run("ip", "-4", "addr", "flush", "dev", "eth0");
    hosts.write(`
name: six
hosts: all
images: { box: { rootfs: ../busybox } }
services:
${service("one", "a")}${service("two", "b")}
networks:
  vx: { driver: overlay, enable_ipv6: true }
  routed: { driver: overlay, driver_opts: { encapsulation: route }, enable_ipv6: true }
`);
    await hosts.join("fd77::1");
    a.bay.ok("up", "-d");
  });
  afterAll(() => hosts?.close());

  const exec = (name: string, ...command: string[]) => a.bay.run(["exec", "-T", name, ...command]);

  it("carry IPv4 and IPv6 packets of networks by VXLAN and by routes", async () => {
    const addresses = [
      ...exec("two", "ip", "addr").out.matchAll(/inet6? ([0-9a-f.:]+)\/\d+ .*scope global/g),
    ];
    expect(addresses).toHaveLength(4);
    for (const [, address] of addresses)
      await eventually(() =>
        expect([address, exec("one", "ping", "-c1", "-W2", address!).code]).toEqual([address, 0]),
      );
  });

  it("have the MTU that is left, and tunnels and routes by IPv6", () => {
    const sizes = exec("one", "sh", "-c", "cat /sys/class/net/eth*/mtu").out.trim().split("\n");
    expect(sizes.sort()).toEqual(["1430", "1500"]);
    const link = /^(bt\w+)/m.exec(a.run("ip", "-br", "link"))![1]!;
    expect(a.run("bridge", "fdb", "show", "dev", link)).toContain("dst fd77::2 self permanent");
    expect(a.run("ip", "-4", "route", "show", "proto", "97")).toContain("via inet6 fd77::2 dev eth0");
    expect(a.run("ip", "-6", "route", "show", "proto", "97")).toContain("via fd77::2 dev eth0");
  });
});
