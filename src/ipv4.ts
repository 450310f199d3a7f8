/** IPv4 addresses and subnets as numbers. */
import { BayError } from "./errors.ts";

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

/** How many addresses it has. */
export const size = (subnet: Subnet) => 2 ** (32 - subnet.prefix);

export function overlaps(a: Subnet, b: Subnet): boolean {
  return a.address < b.address + size(b) && b.address < a.address + size(a);
}

export function contains(subnet: Subnet, address: string): boolean {
  const value = toNumber(address);
  return value >= subnet.address && value < subnet.address + size(subnet);
}

/** Whether a container may have an address of a subnet: its own and the broadcast's are nobody's. */
export function isHostAddress(subnet: Subnet, address: string): boolean {
  const value = toNumber(address);
  return value > subnet.address && value < subnet.address + size(subnet) - 1;
}

/** Whether `parseSubnet` takes it. */
export function isSubnet(text: string): boolean {
  try {
    parseSubnet(text);
    return true;
  } catch {
    return false;
  }
}
