import { describe, expect, it } from "vitest";
import { packIpv6 } from "../../../src/linux/socket.ts";

describe("an IPv6 address", () => {
  it.each([
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["fe80::1:2", "fe800000000000000000000000010002"],
    ["2001:db8:1:2:3:4:5:6", "20010db8000100020003000400050006"],
    ["2001:db8::", "20010db8000000000000000000000000"],
    ["::ffff:10.1.2.3", "00000000000000000000ffff0a010203"],
    ["fe80::1%eth0", "fe800000000000000000000000000001"],
  ])("%s is its sixteen bytes", (text, hex) => {
    expect(packIpv6(text).toString("hex")).toBe(hex);
  });
});
