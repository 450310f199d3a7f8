/** driver_opts of bridge networks, and network_mode with a network's name. */
import { describe, expect, it } from "vitest";
import { renderRules } from "../../../src/network/rules/rules.ts";
import { toCompose } from "../../../src/stack/index.ts";
import { loadText, problemsOf } from "../../support/stack.ts";

const file = (options: string) =>
  `services: { a: { image: x, ports: ["80:80", "127.0.0.9:81:81"] } }\nnetworks: { default: { driver_opts: { ${options} } } }\n`;
const bridge = "com.docker.network.bridge";

describe("driver_opts of a bridge", () => {
  it("are read, and written again as Docker calls them", () => {
    const opts = `${bridge}.name: br-x, ${bridge}.enable_icc: "false", ${bridge}.enable_ip_masquerade: "0", ${bridge}.inhibit_ipv4: "true", com.docker.network.driver.mtu: 1400, com.docker.network.container_iface_prefix: lan, com.docker.network.host_ipv4: 192.0.2.1`;
    const { stack, warnings } = loadText(file(opts));
    expect(warnings).toEqual([]);
    expect(stack.networks.default).toMatchObject({
      mtu: 1400,
      options: {
        bridge: "br-x",
        isolated: true,
        masquerade: false,
        inhibitIpv4: true,
        interfacePrefix: "lan",
        sourceAddress: "192.0.2.1",
      },
    });
    expect(loadText(JSON.stringify(toCompose(stack))).stack.networks).toEqual(stack.networks);
  });

  it("with Docker's defaults are omitted", () => {
    const opts = `${bridge}.enable_icc: "true", ${bridge}.enable_ip_masquerade: "true", ${bridge}.host_binding_ipv4: 0.0.0.0, ${bridge}.gateway_mode_ipv4: nat, ${bridge}.name: ""`;
    expect(loadText(file(opts)).stack.networks.default!.options).toBeUndefined();
  });

  it("give published ports without an address the network's", () => {
    const { stack } = loadText(file(`${bridge}.host_binding_ipv4: 127.0.0.1`));
    expect(stack.services.a!.ports.map(({ hostAddress }) => hostAddress)).toEqual(["127.0.0.1", "127.0.0.9"]);
  });

  it.each([
    [`${bridge}.name: "a b"`, "at most 15 letters"],
    [`${bridge}.name: a-name-that-is-too-long`, "at most 15 letters"],
    [`${bridge}.name: ".."`, "at most 15 letters"],
    [`${bridge}.enable_icc: maybe`, "expected true or false"],
    [`${bridge}.host_binding_ipv4: "::1"`, "expected an IPv4 address"],
    [`${bridge}.gateway_mode_ipv4: routed`, "routed is not supported; expected nat"],
    [`${bridge}.trusted_host_interfaces: eth0`, "is not supported"],
    ["com.docker.network.driver.mtu: 12", "expected 68 to 65535"],
    ["mtu: many", "expected 68 to 65535"],
    ["parent: eth0", "is not an option of the bridge driver"],
  ])("%s is refused at its place", (options, message) => {
    const shown = problemsOf(file(options));
    expect(shown).toContain(message);
    expect(shown).toMatch(/^bay.yaml:2:/);
  });

  it("decide the rules", () => {
    const network = (options: object) => ({
      id: "1",
      createdAt: "",
      subnet: "10.0.0.0/24",
      gateway: "10.0.0.1",
      bridge: "br-x",
      config: {
        name: "n",
        stack: "s",
        key: "n",
        driver: "bridge" as const,
        internal: false,
        subnet: undefined,
        gateway: undefined,
        mtu: undefined,
        labels: {},
        options,
      },
    });
    expect(renderRules("1", [network({ isolated: true })], [])).toContain(
      'iifname "br-x" oifname "br-x" drop',
    );
    expect(renderRules("1", [network({ masquerade: false })], [])).not.toContain('!= "br-x" masquerade');
    expect(renderRules("1", [network({ sourceAddress: "192.0.2.1" })], [])).toContain(
      'ip saddr 10.0.0.0/24 oifname != "br-x" snat to 192.0.2.1',
    );
  });
});

describe("network_mode with a network's name", () => {
  const load = (mode: string, networks = "") =>
    loadText(`services: { a: { image: x, network_mode: ${mode}, ports: ["80"] } }\n${networks}`).stack;

  it("is a network of the host", () => {
    const { services, networks } = load("other_net");
    expect([services.a!.networkMode, Object.keys(services.a!.networks)]).toEqual(["bridge", ["other_net"]]);
    expect(networks.other_net).toMatchObject({ name: "other_net", external: true });
  });

  it("is a network of the file by its key, or by its name on the host", () => {
    expect(load("mine", "networks: { mine: {} }").networks.mine).toMatchObject({
      name: "demo_mine",
      external: false,
    });
    const named = load("real", "networks: { key: { name: real }, real: {} }");
    expect(Object.keys(named.services.a!.networks)).toEqual(["key"]);
  });

  it.each(["default", '""', "bridge"])("%s is the stack's own network", (mode) => {
    expect(Object.keys(load(mode).services.a!.networks)).toEqual(["default"]);
  });

  it("must be a valid name", () => {
    expect(() => load('"a b"')).toThrow("or the name of a network");
  });
});

it.each([
  ["'/m:/m:shared'", "shared"],
  ["'/m:/m:rslave,ro'", "slave"],
  ["{ type: bind, source: /m, target: /m, bind: { propagation: rshared } }", "shared"],
  ["'/m:/m:private'", undefined],
])("the mount %s has the propagation %s", (mount, propagation) => {
  const [found] = loadText(`services: { a: { image: x, volumes: [${mount}] } }\n`).stack.services.a!.mounts;
  expect(found).toMatchObject({ type: "bind" });
  expect((found as { propagation?: string }).propagation).toBe(propagation);
});
