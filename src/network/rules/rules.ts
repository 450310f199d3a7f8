/**
 * bay's nftables tables as text (nft(8)), a pure function of the networks and published ports: one for IPv4, and one for IPv6
 * if a network uses it. They always change as a whole, in one transaction.
 */
import { versionOf } from "../../core/ip.ts";
import {
  type BalancedPort,
  isRouted,
  type NetworkRecord,
  type NetworkSubnet,
  type PublishedPort,
  subnetsOf,
} from "../model/network.ts";

export type Family = "ip" | "ip6";

export function tableName(tag: string): string {
  return `bay_${tag}`;
}

export const hasIpv6 = (networks: readonly NetworkRecord[]) => networks.some(({ config }) => config.ipv6);

const set = (elements: readonly string[]) =>
  elements.length > 0 ? ` elements = { ${elements.join(", ")} };` : "";
const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`);

/** Commands before the rules: creates new tables in place of existing ones. */
export const replacing = (tag: string): string =>
  (["ip", "ip6"] as const)
    .map((family) => `${family} ${tableName(tag)}`)
    .map((table) => `add table ${table}\ndelete table ${table}\n`)
    .join("");

/**
 * Commands before the rules: empties the tables that bay created. Their chains are kept, because the kernel takes about ten
 * milliseconds to remove one through which packets pass.
 */
export function emptying(tag: string, isIpv6: boolean): string {
  const families: Family[] = isIpv6 ? ["ip", "ip6"] : ["ip"];
  return families
    .map((family) => {
      const table = `${family} ${tableName(tag)}`;
      const sets = SETS.map(([kind, name]) => `flush ${kind} ${table} ${name}\n`);
      return `flush table ${table}\n${sets.join("")}`;
    })
    .join("");
}

const SETS = [
  ["set", "bridges"],
  ["set", "internal"],
  ["map", "ports"],
  ["map", "addressed"],
] as const;

/** The tables; the result of `replacing` or `emptying` precedes them. */
export function renderRules(
  tag: string,
  networks: readonly NetworkRecord[],
  ports: readonly PublishedPort[],
  balanced: readonly BalancedPort[] = [],
): string {
  const rules = renderTable("ip", tag, networks, ports, balanced);
  return hasIpv6(networks) ? rules + renderTable("ip6", tag, networks, ports, balanced) : rules;
}

/** The differences between the two IP versions. */
const DIALECTS = {
  ip: {
    version: 4,
    type: "ipv4_addr",
    anywhere: "0.0.0.0",
    target: ({ target }: PublishedPort): string | undefined => target,
    targets: ({ targets }: BalancedPort) => targets,
    guard: [
      // route_localnet, which localhost's published ports need, and dnat, which comes before the kernel's own check,
      // would open the host's loopback to containers and to the outside (CVE-2020-8558)
      "  chain guard { type filter hook prerouting priority raw; policy accept;",
      '    iifname != "lo" ip daddr 127.0.0.0/8 drop',
      "  }",
    ],
    // bayd's own sockets accept what no rule can forward to a container: IPv6 has no route_localnet
    unled: [],
    loopback: ["    oifname @bridges ip saddr 127.0.0.0/8 masquerade"],
  },
  ip6: {
    version: 6,
    type: "ipv6_addr",
    anywhere: "::",
    target: ({ target6 }: PublishedPort): string | undefined => target6,
    targets: ({ targets6 }: BalancedPort) => targets6,
    guard: [],
    unled: ["    ip6 daddr { ::1, fe80::/10 } return"],
    loopback: [],
  },
} as const;

function renderTable(
  family: Family,
  tag: string,
  networks: readonly NetworkRecord[],
  ports: readonly PublishedPort[],
  balanced: readonly BalancedPort[],
): string {
  const { version, type, anywhere, target, targets, guard, unled, loopback } = DIALECTS[family];
  const bridges = quoted(networks.map(({ bridge }) => bridge));
  const internal = quoted(networks.filter(({ config }) => config.internal).map(({ bridge }) => bridge));
  const led = ports.flatMap((port) => {
    const address = target(port);
    return address === undefined ? [] : [{ ...port, to: `${address} . ${port.containerPort}` }];
  });
  const isAnywhere = ({ hostAddress }: Pick<PublishedPort, "hostAddress">) =>
    hostAddress === "" || hostAddress === anywhere;
  const key = ({ protocol, hostPort }: PublishedPort) => `${protocol} . ${hostPort}`;
  const lines = [
    `table ${family} ${tableName(tag)} {`,
    `  set bridges { type ifname;${set(bridges)} }`,
    `  set internal { type ifname;${set(internal)} }`,
    `  map ports { type inet_proto . inet_service : ${type} . inet_service;${set(
      led.filter(isAnywhere).map((port) => `${key(port)} : ${port.to}`),
    )} }`,
    `  map addressed { type ${type} . inet_proto . inet_service : ${type} . inet_service;${set(
      led
        .filter((port) => !isAnywhere(port) && versionOf(port.hostAddress) === version)
        .map((port) => `${port.hostAddress} . ${key(port)} : ${port.to}`),
    )} }`,
    ...guard,
    "  chain prerouting { type nat hook prerouting priority dstnat; policy accept;",
    "    fib daddr type local jump publish",
    "  }",
    "  chain output { type nat hook output priority -100; policy accept;",
    "    fib daddr type local jump publish",
    "  }",
    "  chain publish {",
    ...unled,
    `    dnat ${family} to ${family} daddr . meta l4proto . th dport map @addressed`,
    `    dnat ${family} to meta l4proto . th dport map @ports`,
    ...balanced
      .filter((port) => targets(port).length > 0)
      .filter((port) => isAnywhere(port) || versionOf(port.hostAddress) === version)
      .map((port) => {
        const own = isAnywhere(port) ? "" : `${family} daddr ${port.hostAddress} `;
        return `    ${own}meta l4proto ${port.protocol} th dport ${port.hostPort} dnat ${family} to ${inTurn(targets(port))} : ${port.containerPort}`;
      }),
    "  }",
    "  chain postrouting { type nat hook postrouting priority srcnat; policy accept;",
    ...loopback,
    ...networks.flatMap((network) =>
      subnetsOf(network)
        .filter(({ subnet, range }) => network.config.overlay && range && versionOf(subnet) === version)
        .map(
          // containers of other hosts answer to this host's address in the overlay
          ({ subnet, range }) =>
            `    ct status dnat ${family} daddr ${subnet} ${family} daddr != ${range} masquerade`,
        ),
    ),
    ...networks.flatMap((network) =>
      subnetsOf(network)
        .filter(({ subnet }) => versionOf(subnet) === version)
        .flatMap((subnet) => masquerading(family, network, subnet)),
    ),
    "  }",
    "  chain forward { type filter hook forward priority filter; policy accept;",
    ...networks.flatMap((network) => routedSubnets(network, version).flatMap(betweenHosts(family, network))),
    "    iifname @internal oifname != @internal drop",
    "    ct state established,related accept",
    ...networks.map(
      ({ bridge, config }) =>
        `    iifname "${bridge}" oifname "${bridge}" ${config.options?.isolated ? "drop" : "accept"}`,
    ),
    "    oifname @internal drop",
    "    ct status dnat oifname @bridges accept",
    "    oifname @bridges drop",
    ...networks.flatMap((network) => routedSubnets(network, version).flatMap(towardsOthers(family, network))),
    "  }",
    "}",
  ];
  return `${lines.join("\n")}\n`;
}

const bracketed = (address: string) => (versionOf(address) === 6 ? `[${address}]` : address);

/** The address for the next connection. */
const inTurn = (addresses: readonly string[]) =>
  addresses.length === 1
    ? bracketed(addresses[0]!)
    : `numgen inc mod ${addresses.length} map { ${addresses.map((address, at) => `${at} : ${address}`).join(", ")} }`;

/**
 * Packets that leave a subnet get the host's address, and so do those from a container to a published port of its own
 * network.
 */
function masquerading(family: Family, network: NetworkRecord, { subnet, gateway }: NetworkSubnet): string[] {
  const { bridge, config } = network;
  const { masquerade = true, sourceAddress } = config.options ?? {};
  const elsewhere = isRouted(network) ? ` ${family} daddr != ${subnet}` : "";
  const source = family === "ip" && sourceAddress ? `snat to ${sourceAddress}` : "masquerade";
  return [
    `    ct status dnat ${family} saddr ${subnet} oifname "${bridge}" masquerade`,
    ...(config.internal || !masquerade
      ? []
      : [`    ${family} saddr ${subnet}${elsewhere} oifname != "${bridge}" ${source}`]),
    // a published port that leads to a container of another host: that host accepts packets from addresses of the network
    ...(isRouted(network)
      ? [`    ct status dnat ${family} daddr ${subnet} oifname != "${bridge}" snat to ${gateway}`]
      : []),
  ];
}

const routedSubnets = (network: NetworkRecord, version: 4 | 6): string[] =>
  isRouted(network)
    ? subnetsOf(network).flatMap(({ subnet }) => (versionOf(subnet) === version ? [subnet] : []))
    : [];

/** Packets of a routed network between this host's bridge and other hosts. The guard of overlays has checked their source. */
const betweenHosts =
  (family: Family, { bridge }: NetworkRecord) =>
  (subnet: string): string[] => [
    `    iifname "${bridge}" oifname != @bridges ${family} daddr ${subnet} accept`,
    `    oifname "${bridge}" iifname != @bridges ${family} saddr ${subnet} accept`,
  ];

/** This host passes nothing from elsewhere to a routed network's other hosts, but for its published ports. */
const towardsOthers =
  (family: Family, { bridge, config }: NetworkRecord) =>
  (subnet: string): string[] => [
    ...(config.internal
      ? []
      : [`    oifname != "${bridge}" ${family} daddr ${subnet} ct status dnat accept`]),
    `    oifname != "${bridge}" ${family} daddr ${subnet} drop`,
  ];
