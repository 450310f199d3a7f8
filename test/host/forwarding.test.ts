/**
 * Forwarding between interfaces that are not bay's. Each host is a network namespace with other machines beside it, so that
 * its switches can be changed without harm.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { Machine } from "../support/machines.ts";

const STACK = (networks = "front: {}") => `
name: forwarding
images: { box: { rootfs: ../busybox } }
services:
  box: { image: box, command: sleep 1000, init: true, stop_grace_period: 0s, networks: [front] }
networks: { ${networks} }
`;
const IPV4 = "/proc/sys/net/ipv4/ip_forward";
const IPV6 = "/proc/sys/net/ipv6/conf/all/forwarding";

describe("a host on which bay enables forwarding", () => {
  const closers: (() => void)[] = [];
  afterEach(() => {
    for (const close of closers.splice(0).reverse()) close();
  });
  let count = 0;
  const machine = (kind: string) => {
    const made = new Machine(`t${process.pid.toString(36)}${kind}${count++}`);
    closers.push(() => made.close());
    return made;
  };

  /** A host with the machines `left` and `right` at two of its interfaces, each of which takes it for its router. */
  const hosted = () => {
    const [host, left, right] = [machine("h"), machine("l"), machine("r")];
    switchTo(host, IPV4, "0");
    switchTo(host, IPV6, "0");
    attach(host, left, 1);
    attach(host, right, 2);
    const bay = new Bay(host.file);
    bay.env.BAY_CONFIG = join(bay.folder, "config");
    closers.push(() => bay.close());
    bay.busybox();
    return { host, left, right, bay };
  };
  const attach = (host: Machine, other: Machine, subnet: number) => {
    host.join(other, `198.51.${subnet}.1/24`, `198.51.${subnet}.2/24`);
    host.ip(`addr add 2001:db8:${subnet}::1/64 dev ${other.name} nodad`);
    other.ip(`addr add 2001:db8:${subnet}::2/64 dev ${host.name} nodad`);
    other.ip(`route add default via 198.51.${subnet}.1`);
    other.ip(`-6 route add default via 2001:db8:${subnet}::1`);
  };
  const switchTo = (host: Machine, file: string, value: string) =>
    host.ok("sh", "-c", `echo ${value} > ${file}`);
  const setting = (host: Machine, file: string) => host.ok("cat", file).trim();
  const reaches = (from: Machine, address: string) =>
    from.run("/bin/busybox", address.includes(":") ? "ping6" : "ping", "-c1", "-W2", address).code === 0;
  const table = (host: Machine, bay: Bay) => host.run("nft", "list", "table", "inet", `bay_${bay.tag}`);

  it("does not become a router for its other interfaces, and is unchanged at the end", async () => {
    const { host, left, right, bay } = hosted();
    expect(reaches(left, "198.51.2.2")).toBe(false);
    bay.write(STACK()).ok("up", "-d");
    expect(setting(host, IPV4)).toBe("1");
    // a container has the way out that forwarding was switched on for
    await eventually(() => void bay.ok("exec", "box", "ping", "-c1", "-W2", "198.51.2.2"));
    const expectClosed = () => {
      expect(reaches(left, "198.51.2.2")).toBe(false);
      expect(reaches(right, "198.51.1.2")).toBe(false);
    };
    expectClosed();
    // so that the silence is that of the rule, and not that of a broken path
    expect(table(host, bay).out).toMatch(/counter packets [1-9]\d* bytes \d+ drop/);
    expect(bay.run(["doctor"]).out).toContain("enabled by bay");

    process.kill(bay.daemonPid(), "SIGKILL");
    bay.ok("up", "-d");
    expectClosed();
    host.ok("nft", "flush", "ruleset");
    await eventually(() => expect(table(host, bay).code).toBe(0));
    expectClosed();

    bay.ok("down", "-t", "0");
    expect(setting(host, IPV4)).toBe("0");
    expect(table(host, bay).code).not.toBe(0);
  });

  it("does not become a router for interfaces that are added later", async () => {
    const { host, left, right, bay } = hosted();
    const named = "internal: { driver_opts: { com.docker.network.bridge.name: office } }";
    bay.write(STACK(`front: {}, ${named}`).replace("[front]", "[front, internal]")).ok("up", "-d");
    const late = [machine("v"), machine("w")] as const;
    late.forEach((each, index) => {
      attach(host, each, 3 + index);
    });
    const expectClosed = () => {
      for (const [from, address] of [
        [late[0], "198.51.2.2"],
        [left, "198.51.3.2"],
        [late[0], "198.51.4.2"],
      ] as const)
        expect(reaches(from, address), address).toBe(false);
    };
    expectClosed();
    // the containers have their way out by it, and the host its own
    await eventually(() => void bay.ok("exec", "box", "ping", "-c1", "-W2", "198.51.3.2"));
    expect(reaches(host, "198.51.3.2")).toBe(true);
    // a tunnel that is added later carries packets of the host's own
    for (const [at, local, remote] of [
      [host, "198.51.2.1", "198.51.2.2"],
      [right, "198.51.2.2", "198.51.2.1"],
    ] as const) {
      at.ip(`link add tunnel type vxlan id 7 local ${local} remote ${remote} dstport 4789`);
      at.ip(`addr add 192.0.2.${local.endsWith(".1") ? 1 : 2}/24 dev tunnel`);
      at.ip("link set tunnel up");
    }
    await eventually(() => expect(reaches(host, "192.0.2.2")).toBe(true));
    expectClosed();
  });

  it("keeps the rule if its run directory is lost, and enables forwarding again after a reboot", () => {
    const { host, left, bay } = hosted();
    bay.write(STACK("front: {}, other: {}")).ok("up", "-d");
    bay.ok("stop", "-t", "0");
    bay.ok("daemon", "stop");
    rmSync(join(bay.folder, "run"), { recursive: true });
    host.ok("nft", "flush", "ruleset");
    bay.ok("up", "-d");
    expect(reaches(left, "198.51.2.2")).toBe(false);
    expect(setting(host, IPV4)).toBe("1");
    bay.ok("stop", "-t", "0");
    bay.ok("daemon", "stop");
    switchTo(host, IPV4, "0");
    host.ok("nft", "flush", "ruleset");
    bay.ok("up", "-d");
    expect(setting(host, IPV4)).toBe("1");
    expect(reaches(left, "198.51.2.2")).toBe(false);
  });

  it("does not affect what other programs forward", async () => {
    const { host, left, right, bay } = hosted();
    const bridged = ["p", "q"].map(machine) as [Machine, Machine];
    host.ip("link add foreign type bridge");
    host.ip("link set foreign up");
    bridged.forEach((each, index) => {
      attachToBridge(host, each, `203.0.113.${index + 1}/24`);
    });
    bay.write(STACK()).ok("up", "-d");
    // a bridge's own ports are not routed between, also where br_netfilter makes rules see them
    host.run("sysctl", "-w", "net.bridge.bridge-nf-call-iptables=1");
    expect(reaches(bridged[0], "203.0.113.2")).toBe(true);
    // a rule of nat is another program's wish to forward, also for an interface that is added later
    const late = machine("v");
    attach(host, late, 3);
    expect(reaches(left, "198.51.2.2")).toBe(false);
    expect(reaches(late, "198.51.2.2")).toBe(false);
    host.ok(
      "nft",
      `table ip shared { chain post { type nat hook postrouting priority srcnat; oifname "${right.name}" masquerade; }; }`,
    );
    expect(reaches(left, "198.51.2.2")).toBe(true);
    expect(reaches(late, "198.51.2.2")).toBe(true);
    expect(reaches(right, "198.51.1.2")).toBe(false);
    // who relies on forwarding keeps it, and nobody else gets it
    bay.ok("down", "-t", "0");
    expect(setting(host, IPV4)).toBe("1");
    expect(reaches(left, "198.51.2.2")).toBe(true);
    expect(reaches(right, "198.51.1.2")).toBe(false);
    host.ok("nft", "delete table ip shared");
    host.ip(`link del ${late.name}`);
    await eventually(() => expect(setting(host, IPV4)).toBe("0"));
    expect(table(host, bay).code).not.toBe(0);
  });
  const attachToBridge = (host: Machine, other: Machine, address: string) => {
    host.join(other, "0.0.0.0/32", address);
    host.ip(`link set ${other.name} master foreign`);
  };

  it("drops packets with a forged source address of a container", () => {
    const { host, left, right, bay } = hosted();
    bay.write(STACK()).ok("up", "-d");
    const [subnet] = /10\.\d+\.\d+|172\.\d+\.\d+|192\.168\.\d+/.exec(
      host.ip("-o -4 addr show scope global type bridge"),
    )!;
    left.ip(`addr add ${subnet}.200/32 dev ${host.name}`);
    left.run("/bin/busybox", "ping", "-c1", "-W2", "-I", `${subnet}.200`, "198.51.2.2");
    expect(right.run("ip", "neigh").out).not.toContain("INCOMPLETE");
    expect(table(host, bay).out).toMatch(/ct original ip saddr \S+ counter packets [1-9]/);
  });

  it("stays a router if it was one before", () => {
    const { host, left, bay } = hosted();
    switchTo(host, IPV4, "1");
    bay.write(STACK()).ok("up", "-d");
    expect(reaches(left, "198.51.2.2")).toBe(true);
    expect(table(host, bay).code).not.toBe(0);
    bay.ok("down", "-t", "0");
    expect(setting(host, IPV4)).toBe("1");
  });

  it("still forwards for single interfaces that did so before", () => {
    const { host, left, right, bay } = hosted();
    const one = `/proc/sys/net/ipv4/conf/${left.name}/forwarding`;
    const other = `/proc/sys/net/ipv4/conf/${right.name}/forwarding`;
    switchTo(host, one, "1");
    bay.write(STACK()).ok("up", "-d");
    expect(host.ok("nft", "list", "set", "inet", `bay_${bay.tag}`, "open4")).toContain(left.name);
    bay.ok("down", "-t", "0");
    expect([setting(host, IPV4), setting(host, one), setting(host, other)]).toEqual(["0", "1", "0"]);
  });

  it("routes between its other interfaces if its administrator allows it", () => {
    const { host, left, bay } = hosted();
    mkdirSync(bay.env.BAY_CONFIG!, { recursive: true });
    writeFileSync(join(bay.env.BAY_CONFIG!, "daemon.json"), `{"ip-forward-no-drop": true}`);
    bay.write(STACK()).ok("up", "-d");
    expect(reaches(left, "198.51.2.2")).toBe(true);
    bay.ok("down", "-t", "0");
    expect(setting(host, IPV4)).toBe("1");
  });

  it("does the same for IPv6 with the first network that uses it", async () => {
    const { host, left, bay } = hosted();
    const listening = `/proc/sys/net/ipv6/conf/${left.name}/accept_ra`;
    switchTo(host, listening, "1");
    bay.write(STACK()).ok("up", "-d");
    expect(setting(host, IPV6)).toBe("0");
    bay.write(STACK("front: { enable_ipv6: true }")).ok("up", "-d");
    expect([setting(host, IPV6), setting(host, listening)]).toEqual(["1", "2"]);
    await eventually(() => void bay.ok("exec", "box", "ping", "-c1", "-W2", "2001:db8:2::2"));
    expect(reaches(left, "2001:db8:2::2")).toBe(false);
    expect(reaches(left, "198.51.2.2")).toBe(false);
    bay.ok("down", "-t", "0");
    expect([setting(host, IPV6), setting(host, IPV4), setting(host, listening)]).toEqual(["0", "0", "1"]);
  });

  it("blocks nothing of a second bay, and keeps forwarding enabled for it", async () => {
    const { host, left, bay } = hosted();
    bay.write(STACK()).ok("up", "-d");
    const second = new Bay(host.file);
    closers.push(() => second.close());
    second.busybox();
    second.write(STACK()).ok("up", "-d");
    bay.ok("down", "-t", "0");
    expect(setting(host, IPV4)).toBe("1");
    second.ok("exec", "box", "ping", "-c1", "-W2", "198.51.2.2");
    expect(reaches(left, "198.51.2.2")).toBe(false);
    second.ok("down", "-t", "0");
    await eventually(() => expect(setting(host, IPV4)).toBe("0"));
  });
});
