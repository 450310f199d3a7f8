/**
 * bay's nftables table as text (nft(8)), a pure function of the networks and published ports. It always changes as a
 * whole, in one transaction.
 */
import type { NetworkRecord, PublishedPort } from "./network.ts";

export function tableName(tag: string): string {
  return `bay_${tag}`;
}

const set = (elements: readonly string[]) =>
  elements.length > 0 ? ` elements = { ${elements.join(", ")} };` : "";
const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`);

/** Before the rules: a new table, whatever was there. */
export const replacing = (tag: string): string =>
  `add table ip ${tableName(tag)}\ndelete table ip ${tableName(tag)}\n`;

/**
 * Before the rules: the table that bay made, emptied. Its chains stay, as the kernel takes some ten milliseconds to let
 * one go that packets pass through.
 */
export function emptying(tag: string): string {
  const sets = SETS.map(([kind, name]) => `flush ${kind} ip ${tableName(tag)} ${name}\n`);
  return `flush table ip ${tableName(tag)}\n${sets.join("")}`;
}

const SETS = [
  ["set", "bridges"],
  ["set", "internal"],
  ["map", "ports"],
  ["map", "addressed"],
] as const;

/** The table; `replacing` or `emptying` stands before it. */
export function renderRules(
  tag: string,
  networks: readonly NetworkRecord[],
  ports: readonly PublishedPort[],
): string {
  const table = `table ip ${tableName(tag)}`;
  const bridges = quoted(networks.map(({ bridge }) => bridge));
  const internal = quoted(networks.filter(({ config }) => config.internal).map(({ bridge }) => bridge));
  const target = (port: PublishedPort) => `${port.target} . ${port.containerPort}`;
  const anywhere = ports.filter(({ hostAddress }) => hostAddress === "" || hostAddress === "0.0.0.0");
  const somewhere = ports.filter((port) => !anywhere.includes(port) && !port.hostAddress.includes(":"));
  const lines = [
    `${table} {`,
    `  set bridges { type ifname;${set(bridges)} }`,
    `  set internal { type ifname;${set(internal)} }`,
    `  map ports { type inet_proto . inet_service : ipv4_addr . inet_service;${set(
      anywhere.map((port) => `${port.protocol} . ${port.hostPort} : ${target(port)}`),
    )} }`,
    `  map addressed { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service;${set(
      somewhere.map((port) => `${port.hostAddress} . ${port.protocol} . ${port.hostPort} : ${target(port)}`),
    )} }`,
    // route_localnet, which localhost's published ports need, and dnat, which comes before the kernel's own check,
    // would open the host's loopback to containers and to the outside (CVE-2020-8558)
    "  chain guard { type filter hook prerouting priority raw; policy accept;",
    '    iifname != "lo" ip daddr 127.0.0.0/8 drop',
    "  }",
    "  chain prerouting { type nat hook prerouting priority dstnat; policy accept;",
    "    fib daddr type local jump publish",
    "  }",
    "  chain output { type nat hook output priority -100; policy accept;",
    "    fib daddr type local jump publish",
    "  }",
    "  chain publish {",
    "    dnat ip to ip daddr . meta l4proto . th dport map @addressed",
    "    dnat ip to meta l4proto . th dport map @ports",
    "  }",
    "  chain postrouting { type nat hook postrouting priority srcnat; policy accept;",
    "    oifname @bridges ip saddr 127.0.0.0/8 masquerade",
    ...networks.flatMap(({ bridge, subnet, config }) => [
      `    ct status dnat ip saddr ${subnet} oifname "${bridge}" masquerade`,
      ...(config.internal ? [] : [`    ip saddr ${subnet} oifname != "${bridge}" masquerade`]),
    ]),
    "  }",
    "  chain forward { type filter hook forward priority filter; policy accept;",
    "    iifname @internal oifname != @internal drop",
    "    ct state established,related accept",
    ...networks.map(({ bridge }) => `    iifname "${bridge}" oifname "${bridge}" accept`),
    "    oifname @internal drop",
    "    ct status dnat oifname @bridges accept",
    "    oifname @bridges drop",
    "  }",
    "}",
  ];
  return `${lines.join("\n")}\n`;
}
