/** A stack's bridge on the host, and a container's veth pair to it. */
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { hasCode } from "../errors.ts";
import { parseSubnet } from "../ipv4.ts";
import { inNamespace, type Link, Links } from "../linux/index.ts";
import type { Endpoint, NetworkRecord } from "./network.ts";

/** Runs calls on the host's network, or on that of a namespace. */
export function withLinks<T>(action: (links: Links) => T, namespaceFile?: string): T {
  const links = namespaceFile ? inNamespace(namespaceFile, () => new Links()) : new Links();
  try {
    return action(links);
  } finally {
    links.close();
  }
}

/**
 * Makes the bridge as it should be: there, up, with its address. Idempotent; true where something was missing.
 * Without a list of all links only the bridge itself is looked at.
 */
export function ensureBridge(network: NetworkRecord, links: Links, known?: readonly Link[]): boolean {
  let link = known ? known.find(({ name }) => name === network.bridge) : links.byName(network.bridge);
  const hasAddress = () =>
    links
      .addresses()
      .some(({ linkIndex, address }) => linkIndex === link!.index && address === network.gateway);
  const isWhole = link?.isUp && (!known || hasAddress());
  if (isWhole) return false;
  if (!link) {
    links.addBridge(network.bridge, network.config.mtu, `bay network ${network.config.name}`);
    link = links.byName(network.bridge)!;
  }
  const local = `/proc/sys/net/ipv4/conf/${network.bridge}/route_localnet`;
  if (readFileSync(local, "utf8").trim() !== "1") writeFileSync(local, "1");
  // containers could announce themselves as the host's IPv6 router (CVE-2020-13401)
  const noIpv6 = `/proc/sys/net/ipv6/conf/${network.bridge}/disable_ipv6`;
  if (existsSync(noIpv6)) writeFileSync(noIpv6, "1");
  links.addAddress(link.index, network.gateway, parseSubnet(network.subnet).prefix);
  links.setUp(link.index);
  return true;
}

export function removeLink(name: string): void {
  withLinks((links) => {
    const link = links.byName(name);
    if (link) links.remove(link.index);
  });
}

/** Connects a namespace to a bridge: the veth pair, the address, and the default route where it is the first. */
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
      master: bridge?.index ?? 0,
      peerName: endpoint.interface,
      peerNamespaceFd: namespace,
      peerMac: endpoint.mac,
      mtu: network.config.mtu,
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
  });
  allowHairpin(endpoint.link);
  withLinks((inside) => {
    const link = inside.byName(endpoint.interface)!;
    inside.addAddress(link.index, endpoint.address, parseSubnet(network.subnet).prefix);
    inside.setUp(link.index);
    if (isDefault) inside.addDefaultRoute(network.gateway);
  }, namespaceFile);
}

/**
 * Where bridged packets pass the IP rules (br_netfilter), a container's packet to its own published port is
 * turned round on the bridge itself, which a port allows only in hairpin mode.
 */
function allowHairpin(link: string): void {
  const bridged = "/proc/sys/net/bridge/bridge-nf-call-iptables";
  if (!existsSync(bridged) || readFileSync(bridged, "utf8").trim() !== "1") return;
  writeFileSync(`/sys/class/net/${link}/brport/hairpin_mode`, "1");
}

/** Sets a namespace's default route, in the place of another. */
export function routeBy(gateway: string, namespaceFile: string): void {
  withLinks((inside) => inside.addDefaultRoute(gateway), namespaceFile);
}

/** Brings the loopback of a fresh namespace up. */
export function setLoopbackUp(namespaceFile: string): void {
  withLinks((inside) => inside.setUp(1), namespaceFile);
}
