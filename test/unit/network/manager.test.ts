/** Networks of one bay on links and rules in memory. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { overlaps, parseSubnet } from "../../../src/core/ip.ts";
import type { Endpoint, NetworkConfig } from "../../../src/network/model/network.ts";
import { MemoryStore } from "../../support/memory-store.ts";
import { loadNetworkRoom, type Managed, type NetworkRoom } from "../../support/network-room.ts";

let room: NetworkRoom;
let { networks, containers }: Managed = {} as Managed;
beforeAll(async () => {
  room = await loadNetworkRoom();
});
afterAll(() => room.close());
beforeEach(() => {
  room.reset();
  ({ networks, containers } = room.manager());
});

const config = (name: string, more: Partial<NetworkConfig> = {}): NetworkConfig => ({
  name,
  stack: undefined,
  key: name,
  driver: "bridge",
  internal: false,
  subnet: undefined,
  gateway: undefined,
  mtu: undefined,
  labels: {},
  ...more,
});
const attach = (name: string, network: string, isRunning = true): Endpoint => {
  const endpoint = networks.endpoints.allocate(network, { aliases: [] }, 0);
  containers.push({ container: name, id: name.padEnd(16, "0"), isRunning, endpoint });
  return endpoint;
};
const bridges = () =>
  room.host
    .links()
    .list()
    .map(({ name }) => name)
    .filter((name) => name.startsWith("bayunit0-"))
    .sort();
const code = (name: string) => expect.objectContaining({ code: name });

describe("a network", () => {
  it("is created once, with its bridge, its rules and forwarding", async () => {
    const made = await networks.create(config("front"));
    expect(made.bridge).toBe(`bayunit0-${made.id.slice(0, 6)}`);
    expect(bridges()).toEqual([made.bridge]);
    expect(room.nft.textOf("ip bay_unit0")).toContain(
      `iifname "${made.bridge}" oifname "${made.bridge}" accept`,
    );
    expect(readFileSync(join(room.host.files!, "/proc/sys/net/ipv4/ip_forward"), "utf8")).toBe("1");
    expect(await networks.create(config("front", { internal: true }))).toEqual(made);
    expect(networks.list()).toEqual([made]);
    expect(() => networks.require("back")).toThrow(code("NETWORK_NOT_FOUND"));
  });

  it("is removed with its bridge and rules, unless a container uses it", async () => {
    await networks.create(config("front"));
    attach("web", "front");
    await expect(networks.remove("front")).rejects.toThrow("the network front is used by the container web");
    containers.length = 0;
    await networks.remove("front");
    await networks.remove("front");
    expect([networks.list(), bridges(), room.nft.tables]).toEqual([[], [], []]);
    expect(readFileSync(join(room.host.files!, "/proc/sys/net/ipv4/ip_forward"), "utf8")).toBe("0");
  });

  it("is not left behind if it could not be created", async () => {
    const { bringUp } = networks.overlays;
    networks.overlays.bringUp = () => Promise.reject(new Error("no tunnel"));
    await expect(networks.create(config("front"))).rejects.toThrow("no tunnel");
    expect([networks.list(), bridges(), room.nft.tables]).toEqual([[], [], []]);
    networks.overlays.bringUp = bringUp;
    expect(await networks.create(config("front"))).toEqual(networks.require("front"));
  });

  it("is replaced with its subnet, if only containers use it that are replaced too", async () => {
    const before = await networks.create(config("front"));
    attach("web", "front");
    attach("db", "front");
    await expect(networks.replace(config("front", { internal: true }), ["web"])).rejects.toThrow(
      "the network front cannot be replaced while the container db uses it",
    );
    expect(networks.require("front")).toEqual(before);
    await networks.replace(config("front", { internal: true }), ["web", "db"]);
    const after = networks.require("front");
    expect([after.subnet, after.id === before.id]).toEqual([before.subnet, false]);
    expect(bridges()).toEqual([after.bridge]);
    expect(room.nft.textOf("ip bay_unit0")).toContain(
      `set internal { type ifname; elements = { "${after.bridge}" }; }`,
    );
  });

  it("changes its labels in the record alone", async () => {
    await networks.create(config("front"));
    const ran = room.nft.ran.length;
    networks.relabel("front", { a: "1" });
    expect(networks.require("front").config.labels).toEqual({ a: "1" });
    expect(room.nft.ran).toHaveLength(ran);
  });

  it("never overlaps another network, or a route of the host", async () => {
    room.host.hostRoutes = [
      { destination: "172.18.0.0", prefix: 15 },
      { destination: "0.0.0.0", prefix: 0 },
    ];
    const made = [];
    for (let at = 0; at < 40; at++) made.push(await networks.create(config(`n${at}`)));
    expect(made[0]!.subnet).toBe("172.20.0.0/16");
    const subnets = [...made.map(({ subnet }) => parseSubnet(subnet)), parseSubnet("172.18.0.0/15")];
    for (const [at, subnet] of subnets.entries())
      expect(subnets.slice(at + 1).some((other) => overlaps(subnet, other))).toBe(false);
  });

  it("keeps a requested subnet, and rejects one that overlaps or has its gateway outside", async () => {
    const made = await networks.create(config("a", { subnet: "10.8.0.0/16", gateway: "10.8.3.3" }));
    expect(made).toMatchObject({ subnet: "10.8.0.0/16", gateway: "10.8.3.3" });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 8, max: 30 }),
        fc.integer({ min: 0, max: 255 }),
        async (prefix, third) => {
          const subnet = `10.8.${third}.0/${prefix}`;
          await expect(networks.create(config("b", { subnet }))).rejects.toThrow(code("BAD_SUBNET"));
        },
      ),
    );
    await expect(
      networks.create(config("c", { subnet: "10.9.0.0/24", gateway: "10.8.0.1" })),
    ).rejects.toThrow("the gateway 10.8.0.1 is not in 10.9.0.0/24");
    expect(networks.list()).toHaveLength(1);
  });

  it("has an IPv6 subnet on request, which a replacement keeps", async () => {
    const { further } = await networks.create(config("six", { ipv6: true }));
    expect(further).toMatchObject([{ subnet: expect.stringMatching(/^fd.*::\/64$/) }]);
    expect(room.nft.textOf("ip6 bay_unit0")).toBeDefined();
    await networks.replace(config("six", { ipv6: true, mtu: 1400 }), []);
    expect(networks.require("six").further).toEqual(further);
    const both = await networks.create(
      config("more", {
        ipv6: true,
        further: [
          { subnet: "fd00:1::/64", gateway: undefined },
          { subnet: "10.9.0.0/24", gateway: undefined },
        ],
      }),
    );
    expect(both.further!.map(({ subnet }) => subnet)).toEqual(["fd00:1::/64", "10.9.0.0/24"]);
  });

  it("has the bridge that it names, unless another network or program has it", async () => {
    const named = (name: string) => config(name, { options: { bridge: "mybridge" } });
    expect((await networks.create(named("a"))).bridge).toBe("mybridge");
    await expect(networks.create(named("b"))).rejects.toThrow("network b: mybridge is the bridge of a");
    room.host.links().addBridge("foreign", undefined, "");
    await expect(networks.create(config("c", { options: { bridge: "foreign" } }))).rejects.toThrow(
      "network c: this host already has a link foreign",
    );
    expect(networks.list()).toHaveLength(1);
  });
});

describe("repair", () => {
  const linkOf = (endpoint: Endpoint) => room.host.link(endpoint.link);

  it("finds nothing after a start, and nothing without networks", async () => {
    expect(networks.links.repair()).toEqual([]);
    await networks.create(config("front"));
    const web = attach("web", "front");
    networks.endpoints.setUp("web".padEnd(16, "0"), [web]);
    expect(networks.links.repair()).toEqual([]);
  });

  it("restores a bridge, its ports and the rules", async () => {
    const { bridge } = await networks.create(config("front", { options: { isolated: true } }));
    const web = attach("web", "front");
    networks.endpoints.setUp("web".padEnd(16, "0"), [web]);
    attach("stopped", "front", false);
    networks.links.repair();
    const links = room.host.links();
    links.remove(room.host.link(bridge)!.index);
    links.setMaster(linkOf(web)!.index, undefined as never);
    room.nft.tamper("ip bay_unit0", "    accept");
    room.nft.tamper("bridge bay_unit0", "    accept");
    expect(networks.links.repair()).toEqual([
      `network front: bridge ${bridge}`,
      `container web: link ${web.link}`,
      "nftables rules",
      "nftables rules against spoofing",
    ]);
    expect(linkOf(web)!.master).toBe(room.host.link(bridge)!.index);
    expect(linkOf(web)!.isIsolated).toBe(true);
    expect(networks.links.repair()).toEqual([]);
  });

  it("connects a running container again whose link was removed", async () => {
    await networks.create(config("front"));
    const web = attach("web", "front");
    const file = networks.endpoints.setUp("web".padEnd(16, "0"), [web]);
    room.host.links().remove(linkOf(web)!.index);
    expect(networks.links.repair()).toEqual([`container web: link ${web.link}`]);
    expect(linkOf(web)).toBeDefined();
    expect(room.host.defaultRoutes(file)).toEqual([networks.require("front").gateway]);
  });

  it("leaves a container alone whose network was replaced", async () => {
    await networks.create(config("front"));
    const web = attach("web", "front");
    networks.endpoints.setUp("web".padEnd(16, "0"), [web]);
    await networks.replace(config("front", { mtu: 1400 }), ["web"]);
    expect(networks.links.repair()).toEqual([]);
  });

  it("removes what a killed bayd left and no record has", async () => {
    await networks.create(config("front"));
    const web = attach("web", "front");
    const file = networks.endpoints.setUp("web".padEnd(16, "0"), [web]);
    room.host.links().addBridge("bayunit0-999999", undefined, "");
    room.host.links().addBridge("veunit0ffffffff", undefined, "");
    room.host.links().addBridge("bayother-999999", undefined, "");
    writeFileSync(join(room.folder, "run/netns/unknown"), "");
    networks.links.sweep(new Set(["web".padEnd(16, "0")]));
    const names = room.host
      .links()
      .list()
      .map(({ name }) => name);
    expect(names).toContain("bayother-999999");
    expect(names.filter((name) => /9{6}|f{8}/.test(name))).toEqual(["bayother-999999"]);
    expect([existsSync(file), existsSync(join(room.folder, "run/netns/unknown"))]).toEqual([true, false]);
  });

  it("ends to wait when the links of removed containers are gone", async () => {
    await networks.create(config("front"));
    room.host.links().addBridge("veunit0ffffffff", undefined, "");
    const settled = networks.links.settled();
    room.host.links().remove(room.host.link("veunit0ffffffff")!.index);
    await settled;
  });
});

describe("forwarding", () => {
  const file = (path: string) => join(room.host.files!, path);
  const isForwarding = (version: 4 | 6) =>
    readFileSync(
      file(version === 4 ? "/proc/sys/net/ipv4/ip_forward" : "/proc/sys/net/ipv6/conf/all/forwarding"),
      "utf8",
    ).trim() === "1";
  const table = () => room.nft.textOf("inet bay_unit0");

  it("is switched on with a table that drops what was not forwarded before", async () => {
    room.host.links().addBridge("lan0", undefined, "");
    room.host.links().addBridge("wan0", undefined, "");
    writeFileSync(file("/proc/sys/net/ipv4/conf/lan0/forwarding"), "1\n");
    const { bridge } = await networks.create(config("front", { options: { bridge: "mine0" } }));
    expect([isForwarding(4), isForwarding(6)]).toEqual([true, false]);
    expect(table()).toContain('set open4 { type ifname; elements = { "lan0" }; }');
    expect(table()).toContain(`set named { type ifname; elements = { "${bridge}" }; }`);
    expect(networks.forwarding.repair()).toEqual([]);
    expect(room.forwarding.dropsForeign("unit0")).toBe(true);
    expect(room.forwarding.forwardingIsIntact("unit0", join(room.folder, "run/foreign"))).toBe(true);
  });

  it("of IPv6 keeps the interfaces that accept router advertisements", async () => {
    room.host.links().addBridge("lan0", undefined, "");
    const accept = file("/proc/sys/net/ipv6/conf/lan0/accept_ra");
    await networks.create(config("six", { ipv6: true }));
    expect([isForwarding(6), readFileSync(accept, "utf8")]).toEqual([true, "2"]);
    await networks.remove("six");
    expect([isForwarding(6), readFileSync(accept, "utf8")]).toEqual([false, "1"]);
  });

  it("is left on for a host that forwarded before, and for another program", async () => {
    writeFileSync(file("/proc/sys/net/ipv4/ip_forward"), "1\n");
    await networks.create(config("front"));
    expect(table()).toBeUndefined();
    await networks.remove("front");
    expect(isForwarding(4)).toBe(true);
    writeFileSync(file("/proc/sys/net/ipv4/ip_forward"), "0\n");
    await networks.create(config("front"));
    room.nft.run("table ip nat {\n  chain post { type nat hook postrouting priority srcnat; }\n}\n");
    await networks.remove("front");
    expect(isForwarding(4)).toBe(true);
    expect(table()).toBeDefined();
    room.nft.run("delete table ip nat\n");
    expect(networks.forwarding.repair()).toEqual([]);
    expect([isForwarding(4), table()]).toEqual([false, undefined]);
  });

  it("is left on if an interface appeared since, and closed interfaces stay closed", async () => {
    await networks.create(config("front"));
    room.host.links().addBridge("vpn0", undefined, "");
    await networks.remove("front");
    expect(isForwarding(4)).toBe(true);
    expect(table()).toContain("counter drop");
  });

  it("is switched on again after another program switched it off, and its table is restored", async () => {
    await networks.create(config("front"));
    writeFileSync(file("/proc/sys/net/ipv4/ip_forward"), "0\n");
    expect(networks.forwarding.repair()).toEqual(["forwarding of IPv4"]);
    expect(isForwarding(4)).toBe(true);
    room.nft.tamper("inet bay_unit0", "    accept");
    expect(room.forwarding.forwardingIsIntact("unit0", join(room.folder, "run/foreign"))).toBe(false);
    expect(networks.forwarding.repair()).toEqual([
      "nftables rules against forwarding between other interfaces",
    ]);
    expect(room.forwarding.forwardingIsIntact("unit0", join(room.folder, "run/foreign"))).toBe(true);
  });

  it("has no table if the administrator lets the host route", async () => {
    ({ networks, containers } = room.manager({ mayRouteOthers: true }));
    await networks.create(config("front"));
    expect([isForwarding(4), table()]).toEqual([true, undefined]);
    await networks.remove("front");
    expect(isForwarding(4)).toBe(true);
  });

  it("is not touched for a record of another boot", async () => {
    const store = new MemoryStore();
    store.put("forwarding", { host: "another boot", versions: { 4: { present: [], closed: [] } } });
    writeFileSync(file("/proc/sys/net/ipv4/ip_forward"), "1\n");
    ({ networks, containers } = room.manager({ store }));
    networks.forwarding.release();
    expect(isForwarding(4)).toBe(true);
  });
});

describe("the rules of networks", () => {
  it("are applied together, and only when they change", async () => {
    await networks.create(config("front"));
    const ran = room.nft.ran.length;
    const [one, two] = [networks.firewall.sync(), networks.firewall.sync()];
    expect(one).toBe(two);
    await one;
    expect(room.nft.ran).toHaveLength(ran);
    await networks.create(config("back"));
    expect(room.nft.ran.some((text) => text.startsWith("flush table ip bay_unit0\n"))).toBe(true);
  });

  it("are made again if another program removed the table", async () => {
    await networks.create(config("front"));
    room.nft.run("delete table ip bay_unit0\n");
    await networks.create(config("back"));
    expect(room.nft.textOf("ip bay_unit0")).toContain("chain forward");
  });

  it("are compared with what bayd saved", async () => {
    await networks.create(config("front"));
    const rules = join(room.folder, "run/rules");
    expect(room.firewall.firewallIsIntact("unit0", rules)).toBe(true);
    networks.saveRules();
    expect(room.firewall.firewallIsIntact("unit0", rules)).toBe(true);
    room.nft.tamper("ip bay_unit0", "    accept");
    expect(room.firewall.firewallIsIntact("unit0", rules)).toBe(false);
    room.nft.run("delete table ip bay_unit0\n");
    expect(room.firewall.firewallIsIntact("unit0", rules)).toBe(false);
  });
});

describe("the guard against spoofing", () => {
  const TABLE = "bridge bay_unit0";
  const guarded = () => room.nft.elementsOf(TABLE, "guarded");
  const endpoint = (link: string, address = "10.9.0.2"): Endpoint => ({
    network: "n",
    networkId: "1",
    address,
    mac: "02:42:0a:09:00:02",
    link,
    interface: "eth0",
    aliases: [],
  });
  const make = (desired: Endpoint[] = []) => {
    const warnings: string[] = [];
    const file = join(room.folder, "run/guard");
    return {
      guard: new room.spoofing.SpoofingGuard(
        "unit0",
        () => desired,
        (text) => warnings.push(text),
        file,
      ),
      warnings,
      desired,
      file,
    };
  };

  it("adds and removes elements, and leaves removed links until a pass", () => {
    const { guard } = make();
    guard.add(endpoint("ve1"));
    guard.add(endpoint("ve2", "10.9.0.3"));
    expect(guarded()).toEqual(['"ve1"', '"ve2"']);
    expect(room.nft.elementsOf(TABLE, "addresses")).toEqual(['"ve1" . 10.9.0.2', '"ve2" . 10.9.0.3']);
    guard.remove(endpoint("ve1"));
    expect(guarded()).toEqual(['"ve1"', '"ve2"']);
    guard.remove(endpoint("ve2"), true);
    expect(guarded()).toEqual(['"ve1"']);
    guard.remove(endpoint("absent"));
  });

  it("changes nothing for a restart with the same addresses, and the elements for others", () => {
    const { guard } = make();
    guard.add(endpoint("ve1"));
    const ran = room.nft.ran.length;
    guard.remove(endpoint("ve1"));
    guard.add(endpoint("ve1"));
    expect(room.nft.ran).toHaveLength(ran);
    guard.add(endpoint("ve1", "10.9.0.9"));
    expect(room.nft.elementsOf(TABLE, "addresses")).toEqual(['"ve1" . 10.9.0.9']);
  });

  it("cleans many removed links together", () => {
    const { guard, desired } = make([endpoint("kept")]);
    guard.add(desired[0]!);
    for (let at = 0; at < 70; at++) guard.add(endpoint(`ve${at}`));
    for (let at = 0; at < 70; at++) guard.remove(endpoint(`ve${at}`));
    expect(guarded()).toHaveLength(71);
    guard.repair(); // learns what the table should be
    guard.repair();
    expect(guarded()).toEqual(['"kept"']);
  });

  it("never keeps more than a bounded number of removed links", () => {
    const { guard } = make();
    for (let at = 0; at < 1200; at++) {
      guard.add(endpoint(`ve${at}`));
      guard.remove(endpoint(`ve${at}`));
    }
    expect(guarded().length).toBeLessThanOrEqual(1026);
  });

  it("restores a table that another program changed or removed", () => {
    const { guard, desired, file } = make();
    desired.push(endpoint("ve1"));
    expect(guard.repair()).toBe(false); // the first table is no repair
    expect(guarded()).toEqual(['"ve1"']);
    expect(guard.repair()).toBe(false);
    guard.save();
    expect(room.spoofing.guardIsIntact("unit0", file)).toBe(true);
    room.nft.tamper(TABLE, "    accept");
    expect(room.spoofing.guardIsIntact("unit0", file)).toBe(false);
    expect(guard.repair()).toBe(true);
    room.nft.run(`delete table ${TABLE}\n`);
    guard.add(endpoint("ve2"));
    expect(guarded()).toEqual(['"ve1"', '"ve2"']);
  });

  it("warns once on a kernel without it, and tries again", () => {
    const { guard, warnings } = make([endpoint("ve1")]);
    room.nft.missing.add("bridge");
    guard.add(endpoint("ve1"));
    guard.repair();
    guard.clear();
    expect(warnings).toEqual([
      "containers can use the addresses of other containers: nftables rejected a change: Operation not supported",
    ]);
    expect(() => room.spoofing.tryGuard()).toThrow(code("NFTABLES"));
    room.nft.missing.clear();
    guard.repair();
    expect(guarded()).toEqual(['"ve1"']);
    room.spoofing.tryGuard();
    guard.clear();
    expect(room.nft.tables).toEqual([]);
  });

  it("replaces a table of an earlier bayd before a link may send from any address", () => {
    const earlier = make();
    earlier.guard.add(endpoint("ve1"));
    const { guard } = make();
    guard.remove(endpoint("ve1"), true);
    expect(guarded()).toEqual([]);
  });
});
