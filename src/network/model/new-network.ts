/** The record of a new network: its subnets, which do not overlap others, and the name of its bridge. */
import { randomBytes } from "node:crypto";
import { BayError } from "../../core/errors.ts";
import {
  contains,
  defaultGateway,
  formatSubnet,
  overlaps,
  parseSubnet,
  type Subnet,
  toNumber,
  versionOf,
} from "../../core/ip.ts";
import type { AddressPool } from "../../core/network-settings.ts";
import { chooseSubnet, chooseSubnet6 } from "../addresses/address-pool.ts";
import { withLinks } from "../drivers/bridge.ts";
import { sliceOf } from "../overlay/slices.ts";
import type { UnderlayHost } from "../overlay/underlay.ts";
import {
  type NetworkConfig,
  type NetworkRecord,
  type NetworkSubnet,
  type SubnetConfig,
  subnetsOf,
} from "./network.ts";
import { isPredefined, predefinedId } from "./predefined.ts";

/**
 * `old` is the network that is replaced: subnets that were chosen for it are kept. Throws BAD_SUBNET, NO_SUBNET,
 * BRIDGE_TAKEN.
 */
export function newNetworkRecord(
  config: NetworkConfig,
  tag: string,
  all: readonly NetworkRecord[],
  old?: NetworkRecord,
  self?: UnderlayHost,
  pools?: readonly AddressPool[],
): NetworkRecord {
  const id = isPredefined(config.name) ? predefinedId(tag, config.name) : randomBytes(32).toString("hex");
  const slot = config.overlay && slotOf(config, self);
  const others = all.filter((network) => network !== old);
  const used = others.flatMap(subnetsOf).map(({ subnet }) => parseSubnet(subnet));
  const wanted = (given: SubnetConfig, choose: () => Subnet): NetworkSubnet => {
    const subnet = given.subnet ? checkSubnet(config.name, given.subnet, others) : choose();
    if (slot === undefined) return withGateway(subnet, given);
    const text = formatSubnet(subnet);
    return { subnet: text, ...sliceOf(text, slot), ...(given.reserved ? { reserved: given.reserved } : {}) };
  };
  const { subnet, gateway, range } = wanted(config, () =>
    old ? parseSubnet(old.subnet) : chooseSubnet([...used, ...hostSubnets()], pools),
  );
  const further = (config.further ?? []).map((given) => wanted(given, chooseSubnet6));
  if (config.ipv6 && slot === undefined && !further.some((each) => versionOf(each.subnet) === 6))
    further.push(withGateway(ownSubnet6(old) ?? chooseSubnet6(), { gateway: undefined }));
  return {
    id,
    createdAt: new Date().toISOString(),
    config,
    subnet,
    gateway,
    ...(slot === undefined ? {} : { slice: range }),
    ...(config.overlay?.encapsulation === "vxlan" ? { tunnel: `bt${tag}${id.slice(0, 6)}` } : {}),
    ...(further.length > 0 ? { further } : {}),
    bridge: bridgeName(config, others) ?? `bay${tag}-${id.slice(0, 6)}`,
  };
}

/** The slot of this host in overlays. Throws NOT_A_MEMBER, BAD_SUBNET. */
function slotOf({ name, gateway, range, subnet }: NetworkConfig, self: UnderlayHost | undefined): number {
  if (!self)
    throw new BayError("NOT_A_MEMBER", `network ${name}: an overlay network needs a cluster of hosts`, {
      hint: "run bay host init on one host, and bay host join on the others",
    });
  if (subnet === undefined)
    throw new BayError("BAD_SUBNET", `network ${name}: an overlay needs the same subnet on all hosts`);
  if (gateway !== undefined || range !== undefined)
    throw new BayError(
      "BAD_SUBNET",
      `network ${name}: an overlay has a gateway and a range of addresses for each host`,
      { hint: "remove gateway and ip_range from its ipam" },
    );
  return self.slot;
}

/** Returns the requested bridge name. Throws BRIDGE_TAKEN if another network of bay uses it. */
function bridgeName({ name, options }: NetworkConfig, others: readonly NetworkRecord[]): string | undefined {
  const wanted = options?.bridge;
  const other = wanted === undefined ? undefined : others.find(({ bridge }) => bridge === wanted);
  if (other)
    throw new BayError("BRIDGE_TAKEN", `network ${name}: ${wanted} is the bridge of ${other.config.name}`, {
      hint: "set com.docker.network.bridge.name to another name",
    });
  return wanted;
}

/** Throws BAD_SUBNET if the gateway is not in the subnet. */
function withGateway(
  subnet: Subnet,
  { gateway = defaultGateway(subnet), range, reserved }: Omit<SubnetConfig, "subnet">,
): NetworkSubnet {
  const text = formatSubnet(subnet);
  if (!contains(subnet, gateway))
    throw new BayError("BAD_SUBNET", `the gateway ${gateway} is not in ${text}`);
  return { subnet: text, gateway, ...(range ? { range } : {}), ...(reserved ? { reserved } : {}) };
}

/** The IPv6 subnet that was chosen for a network, which keeps it. */
function ownSubnet6(network: NetworkRecord | undefined): Subnet | undefined {
  const known = network?.further?.find(({ subnet }) => versionOf(subnet) === 6);
  return known && parseSubnet(known.subnet);
}

/** Returns the requested subnet. Throws BAD_SUBNET if it overlaps another network's. */
function checkSubnet(name: string, text: string, others: readonly NetworkRecord[]): Subnet {
  const subnet = parseSubnet(text);
  for (const other of others) {
    const clash = subnetsOf(other).find((theirs) => overlaps(parseSubnet(theirs.subnet), subnet));
    if (!clash) continue;
    const message = `network ${name}: ${text} overlaps ${clash.subnet} of ${other.config.name}`;
    throw new BayError("BAD_SUBNET", message);
  }
  return subnet;
}

/** IPv4 subnets in the host's routing table. */
function hostSubnets(): Subnet[] {
  return withLinks((links) =>
    links
      .routes()
      .filter(({ prefix }) => prefix > 0)
      .map(({ destination, prefix }) => ({ version: 4, address: toNumber(destination), prefix })),
  );
}
