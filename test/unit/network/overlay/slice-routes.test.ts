import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contains, parseRange } from "../../../../src/core/ip.ts";
import type { Endpoint, NetworkRecord } from "../../../../src/network/model/network.ts";
import { routesOf } from "../../../../src/network/overlay/slice-routes.ts";
import { sliceOf } from "../../../../src/network/overlay/slices.ts";
import type { RemoteEndpoint, UnderlayHost } from "../../../../src/network/overlay/underlay.ts";
import { renderTunnelGuard } from "../../../../src/network/rules/tunnel-guard.ts";

const network = {
  id: "abcdef0123456789",
  subnet: "10.90.0.0/16",
  gateway: "10.90.0.1",
  slice: "10.90.0.0/24",
  bridge: "bay00000-abcdef",
  config: { name: "shop_net", overlay: { encapsulation: "route", id: 1, port: 4789 } },
  further: [{ subnet: "fd00:1::/64", gateway: "fd00:1::1", range: "fd00:1::/80" }],
} as unknown as NetworkRecord;

const b: UnderlayHost = { name: "b", slot: 1, address: "192.0.2.2", otherAddress: "fd77::2" };
const endpoint = (given: Partial<RemoteEndpoint>): RemoteEndpoint => ({
  network: "shop_net",
  address: "10.90.1.2",
  mac: "02:42:0a:5a:01:02",
  slot: 1,
  ...given,
});
const routes = (
  peers: UnderlayHost[],
  endpoints: RemoteEndpoint[] = [],
  own: Endpoint[] = [],
  nextHop = (_: string): { link: number; gateway: string | undefined } | undefined => ({
    link: 2,
    gateway: undefined,
  }),
) =>
  routesOf(network, {
    underlay: { peers: () => peers, endpoints: () => endpoints },
    own,
    bridge: 7,
    nextHop,
  });

describe("routes of an overlay", () => {
  it("lead to the slice of each member, by its address of the same IP version", () => {
    expect(routes([b])).toEqual([
      { destination: "10.90.0.0", prefix: 16 },
      { destination: "10.90.1.0", prefix: 24, gateway: "192.0.2.2", link: 2, source: "10.90.0.1" },
      { destination: "fd00:1::", prefix: 64 },
      { destination: "fd00:1:0:0:1::", prefix: 80, gateway: "fd77::2", link: 2, source: "fd00:1::1" },
    ]);
  });

  it("lead by a router where the member is behind one, and not at all where it cannot be reached", () => {
    const behind = routes([b], [], [], () => ({ link: 2, gateway: "192.0.2.254" }));
    expect(behind[1]).toMatchObject({ destination: "10.90.1.0", gateway: "192.0.2.254" });
    expect(routes([b], [], [], () => undefined).filter(({ link }) => link !== undefined)).toEqual([]);
  });

  it("IPv4 slices have an IPv6 gateway where the member has no other address; IPv6 slices have no IPv4 gateway", () => {
    const [, only6] = routes([{ name: "b", slot: 1, address: "fd77::2" }]);
    expect(only6).toMatchObject({ destination: "10.90.1.0", gateway: "fd77::2" });
    const all = routes([{ name: "b", slot: 1, address: "192.0.2.2" }]);
    expect(all.filter(({ gateway }) => gateway !== undefined)).toHaveLength(1);
  });

  it("lead to fixed addresses outside the slice of their host", () => {
    expect(routes([b], [endpoint({ address: "10.90.77.7" })])).toContainEqual(
      expect.objectContaining({ destination: "10.90.77.7", prefix: 32, gateway: "192.0.2.2" }),
    );
    const own = [{ network: "shop_net", address: "10.90.77.8" } as Endpoint];
    expect(routes([b], [], own)).toContainEqual({
      destination: "10.90.77.8",
      prefix: 32,
      link: 7,
      source: "10.90.0.1",
    });
  });

  it("every address of a member's slice has its route, and never that of another", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 255 }), { maxLength: 10 }), (slots) => {
        const peers = slots.map((slot) => ({ name: `h${slot}`, slot, address: `192.0.2.${slot}` }));
        const all = routes(peers).filter(({ gateway }) => gateway !== undefined);
        for (const { slot, address } of peers) {
          const { gateway } = sliceOf("10.90.0.0/16", slot);
          const leading = all.filter((route) =>
            contains(parseRange(`${route.destination}/${route.prefix}`), gateway),
          );
          expect(leading.map((route) => route.gateway)).toEqual([address]);
        }
      }),
    );
  });
});

describe("the guard of routes", () => {
  it("accepts the parts of members only, by the link that leads to them", () => {
    const rules = renderTunnelGuard("00000", { networks: [network], peers: [b], endpoints: [] });
    expect(rules).toContain(
      "set members_abcdef_0 { type ipv4_addr; flags interval; elements = { 10.90.1.0/24 }; }",
    );
    expect(rules).toContain(
      'oifname "bay00000-abcdef" iifname != "bay00000-abcdef" ip saddr 10.90.0.0/16 ip saddr != @members_abcdef_0 counter drop',
    );
    expect(rules).toContain("fib saddr . iif oif missing counter drop");
    expect(rules).not.toContain("udp dport");
  });

  it("is removed with the last overlay", () => {
    expect(renderTunnelGuard("00000", { networks: [], peers: [b], endpoints: [] })).toBe(
      "add table inet bay_00000_tunnels\ndelete table inet bay_00000_tunnels\n",
    );
  });
});
