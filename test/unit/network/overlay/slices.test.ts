import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contains, overlaps, parseRange, parseSubnet } from "../../../../src/core/ip.ts";
import { maxHosts, sliceOf } from "../../../../src/network/overlay/slices.ts";

describe("slices of an overlay's subnet", () => {
  it.each([
    ["10.90.0.0/16", 0, "10.90.0.0/24", "10.90.0.1"],
    ["10.90.0.0/16", 255, "10.90.255.0/24", "10.90.255.1"],
    ["10.0.0.0/8", 3, "10.3.0.0/16", "10.3.0.1"],
    ["192.168.7.0/24", 2, "192.168.7.32/28", "192.168.7.33"],
    ["fd00:1::/64", 1, "fd00:1:0:0:1::/80", "fd00:1::1:0:0:1"],
  ])("%s, slot %i is %s with the gateway %s", (subnet, slot, range, gateway) => {
    expect(sliceOf(subnet, slot)).toEqual({ range, gateway });
  });

  it("a slot for which the subnet has no room is an error that says how many hosts it has", () => {
    expect(() => sliceOf("192.168.7.0/24", 16)).toThrow(/room for 16 hosts/);
  });

  it("slices do not overlap, lie in the subnet, and contain their gateway", () => {
    const subnets = fc.integer({ min: 8, max: 28 }).map((prefix) => `10.0.0.0/${prefix}`);
    fc.assert(
      fc.property(subnets, fc.nat(), fc.nat(), (subnet, first, second) => {
        const most = maxHosts(parseSubnet(subnet));
        const [one, other] = [first % most, second % most];
        const [a, b] = [sliceOf(subnet, one), sliceOf(subnet, other)];
        expect(contains(parseSubnet(subnet), a.gateway)).toBe(true);
        expect(contains(parseRange(a.range), a.gateway)).toBe(true);
        expect(overlaps(parseRange(a.range), parseRange(b.range))).toBe(one === other);
      }),
    );
  });
});
