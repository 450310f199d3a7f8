/** Bridges on the host, and the veth pairs of containers to them. */
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { hasCode } from "../../core/errors.ts";
import { contains, parseRange, parseSubnet, versionOf } from "../../core/ip.ts";
import { inNamespace, type Link, Links, setTransmitChecksum } from "../../linux/index.ts";
import { macFor } from "../addresses/address-pool.ts";
import { kernelFile } from "../kernel-files.ts";
import {
  type Endpoint,
  isRouted,
  isSwitched,
  mtuOf,
  type NetworkRecord,
  type NetworkSubnet,
  onLinkPart,
  subnetsOf,
} from "../model/network.ts";

/** Runs calls in the host's network namespace, or in the given one. */
export function withLinks<T>(action: (links: Links) => T, namespaceFile?: string): T {
  const links = namespaceFile ? inNamespace(namespaceFile, () => new Links()) : new Links();
  try {
    return action(links);
  } finally {
    links.close();
  }
}

/**
 * Creates the bridge if it does not exist, and sets it up with its addresses. Idempotent; returns true if something was
 * missing. Without a list of all links it only looks up the bridge itself.
 */
export function ensureBridge(network: NetworkRecord, links: Links, known?: readonly Link[]): boolean {
  let link = known ? known.find(({ name }) => name === network.bridge) : links.byName(network.bridge);
  const { inhibitIpv4 } = network.config.options ?? {};
  const subnets = subnetsOf(network).filter(({ subnet }) => !inhibitIpv4 || versionOf(subnet) === 6);
  const hasAddresses = () => {
    const own = links.addresses().filter(({ linkIndex }) => linkIndex === link!.index);
    return subnets.every(({ gateway }) => own.some(({ address }) => address === gateway));
  };
  const isWhole = link?.isUp && (!known || (hasAddresses() && ignoresReserved(network.bridge)));
  if (isWhole) return false;
  if (!link) {
    if (isSwitched(network)) return false; // Open vSwitch creates it
    // the other hosts of an overlay know the MAC address without asking
    const mac = network.config.overlay ? macFor(network.gateway) : undefined;
    links.addBridge(network.bridge, mtuOf(network), `bay network ${network.config.name}`, mac);
    link = links.byName(network.bridge)!;
  }
  const local = kernelFile(`/proc/sys/net/ipv4/conf/${network.bridge}/route_localnet`);
  if (readFileSync(local, "utf8").trim() !== "1") writeFileSync(local, "1");
  if (!ignoresReserved(network.bridge)) writeFileSync(reservedLearning(network.bridge), "1");
  setIpv6(network.bridge, network.config.ipv6 ?? false);
  for (const each of subnets)
    links.addAddress(link.index, each.gateway, parseRange(onLinkPart(network, each)).prefix);
  links.setUp(link.index);
  return true;
}

/**
 * Whether the bridge ignores the sender of frames to its reserved addresses (01:80:c2:00:00:0X, as in LLDP); a bridge of an
 * older bay does not. A bridge that learns from them does so before any rule of nftables sees the frames. A container could
 * name its neighbour as the sender and receive the neighbour's traffic.
 */
function ignoresReserved(bridge: string): boolean {
  const file = reservedLearning(bridge);
  // /sys may show another network namespace; bay creates its bridges with this setting
  return !existsSync(file) || readFileSync(file, "utf8").trim() === "1";
}

const reservedLearning = (bridge: string) => kernelFile(`/sys/class/net/${bridge}/bridge/no_linklocal_learn`);

/**
 * Enables or disables IPv6 on a link of the thread's network namespace. On none of bay's links may containers announce
 * themselves as a router (CVE-2020-13401).
 */
function setIpv6(link: string, isOn: boolean): void {
  const folder = kernelFile(`/proc/sys/net/ipv6/conf/${link}`);
  if (!existsSync(folder)) return; // the kernel has no IPv6
  writeFileSync(`${folder}/accept_ra`, "0");
  writeFileSync(`${folder}/disable_ipv6`, isOn ? "0" : "1");
}

export function removeLink(name: string): void {
  withLinks((links) => {
    const link = links.byName(name);
    if (link) links.remove(link.index);
  });
}

/** Connects a namespace to a bridge: adds the veth pair, the addresses, and for the first endpoint the default routes. */
export function connectEndpoint(
  network: NetworkRecord,
  endpoint: Endpoint,
  namespaceFile: string,
  isDefault: boolean,
): void {
  withLinks((links) => {
    const bridge = links.byName(network.bridge);
    const namespace = openSync(namespaceFile, "r");
    const options = {
      name: endpoint.link,
      master: isSwitched(network) ? 0 : (bridge?.index ?? 0),
      peerName: endpoint.interface,
      peerNamespaceFd: namespace,
      peerMac: endpoint.mac,
      mtu: mtuOf(network),
    };
    try {
      links.addVeth(options);
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
      const stale = links.byName(endpoint.link);
      if (stale) links.remove(stale.index);
      links.addVeth(options);
    } finally {
      closeSync(namespace);
    }
    if (isSwitched(network)) return;
    allowHairpin(links, endpoint.link);
    if (network.config.options?.isolated) links.setIsolated(links.byName(endpoint.link)!.index);
  });
  // the host has its IP addresses on the bridge, never on one of its ports
  setIpv6(endpoint.link, false);
  inNamespace(namespaceFile, () => setIpv6(endpoint.interface, network.config.ipv6 ?? false));
  // the datapath in user space takes frames as they are, without the checksums that a network card would fill in
  if (isSwitched(network)) inNamespace(namespaceFile, () => setTransmitChecksum(endpoint.interface, false));
  const own = ownSubnets(network, endpoint);
  withLinks((inside) => {
    const link = inside.byName(endpoint.interface)!;
    for (const each of own) inside.addAddress(link.index, each.address, ownPrefix(network, each));
    inside.setUp(link.index);
    if (isRouted(network)) for (const each of own) addSliceRoutes(network, link.index, each, inside);
    // the network's other subnets use the same link
    for (const { subnet } of subnetsOf(network)) {
      const { version, prefix } = parseSubnet(subnet);
      const mine = own.find(({ address }) => versionOf(address) === version);
      if (!mine || own.some((each) => each.subnet === subnet)) continue;
      const first = subnet.split("/", 1)[0]!;
      if (isRouted(network)) inside.addGatewayRoute(first, prefix, mine.gateway);
      else inside.addLinkRoute(link.index, first, prefix);
    }
    if (isDefault) for (const { gateway } of own) inside.addDefaultRoute(gateway);
  }, namespaceFile);
}

/** An address that the file gives may be outside of this host's slice; it then has no neighbours. */
function ownPrefix(
  network: NetworkRecord,
  { address, ...subnet }: NetworkSubnet & { address: string },
): number {
  const part = parseRange(onLinkPart(network, subnet));
  return contains(part, address) ? part.prefix : part.version === 4 ? 32 : 128;
}

/** The slice is on the link, and the rest of the subnet behind the gateway, also if the network is internal. */
function addSliceRoutes(
  network: NetworkRecord,
  index: number,
  { address, ...own }: NetworkSubnet & { address: string },
  inside: Links,
): void {
  const [slice, whole] = [onLinkPart(network, own), parseSubnet(own.subnet)];
  const { prefix } = parseRange(slice);
  if (!contains(parseRange(slice), address)) inside.addLinkRoute(index, slice.split("/", 1)[0]!, prefix);
  if (prefix > whole.prefix) inside.addGatewayRoute(own.subnet.split("/", 1)[0]!, whole.prefix, own.gateway);
}

/** An endpoint's addresses, each with its subnet. */
export function ownSubnets(
  network: NetworkRecord,
  { address, address6 }: Endpoint,
): (NetworkSubnet & { address: string })[] {
  const all = subnetsOf(network);
  return [address, address6].flatMap((own) => {
    const of = own && all.find(({ subnet }) => contains(parseSubnet(subnet), own));
    return of ? [{ ...of, address: own }] : [];
  });
}

/**
 * If bridged packets pass the IP rules (br_netfilter), a container's packet to its own published port returns through the
 * same bridge port, which is possible only in hairpin mode.
 */
export function allowHairpin(links: Links, name: string): void {
  const bridged = kernelFile("/proc/sys/net/bridge/bridge-nf-call-iptables");
  if (!existsSync(bridged) || readFileSync(bridged, "utf8").trim() !== "1") return;
  // not through sysfs, which shows the links of the network namespace in which it was mounted
  const link = links.byName(name);
  if (link) links.setHairpin(link.index);
}

/** Replaces a namespace's default routes. */
export function routeBy(gateways: readonly string[], namespaceFile: string): void {
  withLinks((inside) => {
    for (const gateway of gateways) inside.addDefaultRoute(gateway);
  }, namespaceFile);
}

/** Sets the loopback of a new namespace up. */
export function setLoopbackUp(namespaceFile: string): void {
  withLinks((inside) => inside.setUp(1), namespaceFile);
}
