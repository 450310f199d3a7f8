/** The records of networks and endpoints. */

export interface NetworkConfig {
  /** The name on the host: STACK_NAME. */
  name: string;
  stack: string | undefined;
  /** The key in the stack file. */
  key: string;
  driver: "bridge";
  internal: boolean;
  subnet: string | undefined;
  gateway: string | undefined;
  /** The part of the subnet that containers get addresses from. */
  range?: string | undefined;
  /** Addresses that no container gets. */
  reserved?: readonly string[] | undefined;
  mtu: number | undefined;
  labels: Record<string, string>;
}

export interface NetworkRecord {
  id: string;
  createdAt: string;
  config: NetworkConfig;
  subnet: string;
  gateway: string;
  bridge: string;
}

export interface Endpoint {
  network: string;
  /** The network's ID when the endpoint was made: a network that is replaced has another. */
  networkId: string;
  address: string;
  mac: string;
  /** The host's end of the veth pair. */
  link: string;
  /** The container's end: eth0, eth1 … */
  interface: string;
  aliases: string[];
  /** The default route goes by the network of which this is highest, and of alike ones by the first. */
  gatewayPriority?: number | undefined;
}

/** What a container asks of its place in a network. */
export interface WantedEndpoint {
  aliases: string[];
  ipv4?: string | undefined;
  mac?: string | undefined;
  interface?: string | undefined;
  gatewayPriority?: number | undefined;
}

export interface PublishedPort {
  /** Empty for every address of the host. */
  hostAddress: string;
  hostPort: number;
  protocol: "tcp" | "udp";
  containerPort: number;
  /** The container's address on one of its networks. */
  target: string;
  container: string;
}
