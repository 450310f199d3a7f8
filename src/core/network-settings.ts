/** The keys of daemon.json about networks, as Docker's has them: bip, default-address-pools, dns, dns-search, dns-opts. Pure. */
import { isIP } from "node:net";
import { contains, formatSubnet, isHostAddress, parseSubnet, subnetProblem } from "./ip.ts";

export interface AddressPool {
  /** The block that subnets are parts of. */
  base: string;
  /** The prefix of each subnet. */
  size: number;
}

export interface NetworkSettings {
  /** The subnet of the default network and the address of its bridge; chosen from the pools if absent. */
  bridge: { subnet: string; gateway: string } | undefined;
  /** Undefined for the built-in ones. */
  pools: AddressPool[] | undefined;
  /** Name servers, search domains and options of containers that set none; empty for the host's. */
  dns: string[];
  dnsSearch: string[];
  dnsOptions: string[];
}

export const NO_NETWORK_SETTINGS: NetworkSettings = {
  bridge: undefined,
  pools: undefined,
  dns: [],
  dnsSearch: [],
  dnsOptions: [],
};

interface Keys {
  bip?: string | undefined;
  "default-address-pools"?: AddressPool[] | undefined;
  dns: string[];
  "dns-search": string[];
  "dns-opts": string[];
}

/** Every problem of the keys, with its place. */
export function networkProblems(keys: Keys): string[] {
  return [
    ...(keys.bip === undefined ? [] : [bipProblem(keys.bip)]),
    ...(keys["default-address-pools"] ?? []).map(poolProblem),
    ...keys.dns.map((server, index) => (isIP(server) ? undefined : `dns.${index}: expected an IP address`)),
  ].filter((problem) => problem !== undefined);
}

/** `172.20.0.1/16`: the address of the bridge, in its subnet. */
function bipProblem(text: string): string | undefined {
  const [address = "", prefix = ""] = text.split("/");
  const expected = "bip: expected the address of the bridge and its prefix, such as 172.20.0.1/16";
  if (isIP(address) !== 4 || !/^\d{1,2}$/.test(prefix) || Number(prefix) < 8 || Number(prefix) > 29)
    return expected;
  return isHostAddress(subnetOf(text), address) ? undefined : expected;
}

function poolProblem({ base, size }: AddressPool, index: number): string | undefined {
  const place = `default-address-pools.${index}`;
  const problem = subnetProblem(base);
  if (problem !== undefined) return `${place}.base: ${problem}`;
  const subnet = parseSubnet(base);
  if (subnet.version !== 4) return `${place}.base: expected an IPv4 block; bay chooses IPv6 subnets itself`;
  if (size < subnet.prefix || size > 29)
    return `${place}.size: expected a prefix from ${subnet.prefix}, that of the base, to 29`;
  return undefined;
}

/** The subnet of an address with its prefix. */
function subnetOf(text: string) {
  const [address = "", prefix] = text.split("/");
  const bits = 32 - Number(prefix);
  const number = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const first = Math.floor(number / 2 ** bits) * 2 ** bits;
  const parts = [24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256);
  return parseSubnet(`${parts.join(".")}/${prefix}`);
}

/** Expects keys without problems. */
export function readNetworkSettings(keys: Keys): NetworkSettings {
  const subnet = keys.bip === undefined ? undefined : subnetOf(keys.bip);
  const gateway = keys.bip?.split("/")[0] ?? "";
  return {
    bridge: subnet && contains(subnet, gateway) ? { subnet: formatSubnet(subnet), gateway } : undefined,
    pools: keys["default-address-pools"],
    dns: keys.dns,
    dnsSearch: keys["dns-search"],
    dnsOptions: keys["dns-opts"],
  };
}

/** The settings that differ from the defaults, for people. */
export function shownNetworkSettings(settings: NetworkSettings): Record<string, string> {
  const { bridge, pools, dns, dnsSearch, dnsOptions } = settings;
  const list = (key: string, values: readonly string[]) =>
    values.length > 0 ? { [key]: values.join(", ") } : {};
  return {
    ...(bridge ? { bip: `${bridge.gateway}/${bridge.subnet.split("/")[1]}` } : {}),
    ...list(
      "default-address-pools",
      (pools ?? []).map(({ base, size }) => `${base} in /${size}`),
    ),
    ...list("dns", dns),
    ...list("dns-search", dnsSearch),
    ...list("dns-opts", dnsOptions),
  };
}
