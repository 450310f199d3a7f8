import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  canonicalAddress,
  contains,
  defaultGateway,
  isHostAddress,
  overlaps,
  parseRange,
  parseSubnet,
  toAddress,
  toNumber,
  versionOf,
} from "../../../src/core/ip.ts";

describe("an IPv6 address", () => {
  it.each([
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["fe80::1:2", "fe800000000000000000000000010002"],
    ["2001:db8:1:2:3:4:5:6", "20010db8000100020003000400050006"],
    ["2001:db8::", "20010db8000000000000000000000000"],
    ["::ffff:10.1.2.3", "00000000000000000000ffff0a010203"],
  ])("%s is its sixteen bytes", (text, hex) => {
    expect(toNumber(text).toString(16).padStart(32, "0")).toBe(hex);
  });

  // RFC 5952, section 4
  it.each([
    ["2001:0db8::0001", "2001:db8::1"],
    ["2001:db8:0:0:0:0:2:1", "2001:db8::2:1"],
    ["2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:DB8:A::F", "2001:db8:a::f"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["1:0:0:0:0:0:0:0", "1::"],
  ])("%s is written as %s", (text, usual) => {
    expect(canonicalAddress(text)).toBe(usual);
  });

  it("has no zone where a network has it", () => {
    expect(versionOf("fe80::1%eth0")).toBeUndefined();
    expect(versionOf("fd00::1")).toBe(6);
  });
});

describe("addresses", () => {
  it("are numbers and back, and each has one text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        const version = versionOf(address)!;
        const text = toAddress(toNumber(address), version);
        expect(versionOf(text)).toBe(version);
        expect(toNumber(text)).toBe(toNumber(address));
        expect(canonicalAddress(text)).toBe(text);
      }),
    );
  });
});

describe("subnets", () => {
  it("of both versions contain and overlap their own", () => {
    const [four, six] = [parseSubnet("10.1.0.0/16"), parseSubnet("fd00:1::/64")];
    expect([contains(four, "10.1.2.3"), contains(four, "fd00:1::1"), contains(six, "fd00:1::ffff")]).toEqual([
      true,
      false,
      true,
    ]);
    expect(overlaps(four, six)).toBe(false);
    expect(overlaps(six, parseSubnet("fd00::/16"))).toBe(true);
    expect(defaultGateway(six)).toBe("fd00:1::1");
    expect([isHostAddress(four, "10.1.255.255"), isHostAddress(six, "fd00:1::ffff:ffff:ffff:ffff")]).toEqual([
      false,
      true,
    ]);
  });
  it("have no bits behind their prefix", () => {
    for (const text of ["fd00::1/64", "fd00::/127", "fd00::", "10.0.0.1/8", "10.0.0.0/31", "fe80::%eth0/64"])
      expect(() => parseSubnet(text)).toThrow(text);
    expect(() => parseSubnet("fd00::1:0/64")).toThrow("write fd00::/64");
  });
  it("are too small below the room for a gateway and a container, which a range may be", () => {
    for (const text of ["10.0.0.7/32", "10.0.0.2/31", "fd00::7/128"]) {
      expect(() => parseSubnet(text)).toThrow(`the subnet ${text} is too small`);
      expect(parseRange(text)).toMatchObject({ prefix: Number(text.split("/")[1]) });
    }
    expect(() => parseRange("10.0.0.1/33")).toThrow("invalid subnet");
  });
});
