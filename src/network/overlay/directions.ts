/**
 * Which frames an overlay sends to which host: a pure function of its members and of their endpoints. The kernel's tables are
 * compared with it as a whole, so that nothing of a host or a container that has gone can remain.
 */
import type { NeighbourEntry, TunnelEntry } from "../../linux/index.ts";
import { macFor } from "../addresses/address-pool.ts";
import { type NetworkRecord, subnetsOf } from "../model/network.ts";
import { sliceOf } from "./slices.ts";
import type { Underlay } from "./underlay.ts";

export interface Directions {
  tunnel: TunnelEntry[];
  neighbours: NeighbourEntry[];
}

/** The directions of one network: to the containers of the other hosts, and to these hosts themselves. */
export function directionsOf(
  network: NetworkRecord,
  underlay: Pick<Underlay, "peers" | "endpoints">,
): Directions {
  const peers = new Map(underlay.peers().map((peer) => [peer.slot, peer]));
  const result: Directions = { tunnel: [], neighbours: [] };
  const add = (mac: string, host: string, addresses: readonly string[]) => {
    result.tunnel.push({ mac, host });
    for (const address of addresses) result.neighbours.push({ address, mac });
  };
  const subnets = subnetsOf(network).map(({ subnet }) => subnet);
  for (const { slot, address } of peers.values()) {
    const gateways = subnets.flatMap((subnet) => gatewayIn(subnet, slot) ?? []);
    // a host's bridge has the MAC address that follows from its gateway address, as containers have
    const first = gateways[0];
    if (first !== undefined) add(macFor(first), address, gateways);
  }
  for (const endpoint of underlay.endpoints()) {
    const host = peers.get(endpoint.slot);
    if (endpoint.network !== network.config.name || !host) continue;
    const addresses = [endpoint.address, ...(endpoint.address6 === undefined ? [] : [endpoint.address6])];
    add(endpoint.mac, host.address, addresses);
  }
  return result;
}

/** A member whose slot the subnet has no room for has no containers on this network. */
function gatewayIn(subnet: string, slot: number): string | undefined {
  try {
    return sliceOf(subnet, slot).gateway;
  } catch {
    return undefined;
  }
}

/** What is to be added to and removed from a set, by key. */
export function difference<T>(
  wanted: readonly T[],
  known: readonly T[],
  key: (entry: T) => string,
): { added: T[]; removed: T[] } {
  const [wantedKeys, knownKeys] = [new Set(wanted.map(key)), new Set(known.map(key))];
  return {
    added: wanted.filter((entry) => !knownKeys.has(key(entry))),
    removed: known.filter((entry) => !wantedKeys.has(key(entry))),
  };
}
