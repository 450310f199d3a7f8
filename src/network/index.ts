export { ownSubnets, withLinks } from "./bridge.ts";
export { DNS_TTL_SECONDS, type NameView } from "./dns/answer.ts";
export { DNS_ADDRESS, DNS_RATE, type DnsSockets } from "./dns/server.ts";
export { firewallIsIntact, tableHash } from "./firewall.ts";
export { dropsForeign, forwardingIsIntact } from "./forwarding.ts";
export {
  addressesOf,
  type Endpoint,
  type NetworkConfig,
  type NetworkRecord,
  type PublishedPort,
  type SubnetConfig,
  subnetsOf,
} from "./network.ts";
export {
  type ContainerEndpoint,
  type EndpointDirectory,
  hostNameServers,
  NetworkManager,
} from "./network-manager.ts";
export { portKey, portOwner } from "./port-holder.ts";
export { renderRules, tableName } from "./rules.ts";
export { guardIsIntact, tryGuard } from "./spoofing.ts";
