/** Overlay networks without tunnels: routes between the slices of hosts, and who may use them. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/bay.ts";
import { type TestHost, TestHosts } from "../support/hosts.ts";

const service = (name: string, host: string, networks: string) => `  ${name}:
    image: box
    command: ["/bin/sh", "-c", "mkdir -p /www && echo ${name} > /www/index.html && exec httpd -f -v -p 80 -h /www"]
    stop_grace_period: 0s
    host: ${host}
    networks: ${networks}
`;

const STACK = `
name: routed
hosts: all
images: { box: { rootfs: ../busybox } }
services:
${service("one", "a", "[net, inner]")}
${service("two", "b", "[net, inner]")}
${service("fixed", "b", "{ net: { ipv4_address: 10.201.200.7 } }")}
${service("other", "b", "[second]")}
networks:
  net:
    driver: overlay
    driver_opts: { encapsulation: route }
    enable_ipv6: true
    ipam: { config: [{ subnet: 10.201.0.0/16 }, { subnet: "fd20:1::/64" }] }
  second: { driver: overlay, driver_opts: { encapsulation: route }, ipam: { config: [{ subnet: 10.202.0.0/16 }] } }
  inner:
    driver: overlay
    internal: true
    driver_opts: { encapsulation: route }
    ipam: { config: [{ subnet: 10.203.0.0/16 }] }
`;

describe("an overlay network of routes", () => {
  let hosts: TestHosts;
  let [a, b]: TestHost[] = [];
  let stranger: TestHost;
  beforeAll(async () => {
    hosts = await TestHosts.start(["a", "b"]);
    stranger = await hosts.addStranger("x");
    [a, b] = hosts.all as [TestHost, TestHost];
    hosts.write(STACK);
    await hosts.join();
    a.bay.ok("up", "-d");
  });
  afterAll(() => hosts?.close());

  const exec = (service: string, ...command: string[]) => a!.bay.run(["exec", "-T", service, ...command]);
  const fetch = (from: string, target: string) => hosts.fetch(from, target);
  const ownRoutes = (host: TestHost) =>
    ["-4", "-6"].flatMap((version) =>
      host
        .run("ip", version, "route", "show", "proto", "97")
        .split("\n")
        .map((line) => line.trim())
        .filter(Boolean),
    );
  const addressOf = (service: string, subnet: string) =>
    new RegExp(`inet6? (${subnet}[^/]+)`).exec(exec(service, "ip", "addr").out)![1]!;
  /** How many echo requests a container has received. */
  const echoes = (service: string): number => {
    const [names, values] = exec(service, "grep", "^Icmp:", "/proc/net/snmp")
      .out.trim()
      .split("\n")
      .map((line) => line.split(" "));
    return Number(values![names!.indexOf("InEchos")]);
  };

  it("connects containers of different hosts by name, over IPv4 and IPv6, without translation", async () => {
    await eventually(() => expect(fetch("one", "two")).toBe("two"));
    expect(exec("one", "ping", "-c1", "-W2", addressOf("two", "fd20:")).code).toBe(0);
    // the server's log has the address of the client
    expect(fetch("one", addressOf("two", "10.201."))).toBe("two");
    await eventually(() => expect(a!.bay.run(["logs", "two"]).err).toContain(addressOf("one", "10.201.")));
  });

  it("uses the MTU of the network between the hosts", () => {
    const mtus = exec("one", "sh", "-c", "cat /sys/class/net/eth*/mtu").out.trim().split("\n");
    expect(mtus).toEqual(["1500", "1500"]);
    expect(exec("one", "ping", "-c1", "-W2", "-s", "1472", addressOf("two", "10.201.")).code).toBe(0);
  });

  it("reaches a fixed address outside the slice of its host", () => {
    expect(fetch("one", "10.201.200.7")).toBe("fixed");
    expect(fetch("two", "fixed")).toBe("fixed");
    expect(exec("fixed", "ping", "-c1", "-W2", addressOf("one", "10.201.")).code).toBe(0);
  });

  it("connects an internal network, which has no way out", () => {
    const [target, outside] = [addressOf("two", "10.203."), stranger.address];
    expect(exec("one", "ping", "-c1", "-W2", target).code).toBe(0);
    expect(exec("one", "ping", "-c1", "-W1", "-I", addressOf("one", "10.203."), outside).code).not.toBe(0);
    // the other networks of the container lead outside, with the address of the host
    expect(exec("one", "ping", "-c1", "-W2", outside).code).toBe(0);
  });

  it("separates networks from each other", () => {
    const target = addressOf("other", "10.202.");
    const before = echoes("other");
    expect(exec("one", "ping", "-c1", "-W1", target).code).not.toBe(0);
    expect(exec("fixed", "ping", "-c1", "-W1", target).code).not.toBe(0);
    expect(echoes("other")).toBe(before);
  });

  it("drops packets of hosts that are not members, whatever their source address", () => {
    const target = addressOf("two", "10.201.");
    stranger.run("ip", "route", "add", "10.201.0.0/16", "via", b!.address);
    const before = echoes("two");
    for (const source of [stranger.address, "10.201.5.2", "10.202.0.2"]) {
      stranger.try("ip", "addr", "add", `${source}/32`, "dev", "lo");
      expect(stranger.try("ping", "-c", "1", "-W", "1", "-I", source, target).status).not.toBe(0);
    }
    expect(echoes("two")).toBe(before);
    // a member does not pass packets on for a stranger
    stranger.run("ip", "route", "replace", "10.201.0.0/16", "via", a!.address);
    expect(stranger.try("ping", "-c", "1", "-W", "1", target).status).not.toBe(0);
    expect(echoes("two")).toBe(before);
    expect(exec("one", "ping", "-c1", "-W2", target).code).toBe(0);
    expect(echoes("two")).toBe(before + 1);
  });

  it("restores routes that are missing, and removes stale ones", async () => {
    const before = ownRoutes(a!);
    expect(before.join("\n")).toContain("10.201.1.0/24 via 10.77.0.2 dev eth0");
    expect(before.join("\n")).toContain("unreachable 10.201.0.0/16");
    const [marked] = before.filter((line) => line.startsWith("10.201.1.0/24"));
    const metric = /metric (\d+)/.exec(marked!)![1]!;
    a!.run("ip", "route", "del", "10.201.1.0/24", "metric", metric);
    a!.run("ip", "route", "add", "10.201.9.0/24", "via", "10.77.0.2", "proto", "97", "metric", metric);
    a!.run("ip", "route", "add", "10.201.10.0/24", "via", "10.77.0.2");
    await eventually(() => expect(ownRoutes(a!)).toEqual(before));
    // a route of another program stays
    a!.run("ip", "route", "del", "10.201.10.0/24");
  });

  it("restores routes after the link was down", async () => {
    const before = ownRoutes(b!);
    b!.setLink(false);
    b!.run("ip", "-6", "addr", "add", "fd77::2/64", "dev", "eth0", "nodad");
    b!.setLink(true);
    await eventually(() => expect(ownRoutes(b!)).toEqual(before));
    await eventually(() => expect(fetch("one", "two")).toBe("two"));
  });

  it("down leaves no route, rule or link", async () => {
    a!.bay.ok("down");
    for (const host of hosts.all) {
      await eventually(() => expect(ownRoutes(host)).toEqual([]));
      expect(host.run("nft", "list", "tables")).not.toContain("tunnels");
      await eventually(() => expect(host.run("ip", "-br", "link")).not.toMatch(/^(bay|bt|ve)/m));
    }
  });
});
