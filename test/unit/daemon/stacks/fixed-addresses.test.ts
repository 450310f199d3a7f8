import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FixedAddresses } from "../../../../src/daemon/stacks/fixed-addresses.ts";
import { addressIn } from "../../../../src/network/addresses/address-pool.ts";
import type { NetworkRecord } from "../../../../src/network/model/network.ts";
import type { Stack } from "../../../../src/stack/index.ts";

const network = {
  id: "1",
  createdAt: "",
  bridge: "b",
  subnet: "10.0.0.0/28",
  gateway: "10.0.0.1",
  further: [{ subnet: "fd00::/124", gateway: "fd00::1" }],
  config: { name: "n", ipv6: true },
} as unknown as NetworkRecord;

describe("the address pool", () => {
  it("gives every fixed address to the service that requests it, in any order of starts", () => {
    const version = fc.constantFrom(4 as const, 6 as const);
    // 13 host addresses without the gateway in the IPv4 subnet, and more in that of IPv6
    const starts = fc.uniqueArray(fc.integer({ min: 2, max: 14 }), { maxLength: 13 }).chain((hosts) =>
      fc.record({
        hosts: fc.constant(hosts),
        order: fc.shuffledSubarray(
          Array.from({ length: 13 }, (_, index) => hosts[index]),
          { minLength: 13 },
        ),
      }),
    );
    fc.assert(
      fc.property(version, starts, (ip, { hosts, order }) => {
        const toAddress = (host: number) => (ip === 4 ? `10.0.0.${host}` : `fd00::${host.toString(16)}`);
        const fixed = new Set(hosts.map(toAddress));
        const taken = new Set<string>();
        for (const host of order) {
          const wanted = host === undefined ? undefined : toAddress(host);
          const given = addressIn(network, ip, wanted, taken, fixed);
          if (wanted === undefined) expect(fixed).not.toContain(given);
          else expect(given).toBe(wanted);
          expect(taken).not.toContain(given);
          taken.add(given);
        }
      }),
    );
  });
  it("has no address left if all others are fixed", () => {
    const fixed = new Set(Array.from({ length: 13 }, (_, index) => `10.0.0.${index + 2}`));
    expect(() => addressIn(network, 4, undefined, new Set(), fixed)).toThrow("no free address");
  });
});

describe("the fixed addresses of stacks", () => {
  const stack = (name: string, address: { ipv4?: string; ipv6?: string }) =>
    ({
      name,
      services: { a: { networks: { net: address } }, b: { networks: { net: {} } } },
      networks: { net: { name: "shared" } },
    }) as unknown as Stack;

  it("are those of all stacks on a network, IPv4 and IPv6, in canonical form", () => {
    const fixed = new FixedAddresses(() => [
      stack("one", { ipv4: "10.0.0.2" }),
      stack("two", { ipv6: "FD00:0::5" }),
    ]);
    expect([...fixed.on("shared")].sort()).toEqual(["10.0.0.2", "fd00::5"]);
    expect(fixed.on("net").size).toBe(0);
  });
  it("are those of the file that is applied instead of its last revision", async () => {
    const fixed = new FixedAddresses(() => [
      stack("one", { ipv4: "10.0.0.2" }),
      stack("two", { ipv4: "10.0.0.3" }),
    ]);
    const seen = await fixed.during(stack("one", { ipv4: "10.0.0.9" }), async () => [...fixed.on("shared")]);
    expect(seen.sort()).toEqual(["10.0.0.3", "10.0.0.9"]);
    expect([...fixed.on("shared")].sort()).toEqual(["10.0.0.2", "10.0.0.3"]);
  });
});
