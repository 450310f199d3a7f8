/** IPv4 arithmetic, and the choice of subnets and addresses that nobody uses. */
import { BayError } from "../errors.ts";

export interface Subnet {
  address: number;
  prefix: number;
}

export function toNumber(address: string): number {
  return address.split(".").reduce((value, part) => value * 256 + Number(part), 0);
}

export function toAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

export function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
}

/** Parses `172.18.0.0/16`. Throws BAD_SUBNET; the address must be the network's own. */
export function parseSubnet(text: string): Subnet {
  const [address = "", prefix = ""] = text.split("/");
  const bits = Number(prefix);
  if (!isIpv4(address) || !/^\d+$/.test(prefix) || bits > 30)
    throw new BayError("BAD_SUBNET", `${text} is no IPv4 subnet`);
  const subnet = { address: toNumber(address), prefix: bits };
  if (subnet.address % size(subnet) !== 0) {
    throw new BayError("BAD_SUBNET", `${text} has bits outside its prefix`, {
      hint: `write ${toAddress(subnet.address - (subnet.address % size(subnet)))}/${bits}`,
    });
  }
  return subnet;
}

export function formatSubnet(subnet: Subnet): string {
  return `${toAddress(subnet.address)}/${subnet.prefix}`;
}

const size = (subnet: Subnet) => 2 ** (32 - subnet.prefix);

export function overlaps(a: Subnet, b: Subnet): boolean {
  return a.address < b.address + size(b) && b.address < a.address + size(a);
}

export function contains(subnet: Subnet, address: string): boolean {
  const value = toNumber(address);
  return value >= subnet.address && value < subnet.address + size(subnet);
}

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

/** The first free address of a subnet after the network's own and the gateway's. Throws NO_ADDRESS. */
export function chooseAddress(subnet: Subnet, taken: ReadonlySet<string>): string {
  const end = subnet.address + size(subnet) - 1;
  for (let value = subnet.address + 1; value < end; value++) {
    const address = toAddress(value);
    if (!taken.has(address)) return address;
  }
  throw new BayError("NO_ADDRESS", `the subnet ${formatSubnet(subnet)} has no free address`);
}

/** The MAC address that goes with an IPv4 address, locally administered, so that it stays with it. */
export function macFor(address: string): string {
  return `02:42:${address
    .split(".")
    .map((part) => Number(part).toString(16).padStart(2, "0"))
    .join(":")}`;
}
