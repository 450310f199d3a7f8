/**
 * The table that keeps a host from becoming a router for interfaces that are not bay's, as text (nft(8)): a pure function of
 * bay's networks and of what was recorded when bay enabled forwarding.
 */
import { type Version, versionOf } from "../../core/ip.ts";
import { tableName } from "./rules.ts";

/** The host's other interfaces at the moment when bay enabled forwarding for one IP version. */
export interface SwitchedOn {
  /** All of them. */
  present: string[];
  /** Interfaces whose packets the kernel did not forward before. */
  closed: string[];
}

export type SwitchedVersions = Partial<Record<Version, SwitchedOn>>;

/** A name that nft(8) reads literally: it has no escapes, and a trailing star makes a pattern. */
export const isPlainName = (name: string) => /^[\w.@+-]+$/.test(name);

const set = (name: string, type: string, elements: readonly string[]) =>
  `  set ${name} { type ${type};${elements.length > 0 ? ` elements = { ${elements.join(", ")} };` : ""} }`;
const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`);

/**
 * The whole table, which replaces an older one; only the removal if bay did not enable forwarding.
 *
 * The rules name bay's interfaces, so that they also apply to interfaces that are added later. The bridges of other bays have
 * names that begin with `bay`, too.
 *
 * It runs after source translation, so that a connection for which another program has a NAT rule is recognized: that program
 * (libvirt, a VPN, a shared connection) asked for it. A subnet of bay's cannot be the source there, although bay translates
 * it.
 */
export function renderForeignRules(
  tag: string,
  versions: SwitchedVersions,
  { subnets, bridges }: { subnets: readonly string[]; bridges: readonly string[] },
): string {
  const table = `inet ${tableName(tag)}`;
  const known = ([4, 6] as const).flatMap((version) => {
    const switched = versions[version];
    return switched === undefined ? [] : [{ version, ...switched }];
  });
  const without = `add table ${table}\ndelete table ${table}\n`;
  if (known.length === 0) return without;
  const same = [...new Set(known.flatMap(({ present }) => present))].map((name) => `"${name}" . "${name}"`);
  const own = known.flatMap(({ version }) => {
    const ofVersion = subnets.filter((subnet) => versionOf(subnet.split("/")[0]!) === version);
    return ofVersion.length === 0
      ? []
      : [`    ct original ${version === 4 ? "ip" : "ip6"} saddr { ${ofVersion.join(", ")} } counter drop`];
  });
  return [
    `${without}table ${table} {`,
    set("named", "ifname", quoted(bridges.filter((name) => !name.startsWith("bay")))),
    // interfaces that forwarded before
    ...known.map(({ version, present, closed }) =>
      set(`open${version}`, "ifname", quoted(present.filter((name) => !closed.includes(name)))),
    ),
    set("same", "ifname . ifname", same),
    "  chain foreign { type filter hook postrouting priority 150; policy accept;",
    // a packet of the host itself has no input interface
    "    iif 0 accept",
    ...["iifname", "oifname"].flatMap((name) => [`    ${name} "bay*" accept`, `    ${name} @named accept`]),
    ...known.map(({ version }) => `    meta nfproto ipv${version} iifname != @open${version} jump routed`),
    "  }",
    "  chain routed {",
    // frames that a foreign bridge forwards between its ports are not routed; br_netfilter shows them here
    "    iifname . oifname @same return",
    ...own,
    "    ct status snat,dnat return",
    // the outer packets of a tunnel are the host's own, although they show the tunnel as their input interface
    "    fib saddr type local return",
    "    counter drop",
    "  }",
    "}",
    "",
  ].join("\n");
}
