/** The overlay networks of this host: their tunnels, directions and rules, kept as the records and the other hosts require. */
import { BayError, messageOf } from "../../core/errors.ts";
import type { Links } from "../../linux/index.ts";
import { withLinks } from "../drivers/bridge.ts";
import { ensureTunnel, syncDirections, tunnelMtu } from "../drivers/vxlan.ts";
import { mtuOf, type NetworkRecord } from "../model/network.ts";
import { TunnelGuard } from "../rules/tunnel-guard.ts";
import type { Underlay } from "./underlay.ts";

export interface OverlayHost {
  roots: { tag: string };
  list(): NetworkRecord[];
}

export class Overlays {
  /** The other hosts; undefined while this host is not a member of a cluster. */
  underlay: Underlay | undefined;
  #isPending = false;
  readonly #guard: TunnelGuard;

  constructor(
    readonly host: OverlayHost,
    readonly warn: (text: string) => void,
  ) {
    this.#guard = new TunnelGuard(host.roots.tag, () => ({
      networks: this.list(),
      peers: this.underlay?.peers() ?? [],
    }));
  }

  list(): NetworkRecord[] {
    return this.host.list().filter(({ tunnel }) => tunnel !== undefined);
  }

  /** Fills in the MTU of a new record. Throws BAD_MTU, BAD_MEMBER. */
  withMtu(record: NetworkRecord): NetworkRecord {
    if (record.tunnel === undefined || !this.underlay) return record;
    const { address } = this.underlay.self;
    const most = tunnelMtu(underlayMtu(address), address);
    if (record.config.mtu !== undefined && record.config.mtu > most)
      throw new BayError(
        "BAD_MTU",
        `network ${record.config.name}: the MTU ${record.config.mtu} is too large: the tunnel from ${address} allows at most ${most} bytes`,
      );
    return { ...record, mtu: record.config.mtu ?? most };
  }

  /** Creates the tunnel of a network, with its directions. The rules come first: no packet of a stranger passes. */
  bringUp(record: NetworkRecord): void {
    if (record.tunnel === undefined || !this.underlay) return;
    const { underlay } = this;
    this.#guard.apply();
    withLinks((links) => {
      ensureTunnel(record, underlay, links, mtuOf(record)!);
      syncDirections(record, underlay, links);
    });
  }

  /** Applies what the other hosts have now, soon: changes of one moment share a pass. */
  sync(): void {
    if (this.#isPending) return;
    this.#isPending = true;
    setImmediate(() => {
      this.#isPending = false;
      try {
        this.#guard.apply();
        withLinks((links) => this.#syncAll(links));
      } catch (error) {
        this.warn(`overlay networks: ${messageOf(error)}`);
      }
    });
  }

  #syncAll(links: Links): number {
    const { underlay } = this;
    if (!underlay) return 0;
    return this.list().reduce((sum, record) => sum + syncDirections(record, underlay, links), 0);
  }

  /** Removes the rules if the last overlay has gone. */
  release(): void {
    this.#guard.apply();
  }

  /** Repairs tunnels, directions and rules; returns a line for each repair. */
  repair(links: Links): string[] {
    const { underlay } = this;
    if (!underlay) return [];
    const repairs: string[] = [];
    for (const record of this.list()) {
      const { name } = record.config;
      if (ensureTunnel(record, underlay, links, mtuOf(record)!)) repairs.push(`network ${name}: tunnel`);
      const entries = syncDirections(record, underlay, links);
      if (entries > 0) repairs.push(`network ${name}: ${entries} entries of its tunnel`);
    }
    if (this.#guard.repair()) repairs.push("nftables rules of tunnels");
    return repairs;
  }
}

/** The MTU of the link that has this host's underlay address. Throws BAD_MEMBER. */
function underlayMtu(address: string): number {
  return withLinks((links) => {
    const index = links.addresses().find((entry) => entry.address === address)?.linkIndex;
    const link = links.list().find((each) => each.index === index);
    if (link) return link.mtu;
    throw new BayError("BAD_MEMBER", `no link of this host has the address ${address}, which its peers use`, {
      hint: "correct it with bay host move NAME ADDRESS",
    });
  });
}
