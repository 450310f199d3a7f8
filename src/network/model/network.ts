/** The records of networks and endpoints. */
import type { BridgeOptions } from "../../core/bridge-options.ts";

/** A subnet as requested. */
export interface SubnetConfig {
  subnet: string | undefined;
  gateway: string | undefined;
  /** The part of the subnet from which containers get addresses. */
  range?: string | undefined;
  /** Addresses that no container gets. */
  reserved?: readonly string[] | undefined;
}

/** A subnet of a network. */
export interface NetworkSubnet extends SubnetConfig {
  subnet: string;
  gateway: string;
}

/** How packets between the containers of different hosts travel; `route` has no tunnel. */
export type Encapsulation = "vxlan" | "gre" | "route" | "ovs-gre" | "ovs-vxlan";

/** An overlay network: the same on each of its hosts. */
export interface OverlayOptions {
  encapsulation: Encapsulation;
  /** The VXLAN network identifier, or the key of GRE. */
  id: number;
  /** The UDP port of the tunnels. */
  port: number;
  /** The tunnels are inside WireGuard. */
  isEncrypted?: boolean | undefined;
}

/** The subnet in `SubnetConfig` is the first IPv4 subnet. */
export interface NetworkConfig extends SubnetConfig {
  /** The name on the host, such as STACK_NAME. */
  name: string;
  stack: string | undefined;
  /** The key in the stack file. */
  key: string;
  driver: "bridge" | "overlay";
  /** How hosts reach each other's containers; only of the driver overlay. */
  overlay?: OverlayOptions | undefined;
  internal: boolean;
  /** Whether containers have an IPv6 address, too; a subnet is chosen if none is given. */
  ipv6?: boolean | undefined;
  /** More subnets: of IPv4, for containers that find no free address in the earlier ones, and of IPv6. */
  further?: readonly SubnetConfig[] | undefined;
  mtu: number | undefined;
  options?: BridgeOptions | undefined;
  labels: Record<string, string>;
}

export interface NetworkRecord {
  id: string;
  createdAt: string;
  config: NetworkConfig;
  subnet: string;
  gateway: string;
  /** This host's slice of an overlay's subnet. */
  slice?: string | undefined;
  further?: readonly NetworkSubnet[] | undefined;
  bridge: string;
  /** The MTU of an overlay without a setting of its own: the underlay's less the tunnel's headers. */
  mtu?: number | undefined;
  /** The host's end of the tunnels, a port of the bridge; only of overlay networks with the encapsulation vxlan. */
  tunnel?: string | undefined;
}

/** All subnets of a network, IPv4 first. */
export function subnetsOf({
  subnet,
  gateway,
  config,
  slice = config.range,
  further = [],
}: NetworkRecord): NetworkSubnet[] {
  return [{ subnet, gateway, range: slice, reserved: config.reserved }, ...further];
}

/** A network whose packets are routed between the hosts: each host's slice is a subnet of its own on its bridge. */
export const isRouted = ({ config }: NetworkRecord): boolean => config.overlay?.encapsulation === "route";

export const isEncrypted = ({ config }: NetworkRecord): boolean => config.overlay?.isEncrypted ?? false;

/** A network whose bridge belongs to Open vSwitch. */
export const isSwitched = ({ config }: NetworkRecord): boolean =>
  config.overlay?.encapsulation.startsWith("ovs-") ?? false;

/** The part of a subnet whose addresses are reached without a gateway. */
export const onLinkPart = (network: NetworkRecord, { subnet, range }: NetworkSubnet): string =>
  isRouted(network) && range !== undefined ? range : subnet;

/** The MTU of a network's links; undefined for the kernel's default. */
export const mtuOf = ({ config, mtu }: NetworkRecord): number | undefined => config.mtu ?? mtu;

export interface Endpoint {
  network: string;
  /** The network's ID when the endpoint was created: a replaced network has a different ID. */
  networkId: string;
  address: string;
  address6?: string | undefined;
  mac: string;
  /** The host's end of the veth pair. */
  link: string;
  /** The container's end: eth0, eth1 … */
  interface: string;
  aliases: string[];
  /** The default route uses the network with the highest priority, or the first one of several. */
  gatewayPriority?: number | undefined;
  /** The container may send from addresses that are not its own: a router. */
  maySpoof?: boolean | undefined;
}

/** Its IPv4 and IPv6 addresses. */
export const addressesOf = ({ address, address6 }: Pick<Endpoint, "address" | "address6">): string[] =>
  address6 === undefined ? [address] : [address, address6];

/** What a container requests on a network. */
export interface WantedEndpoint {
  aliases: string[];
  ipv4?: string | undefined;
  ipv6?: string | undefined;
  mac?: string | undefined;
  interface?: string | undefined;
  gatewayPriority?: number | undefined;
  maySpoof?: boolean | undefined;
}

/** A published port with any number of targets, which get connections in turn. */
export interface BalancedPort {
  hostAddress: string;
  hostPort: number;
  protocol: "tcp" | "udp";
  containerPort: number;
  targets: readonly string[];
  targets6: readonly string[];
  /** Who publishes it, for messages: `the service web of the stack shop`. */
  owner: string;
}

export interface PublishedPort {
  /** Empty for all addresses of the host. */
  hostAddress: string;
  hostPort: number;
  protocol: "tcp" | "udp";
  containerPort: number;
  /** The container's address on one of its networks. */
  target: string;
  /** The container's IPv6 address, if it has one. */
  target6?: string | undefined;
  container: string;
}
