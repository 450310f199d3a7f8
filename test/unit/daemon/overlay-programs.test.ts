import { describe, expect, it } from "vitest";
import { requirePrograms, supported } from "../../../src/daemon/cluster/resolve-overlays.ts";
import type { Stack } from "../../../src/stack/index.ts";

const stack = (encapsulation: string, isEncrypted = false, replicas = 1) =>
  ({
    services: { web: { replicas, networks: { net: {} } } },
    networks: { net: { overlay: { encapsulation, isEncrypted } } },
  }) as unknown as Stack;

describe("programs that overlay networks need", () => {
  it("are named with each host that lacks them", () => {
    const parts = ["a", "b", "c"].map((host) => ({
      host,
      stack: stack("ovs-gre"),
      lacks: host === "a" ? [] : ["ovs-vsctl" as const, "wg" as const],
    }));
    expect(() => requirePrograms(parts)).toThrow(
      expect.objectContaining({
        code: "NO_OPEN_VSWITCH",
        message:
          "networks.net: Open vSwitch is not installed on host b\nnetworks.net: Open vSwitch is not installed on host c",
        hint: "apt-get install openvswitch-switch on these hosts",
      }),
    );
  });

  it("include WireGuard's tools for encrypted networks", () => {
    expect(() => requirePrograms([{ host: "a", stack: stack("vxlan", true), lacks: ["wg"] }])).toThrow(
      expect.objectContaining({ code: "NO_WIREGUARD" }),
    );
  });

  it("are not needed by other networks, or on hosts without containers", () => {
    requirePrograms([
      { host: "a", stack: stack("vxlan"), lacks: ["ovs-vsctl", "wg"] },
      { host: "b", stack: stack("ovs-gre", true, 0), lacks: ["ovs-vsctl", "wg"] },
    ]);
  });
});

it("encryption needs VXLAN", () => {
  expect(supported("net", "vxlan", true)).toBe("vxlan");
  for (const encapsulation of ["gre", "ovs-gre", "ovs-vxlan"] as const) {
    expect(supported("net", encapsulation, false)).toBe(encapsulation);
    expect(() => supported("net", encapsulation, true)).toThrow(
      `networks.net.driver_opts.encrypted: encryption is supported for vxlan, not for ${encapsulation}`,
    );
  }
});
