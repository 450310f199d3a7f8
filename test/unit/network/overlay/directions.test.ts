import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NetworkRecord } from "../../../../src/network/model/network.ts";
import { difference, directionsOf } from "../../../../src/network/overlay/directions.ts";
import type { RemoteEndpoint } from "../../../../src/network/overlay/underlay.ts";

const network = {
  subnet: "10.90.0.0/16",
  gateway: "10.90.0.1",
  config: { name: "shop_net" },
} as NetworkRecord;

const endpoint = (given: Partial<RemoteEndpoint>): RemoteEndpoint => ({
  network: "shop_net",
  address: "10.90.1.2",
  mac: "02:42:0a:5a:01:02",
  slot: 1,
  ...given,
});
const peers = () => [{ name: "b", slot: 1, address: "192.0.2.2" }];

describe("directions of an overlay", () => {
  it("lead to the containers and to the bridge of each other host", () => {
    expect(directionsOf(network, { peers, endpoints: () => [endpoint({})] })).toEqual({
      tunnel: [
        { mac: "02:42:0a:5a:01:01", host: "192.0.2.2" },
        { mac: "02:42:0a:5a:01:02", host: "192.0.2.2" },
      ],
      neighbours: [
        { address: "10.90.1.1", mac: "02:42:0a:5a:01:01" },
        { address: "10.90.1.2", mac: "02:42:0a:5a:01:02" },
      ],
    });
  });

  it("leave out other networks and hosts that are not members", () => {
    const endpoints = () => [endpoint({ network: "other" }), endpoint({ slot: 9 })];
    expect(directionsOf(network, { peers, endpoints }).tunnel).toHaveLength(1);
  });

  it("have the IPv6 address of a container, with the same MAC address", () => {
    const endpoints = () => [endpoint({ address6: "fd00::1:2" })];
    expect(directionsOf(network, { peers, endpoints }).neighbours).toContainEqual({
      address: "fd00::1:2",
      mac: "02:42:0a:5a:01:02",
    });
  });

  it("a difference makes any set of entries equal any other", () => {
    const set = fc.uniqueArray(fc.nat(20));
    fc.assert(
      fc.property(set, set, (wanted, known) => {
        const { added, removed } = difference(wanted, known, String);
        const result = [...known.filter((each) => !removed.includes(each)), ...added];
        expect(result.sort()).toEqual([...wanted].sort());
      }),
    );
  });
});
