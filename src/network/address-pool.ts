/** The choice of subnets and addresses that nobody uses. */
import { BayError } from "../errors.ts";
import { formatSubnet, overlaps, type Subnet, size, toAddress, toNumber } from "../ipv4.ts";

/** Docker's own default pools: 172.17 to 172.31 as /16, then 192.168 as /20. */
function* pools(): Generator<Subnet> {
  for (let second = 18; second <= 31; second++) yield { address: toNumber(`172.${second}.0.0`), prefix: 16 };
  for (let third = 0; third < 256; third += 16) yield { address: toNumber(`192.168.${third}.0`), prefix: 20 };
  for (let second = 64; second < 128; second++) yield { address: toNumber(`10.${second}.0.0`), prefix: 16 };
}

/** The first pool that overlaps nothing in use. Throws NO_SUBNET. */
export function chooseSubnet(used: readonly Subnet[]): Subnet {
  for (const pool of pools()) if (!used.some((subnet) => overlaps(subnet, pool))) return pool;
  throw new BayError("NO_SUBNET", "no free IPv4 subnet is left for another network", {
    hint: "remove unused stacks, or give the network a subnet under ipam",
  });
}

/** The first free address of a subnet, or of a part of it, without the subnet's own and its last. Throws NO_ADDRESS. */
export function chooseAddress(subnet: Subnet, taken: ReadonlySet<string>, part: Subnet = subnet): string {
  const first = Math.max(part.address, subnet.address + 1);
  const end = Math.min(part.address + size(part), subnet.address + size(subnet) - 1);
  for (let value = first; value < end; value++) {
    const address = toAddress(value);
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
