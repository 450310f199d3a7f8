/** What a container sends from addresses that are not its own does not reach its neighbours. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packAddress } from "../../src/core/ip.ts";
import { linkLocal } from "../../src/network/rules/spoofing.ts";
import { Bay, eventually } from "../support/bay.ts";
import { nft } from "../support/nft.ts";
import { Wire } from "../support/wire.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(/[: ]/g, ""), "hex");
const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);

interface Peer {
  namespace: string;
  mac: Buffer;
  ip: string;
  ip6: string;
  index: number;
  /** The index of the host's end of the link. */
  hostIndex: number;
}

const LINKS = "/sys/class/net";
const linkOf = (index: number) => readdirSync(LINKS).find((name) => indexOf(name) === index)!;

/** Links of other tests disappear meanwhile. */
function indexOf(link: string): number | undefined {
  try {
    return Number(readFileSync(`${LINKS}/${link}/ifindex`, "utf8"));
  } catch {
    return undefined;
  }
}

/** Whether the bridge of a link expects a MAC behind this link (struct __fdb_entry of linux/if_bridge.h). */
function isBehind(mac: Buffer, hostIndex: number): boolean {
  const port = `${LINKS}/${linkOf(hostIndex)}/brport`;
  const number = Number(readFileSync(`${port}/port_no`, "utf8"));
  const entries = readFileSync(`${port}/bridge/brforward`);
  for (let at = 0; at + 16 <= entries.length; at += 16)
    if (entries.subarray(at, at + 6).equals(mac) && entries[at + 6] === number) return true;
  return false;
}

describe("a container", () => {
  const bay = new Bay();
  const file = (spoofing: string) => `
name: spoof
images: { box: { rootfs: ../busybox } }
services:
  attacker: { image: box, command: sleep 1000, stop_grace_period: 0s, cap_add: [NET_ADMIN]${spoofing} }
  neighbour: { image: box, command: sleep 1000, stop_grace_period: 0s }
  third: { image: box, command: sleep 1000, stop_grace_period: 0s }
networks: { default: { enable_ipv6: true } }
`;
  const peers = {} as Record<"attacker" | "neighbour" | "third", Peer>;
  let wire: Wire;
  let ear: Wire;
  beforeAll(async () => {
    bay.busybox();
    bay.write(file("")).ok("up", "-d");
    const out = (service: string, script: string) => bay.ok("exec", "-T", service, "sh", "-c", script).trim();
    for (const name of ["attacker", "neighbour", "third"] as const) {
      const pid = bay.ps().find(({ Service }) => Service === name)!.Pid;
      const address = out(name, "ip -o addr show eth0");
      peers[name] = {
        namespace: `/proc/${pid}/ns/net`,
        mac: hex(out(name, "cat /sys/class/net/eth0/address")),
        ip: /inet (\S+)\//.exec(address)![1]!,
        ip6: /inet6 (fd\S+)\//.exec(address)![1]!,
        index: Number(out(name, "cat /sys/class/net/eth0/ifindex")),
        hostIndex: Number(out(name, "cat /sys/class/net/eth0/iflink")),
      };
    }
    wire = new Wire(peers.attacker.namespace);
    ear = new Wire(peers.neighbour.namespace);
  });
  afterAll(() => {
    wire.close();
    ear.close();
    bay.close();
  });

  let serial = 0;
  const ipv4 = (from: string, to: string, payload: Buffer, protocol = 17) => {
    const header = Buffer.concat([
      hex("4500"),
      u16(20 + payload.length),
      hex("000000004011"),
      u16(0),
      packAddress(from),
      packAddress(to),
    ]);
    header[9] = protocol;
    let sum = 0;
    for (let at = 0; at < 20; at += 2) sum += header.readUInt16BE(at);
    header.writeUInt16BE(~((sum & 0xffff) + (sum >> 16)) & 0xffff, 10);
    return Buffer.concat([header, payload]);
  };
  const udp = (from: number, to: number, text: string) =>
    Buffer.concat([u16(from), u16(to), u16(8 + text.length), u16(0), Buffer.from(text)]);
  const ipv6 = (from: string, to: string, next: number, payload: Buffer) =>
    Buffer.concat([
      hex("60000000"),
      u16(payload.length),
      Buffer.from([next, 255]),
      packAddress(from),
      packAddress(to),
      payload,
    ]);
  const icmp6 = (type: number, rest: Buffer) => Buffer.concat([Buffer.from([type, 0, 0, 0]), rest]);

  /** Frames by what they claim; each carries a mark, by which the neighbour's ear finds it. */
  const frames = (): Record<string, (mark: Buffer) => Buffer> => {
    const { attacker, neighbour, third } = peers;
    const ether = (source: Buffer, type: string, payload: Buffer) =>
      Buffer.concat([neighbour.mac, source, hex(type), payload]);
    const own6 = linkLocal(attacker.mac.toString("hex").match(/../g)!.join(":"));
    const advert = (target: string, mark: Buffer) =>
      ipv6(
        attacker.ip6,
        neighbour.ip6,
        58,
        icmp6(136, Buffer.concat([hex("20000000"), packAddress(target), mark])),
      );
    const isFree = (target: string, mark: Buffer) =>
      ipv6("::", neighbour.ip6, 58, icmp6(135, Buffer.concat([hex("00000000"), packAddress(target), mark])));
    const arp = (mac: Buffer, ip: string, mark: Buffer) =>
      Buffer.concat([
        hex("0001080006040002"),
        mac,
        packAddress(ip),
        neighbour.mac,
        packAddress(neighbour.ip),
        mark,
      ]);
    return {
      "own IPv4": (mark) =>
        ether(
          attacker.mac,
          "0800",
          ipv4(attacker.ip, neighbour.ip, udp(1000, 2000, mark.toString("latin1"))),
        ),
      "own ARP": (mark) => ether(attacker.mac, "0806", arp(attacker.mac, attacker.ip, mark)),
      "own IPv6": (mark) => ether(attacker.mac, "86dd", ipv6(attacker.ip6, neighbour.ip6, 59, mark)),
      "own link-local IPv6": (mark) => ether(attacker.mac, "86dd", ipv6(own6, neighbour.ip6, 59, mark)),
      "own neighbour advertisement": (mark) => ether(attacker.mac, "86dd", advert(attacker.ip6, mark)),
      "own duplicate address detection": (mark) => ether(attacker.mac, "86dd", isFree(attacker.ip6, mark)),
      "another's MAC": (mark) =>
        ether(third.mac, "0800", ipv4(attacker.ip, neighbour.ip, udp(1000, 2000, mark.toString("latin1")))),
      "another's IPv4": (mark) =>
        ether(attacker.mac, "0800", ipv4(third.ip, neighbour.ip, udp(1000, 2000, mark.toString("latin1")))),
      "an IPv4 of the outside": (mark) =>
        ether(
          attacker.mac,
          "0800",
          ipv4("192.0.2.1", neighbour.ip, udp(1000, 2000, mark.toString("latin1"))),
        ),
      "another's IPv4 by ARP": (mark) => ether(attacker.mac, "0806", arp(attacker.mac, third.ip, mark)),
      "another's MAC by ARP": (mark) => ether(attacker.mac, "0806", arp(third.mac, attacker.ip, mark)),
      "another's IPv6": (mark) => ether(attacker.mac, "86dd", ipv6(third.ip6, neighbour.ip6, 59, mark)),
      "a neighbour advertisement of another's": (mark) =>
        ether(attacker.mac, "86dd", advert(third.ip6, mark)),
      "duplicate address detection of another's": (mark) =>
        ether(attacker.mac, "86dd", isFree(third.ip6, mark)),
      "the unspecified IPv6 address": (mark) =>
        ether(attacker.mac, "86dd", ipv6("::", neighbour.ip6, 17, udp(1000, 2000, mark.toString("latin1")))),
      "the unspecified IPv6 address with ICMPv6": (mark) =>
        ether(attacker.mac, "86dd", ipv6("::", neighbour.ip6, 58, icmp6(128, mark))),
      "a router advertisement (CVE-2020-13401)": (mark) =>
        ether(
          attacker.mac,
          "86dd",
          ipv6(own6, neighbour.ip6, 58, icmp6(134, Buffer.concat([Buffer.alloc(12), mark]))),
        ),
      "an answer of DHCP": (mark) =>
        ether(attacker.mac, "0800", ipv4(attacker.ip, neighbour.ip, udp(67, 68, mark.toString("latin1")))),
      "a VLAN tag": (mark) =>
        ether(attacker.mac, "8100", Buffer.concat([hex("0001 0800"), ipv4(third.ip, neighbour.ip, mark)])),
    };
  };
  /** True where the frame reaches the neighbour; a frame of its own after it tells that it would have come by now. */
  const arrives = async (name: string): Promise<boolean> => {
    const mark = Buffer.from(`mark-${serial++}-of-spoofing`);
    const after = Buffer.from(`after-${serial}-of-spoofing`);
    ear.received();
    wire.send(frames()[name]!(mark), peers.attacker.index);
    wire.send(frames()["own IPv6"]!(after), peers.attacker.index);
    const heard: Buffer[] = [];
    await eventually(() => {
      heard.push(...ear.received());
      expect(heard.some((frame) => frame.includes(after))).toBe(true);
    });
    return heard.some((frame) => frame.includes(mark));
  };
  const isOwn = (name: string) => name.startsWith("own ");

  it("sends only from its own addresses", async () => {
    for (const name of Object.keys(frames()))
      expect([name, await arrives(name)]).toEqual([name, isOwn(name)]);
  });

  it("does not get its neighbour's traffic", async () => {
    const { attacker, third } = peers;
    // a bridge takes frames to its reserved addresses itself, and learns their sender (IEEE 802.1D, 7.12.6)
    const lldp = Buffer.concat([hex("0180c200000e"), third.mac, hex("88cc0000"), Buffer.alloc(60)]);
    wire.send(lldp, attacker.index);
    expect(await arrives("own IPv4")).toBe(true);
    expect(isBehind(attacker.mac, attacker.hostIndex)).toBe(true);
    expect(isBehind(third.mac, attacker.hostIndex)).toBe(false);
  });

  it("is guarded again after the rules were removed", async () => {
    nft("delete", "table", "bridge", `bay_${bay.tag}`);
    await eventually(() => expect(nft("list", "tables")).toContain(`bridge bay_${bay.tag}`));
    expect(await arrives("another's IPv4")).toBe(false);
    expect(await arrives("own IPv4")).toBe(true);
  });

  it("has rules whose loss the plan shows", async () => {
    await eventually(() => expect(existsSync(`${bay.folder}/run/guard`)).toBe(true));
    bay.ok("daemon", "stop");
    expect(bay.ok("plan")).not.toContain("nftables");
    nft("flush", "set", "bridge", `bay_${bay.tag}`, "guarded");
    expect(await arrives("another's IPv4")).toBe(true);
    expect(bay.ok("plan")).toContain("bay's nftables rules were changed or removed");
    bay.ok("up", "-d");
    expect(await arrives("another's IPv4")).toBe(false);
    expect(bay.ok("plan")).not.toContain("nftables");
  });

  it("may send from other addresses after the stack file allows it", async () => {
    const before = bay.ps().find(({ Service }) => Service === "attacker")!.ID;
    bay.write(file(", x-bay: { spoofing: allow }"));
    expect(bay.ok("plan")).toContain("spoofing allowed");
    bay.ok("up", "-d");
    expect(bay.ps().find(({ Service }) => Service === "attacker")!.ID).toBe(before);
    for (const name of ["another's IPv4", "another's IPv4 by ARP", "another's IPv6"])
      expect(await arrives(name)).toBe(true);
    bay.write(file("")).ok("up", "-d");
    expect(await arrives("another's IPv4")).toBe(false);
  });

  it("has the stack file's setting after a stop and a start, too", () => {
    const isGuarded = () => {
      const set = nft("list", "set", "bridge", `bay_${bay.tag}`, "guarded");
      const index = bay.ok("exec", "-T", "attacker", "cat", "/sys/class/net/eth0/iflink").trim();
      return set.includes(`"${linkOf(Number(index))}"`);
    };
    bay.ok("restart", "attacker");
    expect(isGuarded()).toBe(true);
    bay.ok("stop", "attacker");
    bay.write(file(", x-bay: { spoofing: allow }")).ok("up", "-d");
    expect(isGuarded()).toBe(false);
    bay.ok("stop", "attacker");
    bay.write(file("")).ok("up", "-d");
    expect(isGuarded()).toBe(true);
  });

  it("leaves no table behind", () => {
    bay.ok("down");
    expect(nft("list", "tables")).not.toContain(`bay_${bay.tag}`);
  });
});
