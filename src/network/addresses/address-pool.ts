/** Chooses free subnets and addresses. */
import { randomBytes } from "node:crypto";
import { BayError } from "../../core/errors.ts";
import {
  formatSubnet,
  hostRange,
  isHostAddress,
  overlaps,
  parseRange,
  parseSubnet,
  type Subnet,
  size,
  toAddress,
  type Version,
  versionOf,
} from "../../core/ip.ts";
import type { AddressPool } from "../../core/network-settings.ts";
import { type NetworkRecord, type NetworkSubnet, subnetsOf } from "../model/network.ts";

/** Docker's own default pools: 172.17 to 172.31 as /16, then 192.168 as /20. */
function* builtIn(): Generator<Subnet> {
  for (let second = 18; second <= 31; second++) yield parseSubnet(`172.${second}.0.0/16`);
  for (let third = 0; third < 256; third += 16) yield parseSubnet(`192.168.${third}.0/20`);
  for (let second = 64; second < 128; second++) yield parseSubnet(`10.${second}.0.0/16`);
}

/** The subnets of the pools of daemon.json. */
function* partsOf(pools: readonly AddressPool[]): Generator<Subnet> {
  for (const { base, size: prefix } of pools) {
    const block = parseSubnet(base);
    const step = 1n << BigInt(32 - prefix);
    for (let at = block.address; at < block.address + size(block); at += step)
      yield { ...block, address: at, prefix };
  }
}

/** Returns the first subnet of the pools that does not overlap a used one. Throws NO_SUBNET. */
export function chooseSubnet(used: readonly Subnet[], pools?: readonly AddressPool[]): Subnet {
  for (const subnet of pools ? partsOf(pools) : builtIn())
    if (!used.some((other) => overlaps(other, subnet))) return subnet;
  throw new BayError("NO_SUBNET", "no free IPv4 subnet for another network", {
    hint: pools
      ? "add a pool to default-address-pools in daemon.json, or give the network a subnet under ipam"
      : "remove unused stacks, or give the network a subnet under ipam",
  });
}

/** Returns a unique local IPv6 subnet with a random global ID (RFC 4193, 3.2). */
export function chooseSubnet6(): Subnet {
  const id = randomBytes(5).toString("hex");
  return parseSubnet(`fd${id.slice(0, 2)}:${id.slice(2, 6)}:${id.slice(6)}::/64`);
}

/** Returns the first free address of a subnet, or of a part of it. Throws NO_ADDRESS. */
export function chooseAddress(subnet: Subnet, taken: ReadonlySet<string>, part: Subnet = subnet): string {
  const { first, end } = hostRange(subnet);
  const last = part.address + size(part);
  for (let value = part.address > first ? part.address : first; value < end && value < last; value++) {
    const address = toAddress(value, subnet.version);
    if (!taken.has(address)) return address;
  }
  throw new BayError(
    "NO_ADDRESS",
    `${part === subnet ? "the subnet" : "the ip_range"} ${formatSubnet(part)} has no free address`,
  );
}

/**
 * Returns the requested address of a network, or the first free one in a subnet of this IP version. A `fixed` address of
 * another container is used only on request. Throws BAD_ADDRESS, ADDRESS_TAKEN, NO_ADDRESS.
 */
export function addressIn(
  network: NetworkRecord,
  version: Version,
  wanted: string | undefined,
  taken: ReadonlySet<string>,
  fixed: ReadonlySet<string> = new Set(),
): string {
  const { name } = network.config;
  const subnets = subnetsOf(network).filter(({ subnet }) => versionOf(subnet) === version);
  const unfree = new Set([
    ...taken,
    ...subnets.flatMap(({ gateway, reserved = [] }) => [gateway, ...reserved]),
  ]);
  const isSliced = network.slice !== undefined;
  if (wanted === undefined) return firstFree(subnets, new Set([...unfree, ...fixed]), isSliced);
  if (!subnets.some(({ subnet }) => isHostAddress(parseSubnet(subnet), wanted))) {
    const all = subnets.map(({ subnet }) => subnet).join(" and ");
    const where = all
      ? `${all}, the subnet${subnets.length > 1 ? "s" : ""} of ${name}`
      : `${name}, which has no IPv6`;
    throw new BayError("BAD_ADDRESS", `${wanted} is not a valid container address in ${where}`);
  }
  if (unfree.has(wanted)) throw new BayError("ADDRESS_TAKEN", `${wanted} is taken on the network ${name}`);
  return wanted;
}

/** Throws NO_ADDRESS. */
function firstFree(
  subnets: readonly NetworkSubnet[],
  taken: ReadonlySet<string>,
  /** The ranges are the slices of a host. */
  isSliced: boolean,
): string {
  for (const [index, { subnet, range }] of subnets.entries()) {
    const part = range === undefined ? undefined : parseRange(range);
    // some programs take the first and the last address of a slice for those of a subnet
    const edges = isSliced && part ? edgesOf(part) : [];
    try {
      return chooseAddress(
        parseSubnet(subnet),
        edges.length > 0 ? new Set([...taken, ...edges]) : taken,
        part,
      );
    } catch (error) {
      if (index === subnets.length - 1) throw error;
    }
  }
  throw new BayError("NO_ADDRESS", "the network has no subnet of this version");
}

const edgesOf = (part: Subnet): string[] =>
  [part.address, part.address + size(part) - 1n].map((value) => toAddress(value, part.version));

/** The locally administered MAC address for an IPv4 address, so that the same address has the same MAC address. */
export function macFor(address: string): string {
  return `02:42:${address
    .split(".")
    .map((part) => Number(part).toString(16).padStart(2, "0"))
    .join(":")}`;
}
