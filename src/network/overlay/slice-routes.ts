/**
 * The routes of an overlay network without tunnels: a pure function of its members and of their endpoints. The kernel's routes
 * are compared with it as a whole, so that no route to a host that has gone can remain.
 */
import { contains, formatSubnet, parseRange, parseSubnet, type Version, versionOf } from "../../core/ip.ts";
import type { NextHop, Route } from "../../linux/index.ts";
import {
  addressesOf,
  type Endpoint,
  type NetworkRecord,
  type NetworkSubnet,
  subnetsOf,
} from "../model/network.ts";
import { sliceOf } from "./slices.ts";
import type { Underlay, UnderlayHost } from "./underlay.ts";

/** What the routes depend on. */
export interface RouteInput {
  underlay: Pick<Underlay, "peers" | "endpoints">;
  /** The endpoints of this host's containers. */
  own: readonly Endpoint[];
  /** The index of the network's bridge. */
  bridge: number;
  /** How this host reaches an address; undefined if it does not. */
  nextHop: (address: string) => NextHop | undefined;
}

/** The slice of a host; undefined for a member whose slot the subnet has no room for. */
function sliceIn(subnet: string, slot: number): string | undefined {
  try {
    return sliceOf(subnet, slot).range;
  } catch {
    return undefined;
  }
}

/** The parts of a subnet that belong to a host: its slice, and addresses elsewhere that the file gives to containers. */
export function partsOf(
  network: NetworkRecord,
  { subnet }: NetworkSubnet,
  { slot }: Pick<UnderlayHost, "slot">,
  endpoints: ReturnType<Underlay["endpoints"]>,
): string[] {
  const slice = sliceIn(subnet, slot);
  const whole = parseSubnet(subnet);
  const part = slice === undefined ? undefined : parseRange(slice);
  const elsewhere = endpoints
    .filter((each) => each.network === network.config.name && each.slot === slot)
    .flatMap(addressesOf)
    .filter((address) => contains(whole, address) && !(part && contains(part, address)));
  return [...(slice === undefined ? [] : [slice]), ...elsewhere.map(single)];
}

const single = (address: string) => `${address}/${versionOf(address) === 4 ? 32 : 128}`;

/** The address of a member that can be the gateway of routes of an IP version. IPv4 routes may have an IPv6 gateway. */
export function gatewayOf({ address, otherAddress }: UnderlayHost, version: Version): string | undefined {
  const all = [address, ...(otherAddress === undefined ? [] : [otherAddress])];
  return all.find((each) => versionOf(each) === version) ?? (version === 4 ? address : undefined);
}

/** The routes of one network: to the other hosts' parts of its subnets; the rest is unreachable, never the default route's. */
export function routesOf(network: NetworkRecord, input: RouteInput): Route[] {
  return subnetsOf(network).flatMap((each) => [
    ...unreachable(each),
    ...input.underlay.peers().flatMap((peer) => routesTo(network, each, peer, input)),
    ...ownElsewhere(network, each, input),
  ]);
}

function unreachable({ subnet, range }: NetworkSubnet): Route[] {
  return range === subnet ? [] : [routeTo(subnet)];
}

function routesTo(
  network: NetworkRecord,
  each: NetworkSubnet,
  peer: UnderlayHost,
  { underlay, nextHop }: RouteInput,
): Route[] {
  const address = gatewayOf(peer, versionOf(each.gateway)!);
  const hop = address === undefined ? undefined : nextHop(address);
  if (!hop) return [];
  return partsOf(network, each, peer, underlay.endpoints()).map((part) => ({
    ...routeTo(part),
    gateway: hop.gateway ?? address,
    link: hop.link,
    source: each.gateway,
  }));
}

function ownElsewhere(
  network: NetworkRecord,
  { subnet, range, gateway }: NetworkSubnet,
  { own, bridge }: RouteInput,
): Route[] {
  return own
    .filter((endpoint) => endpoint.network === network.config.name)
    .flatMap(addressesOf)
    .filter((address) => contains(parseSubnet(subnet), address))
    .filter((address) => range !== undefined && !contains(parseRange(range), address))
    .map((address) => ({ ...routeTo(single(address)), link: bridge, source: gateway }));
}

function routeTo(text: string): Route {
  const { prefix } = parseRange(text);
  return { destination: formatSubnet(parseRange(text)).split("/", 1)[0]!, prefix };
}
