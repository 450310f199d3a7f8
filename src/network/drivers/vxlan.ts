/**
 * The tunnels of an overlay network by VXLAN (RFC 7348): one link for each network, a port of its bridge. Frames are sent to one
 * host each, by entries that bayd writes; ARP and neighbour solicitations are answered by the link itself, on this host.
 */
import { hasCode } from "../../core/errors.ts";
import type { Link, NeighbourEntry, TunnelEntry } from "../../linux/index.ts";
import { mtuOf, type NetworkRecord } from "../model/network.ts";
import { difference, directionsOf } from "../overlay/directions.ts";
import type { OverlayDriver, OverlayPass } from "./overlay-driver.ts";

export const vxlan: OverlayDriver = {
  overhead: { 4: 50, 6: 70 },
  ensure: ensureTunnel,
  sync: syncDirections,
  remove({ tunnel }, { links }) {
    const link = tunnel === undefined ? undefined : links.byName(tunnel);
    if (link) links.remove(link.index);
  },
};

/** Creates the tunnel link if it does not exist, or belongs to another host address. */
function ensureTunnel(network: NetworkRecord, { underlay, links }: OverlayPass): boolean {
  const { overlay } = network.config;
  const name = network.tunnel;
  const { address } = underlay.self;
  if (!overlay || name === undefined) return false;
  const bridge = links.byName(network.bridge);
  if (!bridge) return false; // the next pass creates it first
  const found = links.byName(name);
  const isWhole = (link: Link) =>
    link.isUp && link.master === bridge.index && links.vxlan.localAddress(name) === address;
  if (found && isWhole(found)) return false;
  if (found) links.remove(found.index);
  links.vxlan.add({
    name,
    vni: overlay.id,
    port: overlay.port,
    local: address,
    mtu: mtuOf(network)!,
    master: bridge.index,
    alias: `bay network ${network.config.name} from ${address}`,
  });
  links.vxlan.preparePort(links.byName(name)!.index);
  return true;
}

const tunnelKey = ({ mac, host }: TunnelEntry) => `${mac} ${host}`;
const neighbourKey = ({ address, mac }: NeighbourEntry) => `${address} ${mac}`;

function syncDirections(network: NetworkRecord, { underlay, links }: OverlayPass): number {
  const link = network.tunnel === undefined ? undefined : links.byName(network.tunnel);
  if (!link) return 0;
  const { vxlan } = links;
  const wanted = directionsOf(network, underlay);
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
}

/** The link may be removed at any moment; the next pass creates it again. */
function ignoringGone(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!hasCode(error, "ENODEV", "ENOENT")) throw error;
  }
}
