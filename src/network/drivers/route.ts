/**
 * Overlay networks without tunnels: each host has a slice of the subnet on its bridge, and routes to the slices of the others by
 * their addresses. It needs hosts in one segment, or routers between them that know the slices.
 */
import { hasCode } from "../../core/errors.ts";
import { contains, parseSubnet, versionOf } from "../../core/ip.ts";
import type { Route, RouteOwner } from "../../linux/index.ts";
import { type NetworkRecord, subnetsOf } from "../model/network.ts";
import { difference } from "../overlay/directions.ts";
import { routesOf } from "../overlay/slice-routes.ts";
import type { OverlayDriver, OverlayPass } from "./overlay-driver.ts";

/** The number that `ip route` shows as `proto`, for routes of any bay; iproute2's list of protocols does not have it. */
export const ROUTE_PROTOCOL = 97;

export const route: OverlayDriver = {
  overhead: { 4: 0, 6: 0 },
  ensure: () => false, // the bridge is all that it needs
  sync: syncRoutes,
  remove: (network, { tag, links }) => {
    const owner = ownerOf(tag);
    for (const each of ownRoutes(network, links.routing.list(owner))) links.routing.remove(each, owner);
  },
};

/** The metric names the bay: several may share a network namespace. */
export const ownerOf = (tag: string): RouteOwner => ({
  protocol: ROUTE_PROTOCOL,
  metric: 0x100000 + Number.parseInt(tag, 16),
});

const ownRoutes = (network: NetworkRecord, all: readonly Route[]): Route[] => {
  const subnets = subnetsOf(network).map(({ subnet }) => parseSubnet(subnet));
  return all.filter(({ destination }) =>
    subnets.some((subnet) => subnet.version === versionOf(destination) && contains(subnet, destination)),
  );
};

const key = ({ destination, prefix, gateway, link, source }: Route) =>
  [destination, prefix, gateway, link, source].join(" ");

function syncRoutes(network: NetworkRecord, { tag, underlay, links, own }: OverlayPass): number {
  const bridge = links.byName(network.bridge);
  if (!bridge) return 0;
  const owner = ownerOf(tag);
  const wanted = routesOf(network, {
    underlay,
    own: own(),
    bridge: bridge.index,
    nextHop: (address) => links.routing.nextHop(address),
  });
  const { added, removed } = difference(wanted, ownRoutes(network, links.routing.list(owner)), key);
  for (const each of removed) links.routing.remove(each, owner);
  for (const each of added) ignoringLost(() => links.routing.add(each, owner));
  return added.length + removed.length;
}

/** The link to a member may go down at any moment; the next pass tries again. */
function ignoringLost(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!hasCode(error, "ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "ENODEV", "EINVAL")) throw error;
  }
}
