/**
 * The part of an overlay's subnet from which one host gives addresses. Each member of a cluster has a slot, a number that it
 * keeps, so hosts never give the same address and need not ask each other.
 */
import { BayError } from "../../core/errors.ts";
import { formatSubnet, parseSubnet, type Subnet, toAddress } from "../../core/ip.ts";

/** Bits of an address that number the slices, by IP version: 256 hosts of 254 addresses in a /16, 16 of 14 in a /24. */
export function slotBits({ version, prefix }: Subnet): number {
  if (version === 6) return Math.min(16, Math.max(0, Math.floor((128 - prefix) / 2)));
  return Math.min(8, Math.max(0, Math.floor((32 - prefix) / 2)));
}

/** The most hosts of an overlay with this subnet. */
export const maxHosts = (subnet: Subnet): number => 2 ** slotBits(subnet);

/**
 * The slice of a slot, which counts from 0, and the gateway of the host's containers: the first address of the slice that a
 * host can have. Throws BAD_SUBNET if the subnet has fewer slices.
 */
export function sliceOf(text: string, slot: number): { range: string; gateway: string } {
  const subnet = parseSubnet(text);
  const bits = slotBits(subnet);
  if (slot >= 2 ** bits)
    throw new BayError(
      "BAD_SUBNET",
      `the subnet ${text} has room for ${2 ** bits} hosts, and this host has the slot ${slot}`,
      { hint: "give the network a larger subnet under ipam, such as one with the prefix /16" },
    );
  const prefix = subnet.prefix + bits;
  const width = (subnet.version === 4 ? 32 : 128) - prefix;
  const address = subnet.address + (BigInt(slot) << BigInt(width));
  return {
    range: formatSubnet({ version: subnet.version, address, prefix }),
    gateway: toAddress(address + 1n, subnet.version),
  };
}
