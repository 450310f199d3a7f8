/**
 * The nftables table that accepts tunnel packets from members of the cluster only. A tunnel has no authentication of its own:
 * without these rules every host that reaches the port could send frames into the overlay.
 */
import { versionOf } from "../../core/ip.ts";
import { nft } from "../../linux/index.ts";
import type { NetworkRecord } from "../model/network.ts";
import type { UnderlayHost } from "../overlay/underlay.ts";
import { tableName } from "./rules.ts";
import { digestOf } from "./table-digest.ts";

/** The name differs from bay's other tables of the family inet. */
export const tunnelTable = (tag: string): string => `${tableName(tag)}_tunnels`;

/** The commands that replace the table, or remove it if there is no overlay. Pure. */
export function renderTunnelGuard(
  tag: string,
  networks: readonly NetworkRecord[],
  peers: readonly UnderlayHost[],
): string {
  const table = `inet ${tunnelTable(tag)}`;
  const remove = `add table ${table}\ndelete table ${table}\n`;
  const ports = [...new Set(networks.flatMap(({ config }) => config.overlay?.port ?? []))].sort(
    (a, b) => a - b,
  );
  if (ports.length === 0) return remove;
  const of = (version: 4 | 6) =>
    peers.map(({ address }) => address).filter((each) => versionOf(each) === version);
  return [
    `${remove}table ${table} {`,
    `  set members { type ipv4_addr;${elements(of(4))} }`,
    `  set members6 { type ipv6_addr;${elements(of(6))} }`,
    "  chain input { type filter hook input priority filter - 10; policy accept;",
    `    udp dport { ${ports.join(", ")} } ip saddr != @members counter drop`,
    `    udp dport { ${ports.join(", ")} } ip6 saddr != @members6 counter drop`,
    "  }",
    "}\n",
  ].join("\n");
}

const elements = (addresses: readonly string[]) =>
  addresses.length > 0 ? ` elements = { ${[...new Set(addresses)].sort().join(", ")} };` : "";

/** A digest of the table in the kernel is compared, so that changes of another program are repaired. */
export class TunnelGuard {
  #applied = "";
  #digest: string | undefined;

  constructor(
    readonly tag: string,
    readonly desired: () => { networks: readonly NetworkRecord[]; peers: readonly UnderlayHost[] },
  ) {}

  /** Applies the rules if they differ from those applied before; returns true in that case. Throws NFTABLES. */
  apply(): boolean {
    const { networks, peers } = this.desired();
    const rules = renderTunnelGuard(this.tag, networks, peers);
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
