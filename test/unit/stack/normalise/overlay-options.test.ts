/** Options of overlay networks, which only stacks with hosts have. */
import { describe, expect, it } from "vitest";
import { loadText, problemsOf } from "../../../support/stack.ts";

const file = (keys: string, hosts = "hosts: [a, b]\n") =>
  `${hosts}services: {}\nnetworks:\n  n: {driver: overlay, ${keys}}\n`;
const network = (keys: string) => loadText(file(keys)).stack.networks.n!;
const DEFAULTS = {
  encapsulation: "vxlan",
  isEncrypted: false,
  isAttachable: false,
  id: undefined,
  port: undefined,
};

describe("an overlay network", () => {
  it.each([
    ["internal: false", {}],
    ["attachable: true", { isAttachable: true }],
    ["driver_opts: {encapsulation: gre}", { encapsulation: "gre" }],
    ["driver_opts: {encapsulation: ovs-gre, key: 0}", { encapsulation: "ovs-gre", id: 0 }],
    ["driver_opts: {encapsulation: gre, key: 4294967295}", { encapsulation: "gre", id: 4_294_967_295 }],
    ["driver_opts: {encapsulation: ovs-vxlan, vni: 1}", { encapsulation: "ovs-vxlan", id: 1 }],
    ["driver_opts: {encapsulation: route}", { encapsulation: "route" }],
    ["driver_opts: {com.docker.network.driver.overlay.vxlanid_list: '4097'}", { id: 4097 }],
    ["driver_opts: {vni: 16777215, port: 4790}", { id: 16_777_215, port: 4790 }],
    ["driver_opts: {encrypted: 'true'}", { isEncrypted: true }],
    ["driver_opts: {encrypted: true}", { isEncrypted: true }],
    ["driver_opts: {encrypted: ''}", { isEncrypted: true }],
    ["driver_opts: {encrypted: 'false'}", {}],
    ["driver_opts: {encapsulation: ''}", {}],
  ])("with %s", (keys, expected) => {
    const { overlay, missingDriver, options } = network(keys);
    expect(overlay).toEqual({ ...DEFAULTS, ...expected });
    expect([missingDriver, options]).toEqual([undefined, undefined]);
  });

  it.each([
    ["{mtu: 1400}", 1400],
    ["{com.docker.network.driver.mtu: 1400}", 1400],
    ["{}", undefined],
  ])("has the MTU of %s", (options, mtu) => {
    expect(network(`driver_opts: ${options}`).mtu).toBe(mtu);
  });

  it.each([
    [
      "encapsulation: vlan",
      "driver_opts.encapsulation expected one of vxlan, gre, ovs-gre, ovs-vxlan, route",
    ],
    ["encapsulations: gre", "driver_opts.encapsulations is not an option of the overlay driver"],
    ["com.docker.network.bridge.name: b", "is not an option of the overlay driver"],
    ["encrypted: maybe", "driver_opts.encrypted expected true or false"],
    ["encapsulation: route, encrypted: true", "the encapsulation route has none"],
    ["vni: 0", "driver_opts.vni expected a number from 1 to 16777215"],
    ["vni: 16777216", "driver_opts.vni expected"],
    ["vni: 1, com.docker.network.driver.overlay.vxlanid_list: '1'", "has the same meaning as vni"],
    ["com.docker.network.driver.overlay.vxlanid_list: '1,2'", "expected one number, for all subnets, from 1"],
    ["key: 1", "driver_opts.key has no meaning for the encapsulation vxlan"],
    ["encapsulation: gre, vni: 1", "driver_opts.vni has no meaning for the encapsulation gre"],
    ["encapsulation: gre, key: 4294967296", "driver_opts.key expected a number from 0"],
    ["encapsulation: gre, port: 1", "driver_opts.port has no meaning"],
    ["port: 65536", "driver_opts.port expected a UDP port"],
    ["mtu: 10", "driver_opts.mtu expected 68 to 65535"],
  ])("with {%s} is an error with its place", (options, message) => {
    const problems = problemsOf(file(`driver_opts: {${options}}`));
    expect(problems).toContain(message);
    expect(problems).toMatch(/^bay\.yaml:4:\d+: error/m);
  });

  it("has a number of its own", () => {
    const two = (second: string) =>
      file("driver_opts: {vni: 5}").concat(`  m: {driver: overlay, driver_opts: ${second}}\n`);
    expect(problemsOf(two("{vni: 5}"))).toContain(
      "networks.m.driver_opts: vni 5 is also used by the network n",
    );
    expect(Object.keys(loadText(two("{encapsulation: gre, key: 5}")).stack.networks)).toContain("m");
  });

  it("is not available without hosts, as before", () => {
    const { stack, warnings } = loadText(file("attachable: true", ""));
    expect(warnings.map(({ code }) => code)).toEqual(["UNAVAILABLE"]);
    expect(stack.networks.n!.overlay).toBeUndefined();
  });

  it("is no bridge: encapsulation is not an option of bridges", () => {
    expect(
      problemsOf("hosts: [a]\nservices: {}\nnetworks: {n: {driver_opts: {encapsulation: gre}}}\n"),
    ).toContain("is not an option of the bridge driver");
  });
});
