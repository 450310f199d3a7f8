/** Names on the host, parts of subnets, owners of secrets, and variables of included files. */
import { describe, expect, it } from "vitest";
import { parseRange, parseSubnet } from "../../../src/core/ip.ts";
import { chooseAddress } from "../../../src/network/addresses/address-pool.ts";
import { loadText, problemsOf } from "../../support/stack.ts";

const SERVICE = "services: { a: { image: x } }\n";
const network = (config: string) =>
  `${SERVICE}networks: { default: { ipam: { config: [{ ${config} }] } } }\n`;

describe("an ip_range", () => {
  it("of one address is that address", () => {
    const { stack } = loadText(network("subnet: 192.168.1.0/24, ip_range: 192.168.1.25/32"));
    expect(stack.networks.default!.range).toBe("192.168.1.25/32");
    const subnet = parseSubnet("192.168.1.0/24");
    expect(chooseAddress(subnet, new Set(), parseRange("192.168.1.25/32"))).toBe("192.168.1.25");
  });

  it.each([
    ["subnet: 192.168.1.0/24, ip_range: 192.168.1.1/32", "only the address of the gateway"],
    ["subnet: 192.168.1.0/24, ip_range: 192.168.1.255/32", "not an address that a container can have"],
    ["subnet: 192.168.1.0/24, ip_range: 192.168.2.0/32", "192.168.2.0/32 is not in 192.168.1.0/24"],
    ["subnet: 192.168.1.0/24, ip_range: 192.168.0.0/16", "192.168.0.0/16 is not in 192.168.1.0/24"],
    ["subnet: 192.168.1.0/24, ip_range: 192.168.1.7/24", "write 192.168.1.0/24"],
    ["subnet: 192.168.1.7/32", "too small"],
    ["subnet: 192.168.1.0/33", "invalid subnet"],
    ["subnet: fd00::/127", "too small"],
  ])("%s is refused with its reason", (config, message) => {
    expect(problemsOf(network(config))).toContain(message);
  });
});

describe("an address with the length of a prefix", () => {
  it.each([
    [network("subnet: 10.0.0.0/24, gateway: 10.0.0.1/24"), 'invalid IP address "10.0.0.1/24"'],
    [network("subnet: fd00::/64, gateway: 'fd00::1/64'"), 'invalid IP address "fd00::1/64"'],
    [
      network("subnet: 10.0.0.0/24, aux_addresses: { a: 10.0.0.9/24 }"),
      '"10.0.0.9/24" is not an address of the subnet',
    ],
    ['services: { a: { image: x, ports: ["10.0.0.1/8:80:80"] } }\n', "services.a.ports.0: "],
    [
      "services: { a: { image: x, ports: [{ target: 1, published: 1, host_ip: 10.0.0.1/8 }] } }\n",
      "invalid host address: 10.0.0.1/8",
    ],
    [
      "services: { a: { image: x, networks: { default: { ipv6_address: 'fd00::1/64' } } } }\n",
      "services.a.networks.default.ipv6_address: ",
    ],
    [
      "services: { a: { image: x, networks: { default: { ipv4_address: 10.0.0.1/24 } } } }\n",
      "services.a.networks.default.ipv4_address: ",
    ],
  ])("is refused at its place: %s", (text, message) => {
    expect(problemsOf(text)).toContain(message);
  });
});

describe("a name", () => {
  it.each([
    "networks",
    "volumes",
    "secrets",
    "configs",
  ])("of %s with a space is refused at its place", (section) => {
    const shown = problemsOf(`${SERVICE}${section}: { "a b": { } }\n`);
    expect(shown).toContain(
      `bay.yaml:2:${section.length + 5}: error: "a b" is not a valid name under ${section}`,
    );
  });

  it.each(["networks", "volumes"])("of %s is checked as a whole, with the stack's name", (section) => {
    expect(problemsOf(`${SERVICE}${section}: { ${"n".repeat(255)}: }\n`)).toContain("at most 255 letters");
    expect(loadText(`${SERVICE}${section}: { _n: }\n`).stack.name).toBeTruthy();
    expect(problemsOf(`${SERVICE}${section}: { n: { name: _n } }\n`)).toContain('invalid name "_n"');
  });

  it("of a secret or a config itself has no effect, and a warning says so", () => {
    const { warnings } = loadText(`${SERVICE}configs: { c: { content: a, name: b, labels: { a: b } } }\n`);
    expect(warnings.map(({ code }) => code)).toEqual(["NO_EFFECT", "NO_EFFECT"]);
  });
});

it("a secret without uid and gid belongs to the container's user", () => {
  const text =
    'services: { a: { image: x, secrets: [s, { source: s, target: t, uid: "0" }] } }\nsecrets: { s: { file: s.txt } }\n';
  const { files } = loadText(text, { extra: { "s.txt": "top" } }).stack.services.a!;
  expect(files.map(({ uid, gid }) => [uid, gid])).toEqual([
    [undefined, undefined],
    [0, undefined],
  ]);
});

it("an include's env files count more than the project's .env, the later more than the earlier, and less than the environment", () => {
  const { services } = loadText(
    "include: [{ path: sub/a.yaml, env_file: [one.env, two.env] }, { path: own/b.yaml }]\nservices: {}\n",
    {
      environment: { E: "environment" },
      extra: {
        ".env": "A=project\nB=project\nC=project\nE=project\nD=project\n",
        "one.env": "A=one\nB=one\nE=one\n",
        "two.env": "B=two-${C}\n",
        "sub/a.yaml": "services: { a: { image: 'x:${A}-${B}-${C}-${E}' } }\n",
        "own/.env": "D=own\nF=own\n",
        "own/b.yaml": "services: { b: { image: 'x:${D}-${F}' } }\n",
      },
    },
  ).stack;
  expect(services.a!.image).toBe("x:one-two-project-project-environment");
  expect(services.b!.image).toBe("x:project-own");
});
