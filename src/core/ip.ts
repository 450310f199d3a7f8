/** IP addresses and subnets of both versions as numbers (RFC 791; RFC 4291 and, for the text of an address, RFC 5952). */
import { isIP } from "node:net";
import { BayError } from "./errors.ts";

export type Version = 4 | 6;

export interface Subnet {
  version: Version;
  address: bigint;
  prefix: number;
}

const BITS = { 4: 32, 6: 128 } as const;
/** The longest prefix of a subnet that has room for a gateway and a container. */
const LONGEST = { 4: 30, 6: 126 } as const;

/** The version of an address or a subnet; undefined for other text. An address with a zone is not valid in a network. */
export function versionOf(text: string): Version | undefined {
  const version = isIP(text.split("/", 1)[0]!);
  return version === 0 || text.includes("%") ? undefined : (version as Version);
}

/** The version of an address; undefined for other text, also for a subnet. */
export const addressVersion = (text: string): Version | undefined =>
  text.includes("/") ? undefined : versionOf(text);

/** The number of an address. */
export function toNumber(address: string): bigint {
  if (!address.includes(":")) return join(address.split(".").map(Number), 8n);
  return join(groupsOf(address), 16n);
}

const join = (parts: readonly number[], bits: bigint) =>
  parts.reduce((value, part) => (value << bits) | BigInt(part), 0n);

/** The eight groups of an IPv6 address (RFC 4291, 2.2), of which two may be written as an IPv4 address. */
function groupsOf(address: string): number[] {
  const text = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a, b, c, d] = parts.slice(0, 4).map(Number) as [number, number, number, number];
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const groups = (part: string) =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const [head = "", tail] = text.split("::");
  const [before, after] = [groups(head), groups(tail ?? "")];
  if (tail === undefined) return before;
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}

/** The text of an address. */
export function toAddress(value: bigint, version: Version): string {
  if (version === 4) return split(value, 4, 8n).join(".");
  const groups = split(value, 8, 16n).map((group) => group.toString(16));
  const { start, length } = longestZeros(groups);
  if (length < 2) return groups.join(":");
  return `${groups.slice(0, start).join(":")}::${groups.slice(start + length).join(":")}`;
}

/** The groups that `::` stands for: the longest run of zeros, and of equal ones the first. */
function longestZeros(groups: readonly string[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  groups.forEach((_, start) => {
    const end = groups.findIndex((group, index) => index >= start && group !== "0");
    const length = (end < 0 ? groups.length : end) - start;
    if (length > best.length) best = { start, length };
  });
  return best;
}

const split = (value: bigint, count: number, bits: bigint) =>
  Array.from({ length: count }, (_, index) =>
    Number((value >> (BigInt(count - 1 - index) * bits)) & ((1n << bits) - 1n)),
  );

/** The canonical text of an address that can be written in several ways. */
export const canonicalAddress = (address: string) => toAddress(toNumber(address), versionOf(address) ?? 6);

/** Parses `172.18.0.0/16` or `fd00:1::/64`. Throws BAD_SUBNET if `subnetProblem` finds a problem. */
export function parseSubnet(text: string): Subnet {
  const problem = subnetProblem(text);
  if (problem !== undefined) throw new BayError("BAD_SUBNET", problem);
  return splitSubnet(text)!;
}

/** Parses a part of a subnet, which may be a single address: `10.1.5.0/24`, `10.1.5.7/32`. Throws BAD_SUBNET. */
export function parseRange(text: string): Subnet {
  const problem = rangeProblem(text);
  if (problem !== undefined) throw new BayError("BAD_SUBNET", problem);
  return splitSubnet(text)!;
}

/** Describes why a text is not a usable subnet; undefined if it is one. */
export function subnetProblem(text: string): string | undefined {
  const problem = rangeProblem(text);
  if (problem !== undefined) return problem;
  const { version, prefix } = splitSubnet(text)!;
  return prefix > LONGEST[version]
    ? `the subnet ${text} is too small: it needs addresses for a gateway and a container, so the longest prefix is /${LONGEST[version]}`
    : undefined;
}

/** Describes why a text is not a part of a subnet; undefined if it is one. */
export function rangeProblem(text: string): string | undefined {
  const subnet = splitSubnet(text);
  if (!subnet)
    return `invalid subnet ${JSON.stringify(text)}: expected ADDRESS/PREFIX, such as 10.1.0.0/16 or fd00:1::/64`;
  const beyond = subnet.address % size(subnet);
  return beyond === 0n
    ? undefined
    : `the subnet ${text} has bits outside its prefix; write ${formatSubnet({ ...subnet, address: subnet.address - beyond })}`;
}

function splitSubnet(text: string): Subnet | undefined {
  const [address = "", prefix = "", ...rest] = text.split("/");
  const version = versionOf(address);
  if (!version || rest.length > 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > BITS[version])
    return undefined;
  return { version, address: toNumber(address), prefix: Number(prefix) };
}

export function formatSubnet({ version, address, prefix }: Subnet): string {
  return `${toAddress(address, version)}/${prefix}`;
}

/** The number of addresses in the subnet. */
export const size = ({ version, prefix }: Subnet) => 1n << BigInt(BITS[version] - prefix);

export function overlaps(a: Subnet, b: Subnet): boolean {
  return a.version === b.version && a.address < b.address + size(b) && b.address < a.address + size(a);
}

export function contains(subnet: Subnet, address: string): boolean {
  if (addressVersion(address) !== subnet.version) return false;
  const value = toNumber(address);
  return value >= subnet.address && value < subnet.address + size(subnet);
}

/** The first address and the one after the last that a container may have: the last of IPv4 is the broadcast address. */
export function hostRange(subnet: Subnet): { first: bigint; end: bigint } {
  const end = subnet.address + size(subnet);
  return { first: subnet.address + 1n, end: subnet.version === 4 ? end - 1n : end };
}

/** Whether a container may have an address of a subnet. */
export function isHostAddress(subnet: Subnet, address: string): boolean {
  if (addressVersion(address) !== subnet.version) return false;
  const { first, end } = hostRange(subnet);
  const value = toNumber(address);
  return value >= first && value < end;
}

/** The gateway of a subnet that does not name one: its first address. */
export const defaultGateway = (subnet: Subnet) => toAddress(subnet.address + 1n, subnet.version);

/** Whether `parseSubnet` accepts a text. */
export const isSubnet = (text: string) => subnetProblem(text) === undefined;

/** Whether `parseRange` accepts a text. */
export const isRange = (text: string) => rangeProblem(text) === undefined;

/** The bytes of an address, in network order: four, or sixteen. */
export function packAddress(address: string): Buffer {
  const digits = versionOf(address) === 6 ? 32 : 8;
  return Buffer.from(toNumber(address).toString(16).padStart(digits, "0"), "hex");
}
