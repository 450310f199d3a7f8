/** The addresses and options of a network, as its bridge needs them. */
import type { NetworkConfig } from "../../network/index.ts";
import { furtherSubnets, reservedAddresses } from "../../reconcile/index.ts";
import type { Stack } from "../../stack/index.ts";

type BridgeSettings = Pick<
  NetworkConfig,
  "internal" | "ipv6" | "further" | "subnet" | "gateway" | "range" | "reserved" | "mtu" | "options"
>;

/** Converts a checked network of a stack file, or of a request that was checked as one. */
export function bridgeSettings(network: Stack["networks"][string]): BridgeSettings {
  const { internal, ipv6, subnet, gateway, range, mtu, options } = network;
  return {
    internal,
    ipv6,
    further: furtherSubnets(network),
    subnet,
    gateway,
    range,
    reserved: reservedAddresses(network.reserved),
    mtu,
    ...(options ? { options } : {}),
  };
}
