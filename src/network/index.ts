/** Networks: their records, endpoints and rules, and the manager that maintains them. */
export { DNS_TTL_SECONDS, type NameView } from "./dns/answer.ts";
export { DNS_ADDRESS, type DnsSockets } from "./dns/server.ts";
export { ownSubnets, withLinks } from "./drivers/bridge.ts";
export {
  addressesOf,
  type BalancedPort,
  type Encapsulation,
  type Endpoint,
  type NetworkConfig,
  type NetworkRecord,
  type PublishedPort,
  type SubnetConfig,
  subnetsOf,
} from "./model/network.ts";
export {
  DEFAULT_NETWORK,
  isPredefined,
  knowsNames,
  ownBridge,
  PREDEFINED,
  predefinedId,
} from "./model/predefined.ts";
export { type ContainerEndpoint, type EndpointDirectory, NetworkManager } from "./network-manager.ts";
export { maxHosts } from "./overlay/slices.ts";
export type { RemoteEndpoint, Underlay, UnderlayHost } from "./overlay/underlay.ts";
export { portKey, portOwner } from "./ports/port-holder.ts";
export { firewallIsIntact } from "./rules/firewall.ts";
export { dropsForeign, forwardingIsIntact } from "./rules/forwarding.ts";
export { tableName } from "./rules/rules.ts";
export { guardIsIntact, tryGuard } from "./rules/spoofing.ts";
