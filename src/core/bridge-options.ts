/** Options of bridge networks, by the names that Docker's bridge driver uses. */

export const BRIDGE_PREFIX = "com.docker.network.";
export const MTU_OPTION = `${BRIDGE_PREFIX}driver.mtu`;

/** Options of a bridge; an option that has its default is absent. */
export interface BridgeOptions {
  /** The bridge's name on the host. */
  bridge?: string;
  /** Containers on it cannot reach each other. */
  isolated?: true;
  /** Packets leave the host with the containers' own addresses (no NAT). */
  masquerade?: false;
  /** The host address of published ports that name no address. */
  hostBinding?: string;
  /** The bridge has no IPv4 address, because another machine has the gateway's address. */
  inhibitIpv4?: true;
  /** The prefix of the names of the containers' interfaces, instead of eth. */
  interfacePrefix?: string;
  /** The host address that packets leave with. */
  sourceAddress?: string;
}

/** The options as driver_opts. */
export function bridgeOptionTexts(
  mtu: number | undefined,
  options: BridgeOptions = {},
): Record<string, string> {
  const texts: [string, string | undefined][] = [
    [MTU_OPTION, mtu?.toString()],
    [`${BRIDGE_PREFIX}bridge.name`, options.bridge],
    [`${BRIDGE_PREFIX}bridge.enable_icc`, options.isolated ? "false" : undefined],
    [`${BRIDGE_PREFIX}bridge.enable_ip_masquerade`, options.masquerade?.toString()],
    [`${BRIDGE_PREFIX}bridge.host_binding_ipv4`, options.hostBinding],
    [`${BRIDGE_PREFIX}bridge.inhibit_ipv4`, options.inhibitIpv4?.toString()],
    [`${BRIDGE_PREFIX}container_iface_prefix`, options.interfacePrefix],
    [`${BRIDGE_PREFIX}host_ipv4`, options.sourceAddress],
  ];
  return Object.fromEntries(texts.filter((entry): entry is [string, string] => entry[1] !== undefined));
}
