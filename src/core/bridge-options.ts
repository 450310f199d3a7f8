/** Options of bridge networks by the names that Docker's bridge driver has for them. */

export const BRIDGE_PREFIX = "com.docker.network.";
export const MTU_OPTION = `${BRIDGE_PREFIX}driver.mtu`;

/** Options of a bridge; what is as usual is absent. */
export interface BridgeOptions {
  /** The bridge's name on the host. */
  bridge?: string;
  /** Containers do not reach each other on it. */
  isolated?: true;
  /** Packets leave with the containers' own addresses. */
  masquerade?: false;
  /** Where ports are published that name no address. */
  hostBinding?: string;
  /** The bridge has no IPv4 address: another machine has the gateway's. */
  inhibitIpv4?: true;
  /** Of the containers' interfaces, instead of eth. */
  interfacePrefix?: string;
  /** The host's address that packets leave with. */
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
