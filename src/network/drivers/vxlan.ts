/**
 * The tunnels of an overlay network by VXLAN (RFC 7348): one link for each network, a port of its bridge. Frames are sent to one
 * host each, by entries that bayd writes; ARP and neighbour solicitations are answered by the link itself, on this host.
 */
import { hasCode } from "../../core/errors.ts";
import { versionOf } from "../../core/ip.ts";
import {
  type Link,
  type Links,
  type NeighbourEntry,
  type TunnelEntry,
  VxlanLinks,
} from "../../linux/index.ts";
import type { NetworkRecord } from "../model/network.ts";
import { difference, directionsOf } from "../overlay/directions.ts";
import type { Underlay } from "../overlay/underlay.ts";

/** Bytes of the outer Ethernet, IP, UDP and VXLAN headers that count towards the underlay's MTU. */
export const VXLAN_OVERHEAD = { 4: 50, 6: 70 } as const;

/** Runs calls on VXLAN links in the host's network namespace. */
function withVxlan<T>(action: (links: VxlanLinks) => T): T {
  const links = new VxlanLinks();
  try {
    return action(links);
  } finally {
    links.close();
  }
}

/** Creates the tunnel link if it does not exist, or belongs to another host address; returns true in these cases. */
export function ensureTunnel(network: NetworkRecord, { self }: Underlay, links: Links, mtu: number): boolean {
  const { overlay } = network.config;
  const name = network.tunnel;
  if (!overlay || name === undefined) return false;
  const bridge = links.byName(network.bridge);
  if (!bridge) return false; // the next pass creates it first
  const found = links.byName(name);
  if (found && isWhole(found, bridge, self.address, name)) return false;
  if (found) links.remove(found.index);
  withVxlan((vxlan) => {
    vxlan.add({
      name,
      vni: overlay.id,
      port: overlay.port,
      local: self.address,
      mtu,
      master: bridge.index,
      alias: `bay network ${network.config.name} from ${self.address}`,
    });
    vxlan.preparePort(links.byName(name)!.index);
  });
  return true;
}

const isWhole = (link: Link, bridge: Link, local: string, name: string) =>
  link.isUp && link.master === bridge.index && localOf(name) === local;

function localOf(name: string): string | undefined {
  return withVxlan((vxlan) => vxlan.localAddress(name));
}

const tunnelKey = ({ mac, host }: TunnelEntry) => `${mac} ${host}`;
const neighbourKey = ({ address, mac }: NeighbourEntry) => `${address} ${mac}`;

/** Makes the kernel's tables equal the directions; returns how many entries differed. */
export function syncDirections(network: NetworkRecord, underlay: Underlay, links: Links): number {
  const link = network.tunnel === undefined ? undefined : links.byName(network.tunnel);
  if (!link) return 0;
  const wanted = directionsOf(network, underlay);
  return withVxlan((vxlan) => {
    const known = vxlan.entries(link.index);
    const tunnel = difference(wanted.tunnel, known.tunnel, tunnelKey);
    const ports = difference(
      wanted.tunnel.map(({ mac }) => mac),
      known.bridge,
      (mac) => mac,
    );
    const neighbours = difference(wanted.neighbours, vxlan.neighbours(link.index), neighbourKey);
    const changes: (() => void)[] = [
      // an entry that moved to another host is replaced, so what was removed goes first
      ...tunnel.removed.map((entry) => () => vxlan.removeEntry(link.index, entry)),
      ...ports.removed.map((mac) => () => vxlan.removePortAddress(link.index, mac)),
      ...neighbours.removed.map(
        ({ address }) =>
          () =>
            vxlan.removeNeighbour(link.index, address),
      ),
      ...tunnel.added.map((entry) => () => vxlan.addEntry(link.index, entry)),
      ...ports.added.map((mac) => () => vxlan.addPortAddress(link.index, mac)),
      ...neighbours.added.map((entry) => () => vxlan.addNeighbour(link.index, entry)),
    ];
    for (const change of changes) ignoringGone(change);
    return changes.length;
  });
}

/** The link may be removed at any moment; the next pass creates it again. */
function ignoringGone(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!hasCode(error, "ENODEV", "ENOENT")) throw error;
  }
}

/** The MTU inside the tunnels: the underlay's less the headers. */
export const tunnelMtu = (underlayMtu: number, local: string): number =>
  underlayMtu - VXLAN_OVERHEAD[versionOf(local) ?? 4];
