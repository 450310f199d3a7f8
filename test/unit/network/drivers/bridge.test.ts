/** The bridge driver on links in memory. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { NetworkRecord } from "../../../../src/network/model/network.ts";
import type { LinkDoor } from "../../../contracts/links.ts";
import { networkDriverContract } from "../../../contracts/network-driver.ts";
import { loadNetworkRoom, type NetworkRoom } from "../../../support/network-room.ts";

let room: NetworkRoom;
beforeAll(async () => {
  room = await loadNetworkRoom();
});
afterAll(() => room.close());
beforeEach(() => room.reset());

networkDriverContract("in memory", async () => ({
  driver: room.bridge,
  door: room.host.door as unknown as LinkDoor,
}));

describe("the settings of a bridge's links", () => {
  const network = (more: Partial<NetworkRecord["config"]> = {}): NetworkRecord => ({
    id: "1".repeat(64),
    createdAt: "2026-01-02T03:04:05Z",
    config: {
      name: "n",
      stack: undefined,
      key: "n",
      driver: "bridge",
      internal: false,
      subnet: undefined,
      gateway: undefined,
      mtu: undefined,
      labels: {},
      ...more,
    },
    subnet: "10.9.1.0/24",
    gateway: "10.9.1.1",
    bridge: "br-n",
  });
  const endpoint = {
    network: "n",
    networkId: "1",
    address: "10.9.1.2",
    mac: "02:42:0a:09:01:02",
    link: "ve1",
    interface: "eth0",
    aliases: [],
  };
  const file = (path: string) => readFileSync(join(room.host.files!, path), "utf8").trim();
  const ensure = (record: NetworkRecord, isThorough = false) =>
    room.bridge.withLinks((links) =>
      room.bridge.ensureBridge(record, links, isThorough ? links.list() : undefined),
    );
  const connect = (record: NetworkRecord) => {
    const namespace = join(room.folder, "ns");
    room.host.door.createNamespace(namespace);
    room.bridge.connectEndpoint(record, endpoint, namespace, true);
  };

  it("lets localhost's published ports through, and accepts no router", () => {
    ensure(network());
    expect(file("/proc/sys/net/ipv4/conf/br-n/route_localnet")).toBe("1");
    expect(file("/proc/sys/net/ipv6/conf/br-n/accept_ra")).toBe("0");
    expect(file("/proc/sys/net/ipv6/conf/br-n/disable_ipv6")).toBe("1");
    ensure(network({ ipv6: true }), true);
    connect(network());
    expect(file("/proc/sys/net/ipv6/conf/ve1/disable_ipv6")).toBe("1");
  });

  it("makes a bridge of an older version ignore senders of reserved frames", () => {
    const learning = "/sys/class/net/br-n/bridge/no_linklocal_learn";
    ensure(network());
    room.host.setFile(learning, "0\n");
    expect(ensure(network(), true)).toBe(true);
    expect(file(learning)).toBe("1");
    expect(ensure(network(), true)).toBe(false);
  });

  it("allows hairpin only where bridged packets pass the IP rules", () => {
    ensure(network());
    connect(network());
    expect(room.host.link("ve1")!.isHairpin).toBeUndefined();
    room.host.setFile("/proc/sys/net/bridge/bridge-nf-call-iptables", "1\n");
    room.bridge.withLinks((links) => room.bridge.allowHairpin(links, "ve1"));
    expect(room.host.link("ve1")!.isHairpin).toBe(true);
    room.bridge.withLinks((links) => room.bridge.allowHairpin(links, "absent"));
  });

  it("isolates the ports of a network whose containers may not see each other", () => {
    ensure(network());
    connect(network({ options: { isolated: true } }));
    expect(room.host.link("ve1")!.isIsolated).toBe(true);
  });

  it("routes through the gateway of each IP version", () => {
    const record = { ...network({ ipv6: true }), further: [{ subnet: "fd00::/64", gateway: "fd00::1" }] };
    expect(room.bridge.ownSubnets(record, { ...endpoint, address6: "fd00::2" })).toMatchObject([
      { gateway: "10.9.1.1", address: "10.9.1.2" },
      { gateway: "fd00::1", address: "fd00::2" },
    ]);
    expect(room.bridge.ownSubnets(record, { ...endpoint, address: "10.8.0.1" })).toEqual([]);
  });
});
