/** The choice of subnets and addresses that nobody uses. */
import { randomBytes } from "node:crypto";
import { BayError } from "../errors.ts";
import { formatSubnet, hostRange, overlaps, parseSubnet, type Subnet, size, toAddress } from "../ip.ts";

/** Docker's own default pools: 172.17 to 172.31 as /16, then 192.168 as /20. */
function* pools(): Generator<Subnet> {
  for (let second = 18; second <= 31; second++) yield parseSubnet(`172.${second}.0.0/16`);
  for (let third = 0; third < 256; third += 16) yield parseSubnet(`192.168.${third}.0/20`);
  for (let second = 64; second < 128; second++) yield parseSubnet(`10.${second}.0.0/16`);
}

/** The first pool that overlaps nothing in use. Throws NO_SUBNET. */
export function chooseSubnet(used: readonly Subnet[]): Subnet {
  for (const pool of pools()) if (!used.some((subnet) => overlaps(subnet, pool))) return pool;
  throw new BayError("NO_SUBNET", "no free IPv4 subnet is left for another network", {
    hint: "remove unused stacks, or give the network a subnet under ipam",
  });
}

/** A local IPv6 subnet that is nobody else's: its global ID is random (RFC 4193, 3.2). */
export function chooseSubnet6(): Subnet {
  const id = randomBytes(5).toString("hex");
  return parseSubnet(`fd${id.slice(0, 2)}:${id.slice(2, 6)}:${id.slice(6)}::/64`);
}

/** The first free address of a subnet, or of a part of it. Throws NO_ADDRESS. */
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

/** The MAC address that goes with an IPv4 address, locally administered, so that it stays with it. */
export function macFor(address: string): string {
  return `02:42:${address
    .split(".")
    .map((part) => Number(part).toString(16).padStart(2, "0"))
    .join(":")}`;
}
