/**
 * The nftables table that accepts packets of overlay networks from members of the cluster only. A tunnel has no authentication of
 * its own: without these rules every host that reaches the port could send frames into the overlay. A network without tunnels
 * accepts from other hosts only packets with an address of a member's part of the subnet, by the link that leads to it.
 */
import { type Version, versionOf } from "../../core/ip.ts";
import { nft } from "../../linux/index.ts";
import { isRouted, type NetworkRecord, type OverlayOptions, subnetsOf } from "../model/network.ts";
import { wireguardLink } from "../overlay/encryption.ts";
import { partsOf } from "../overlay/slice-routes.ts";
import type { RemoteEndpoint, UnderlayHost } from "../overlay/underlay.ts";
import { tableName } from "./rules.ts";
import { digestOf } from "./table-digest.ts";

/** The name differs from bay's other tables of the family inet. */
export const tunnelTable = (tag: string): string => `${tableName(tag)}_tunnels`;

export interface GuardInput {
  /** Networks with an overlay. */
  networks: readonly NetworkRecord[];
  peers: readonly UnderlayHost[];
  endpoints: readonly RemoteEndpoint[];
}

/** The commands that replace the table, or remove it if there is no overlay. Pure. */
export function renderTunnelGuard(tag: string, input: GuardInput): string {
  const table = `inet ${tunnelTable(tag)}`;
  const remove = `add table ${table}\ndelete table ${table}\n`;
  if (input.networks.length === 0) return remove;
  const parts = [
    ...plainRules(tag, input),
    ...tunnelRules(tag, input),
    ...input.networks.filter(isRouted).flatMap(routedRules(input)),
  ];
  return [
    `${remove}table ${table} {`,
    ...parts.flatMap(({ sets }) => sets),
    ...chain("input", parts),
    ...chain("forward", parts),
    ...chain("output", parts),
    "}\n",
  ].join("\n");
}

/** What one kind of network contributes to the table. */
interface Part {
  sets: string[];
  input?: string[];
  forward?: string[];
  output?: string[];
}

function chain(hook: "input" | "forward" | "output", parts: readonly Part[]): string[] {
  const rules = parts.flatMap((part) => part[hook] ?? []);
  if (rules.length === 0) return [];
  return [
    `  chain ${hook} { type filter hook ${hook} priority filter - 10; policy accept;`,
    ...rules.map((rule) => `    ${rule}`),
    "  }",
  ];
}

/**
 * Packets of an encrypted network's tunnels that are not inside WireGuard, in both directions: by the VXLAN network identifier,
 * because other networks use the same port.
 */
function plainRules(tag: string, { networks }: GuardInput): Part[] {
  return networks.flatMap(({ config: { overlay } }) => {
    if (!overlay?.isEncrypted) return [];
    const packets = `udp dport ${overlay.port} @th,96,24 ${overlay.id}`;
    return {
      sets: [],
      input: [`iifname != "${wireguardLink(tag)}" ${packets} counter drop`],
      output: [`oifname != "${wireguardLink(tag)}" ${packets} counter drop`],
    };
  });
}

function tunnelRules(tag: string, { networks, peers }: GuardInput): Part[] {
  const overlays = networks.flatMap(({ config }) => config.overlay ?? []);
  const numbers = (suffix: string, of: (overlay: OverlayOptions) => number) =>
    [...new Set(overlays.filter(({ encapsulation }) => encapsulation.endsWith(suffix)).map(of))].sort(
      (a, b) => a - b,
    );
  const ports = numbers("vxlan", ({ port }) => port);
  const keys = numbers("gre", ({ id }) => id);
  if (ports.length + keys.length === 0) return [];
  const of = (version: Version) =>
    peers.map(({ address }) => address).filter((each) => versionOf(each) === version);
  return [
    {
      sets: [
        `  set members { type ipv4_addr;${elements(of(4))} }`,
        `  set members6 { type ipv6_addr;${elements(of(6))} }`,
      ],
      input: [
        ...(ports.length > 0 ? [`udp dport { ${ports.join(", ")} }`] : []),
        // GRE with a key (RFC 2890); tunnels of other programs have other keys
        ...keys.map((key) => `meta l4proto 47 @th,32,32 ${key}`),
      ].flatMap((packets) => [
        `${packets} ip saddr != @members counter drop`,
        // WireGuard has checked the sources of what it delivers
        `iifname != "${wireguardLink(tag)}" ${packets} ip6 saddr != @members6 counter drop`,
      ]),
    },
  ];
}

const routedRules =
  ({ peers, endpoints }: GuardInput) =>
  (network: NetworkRecord): Part[] =>
    subnetsOf(network).map((each, index) => {
      const version = versionOf(each.subnet)!;
      const family = version === 4 ? "ip" : "ip6";
      const set = `members_${network.id.slice(0, 6)}_${index}`;
      const parts = peers.flatMap((peer) => partsOf(network, each, peer, endpoints));
      const from = `iifname != "${network.bridge}" ${family} saddr ${each.subnet}`;
      return {
        sets: [`  set ${set} { type ipv${version}_addr; flags interval;${elements(parts)} }`],
        // the bridge's own addresses answer members, too
        ...Object.fromEntries(
          (["input", "forward"] as const).map((hook) => {
            const to = hook === "forward" ? `oifname "${network.bridge}"` : `${family} daddr ${each.subnet}`;
            return [
              hook,
              [
                `${to} ${from} ${family} saddr != @${set} counter drop`,
                `${to} ${from} fib saddr . iif oif missing counter drop`,
              ],
            ];
          }),
        ),
      };
    });

const elements = (addresses: readonly string[]) =>
  addresses.length > 0 ? ` elements = { ${[...new Set(addresses)].sort().join(", ")} };` : "";

/** A digest of the table in the kernel is compared, so that changes of another program are repaired. */
export class TunnelGuard {
  #applied = "";
  #digest: string | undefined;

  constructor(
    readonly tag: string,
    readonly desired: () => GuardInput,
  ) {}

  /** Applies the rules if they differ from those applied before; returns true in that case. Throws NFTABLES. */
  apply(): boolean {
    const rules = renderTunnelGuard(this.tag, this.desired());
    if (rules === this.#applied) return false;
    nft(rules);
    this.#applied = rules;
    this.#digest = digestOf("inet", tunnelTable(this.tag));
    return true;
  }

  /** Restores the table if another program changed or removed it; returns true in that case. */
  repair(): boolean {
    if (this.apply()) return false;
    if (digestOf("inet", tunnelTable(this.tag)) === this.#digest) return false;
    this.#applied = "";
    return this.apply();
  }
}
