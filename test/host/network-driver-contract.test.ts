import { createNamespace, inNamespace, Links, removeNamespace } from "../../src/linux/index.ts";
import * as driver from "../../src/network/drivers/bridge.ts";
import type { NetworkRecord, NetworkSubnet } from "../../src/network/model/network.ts";
import { networkDriverContract } from "../contracts/network-driver.ts";

const open = async () => ({ driver, door: { Links, createNamespace, removeNamespace, inNamespace } });

networkDriverContract("the kernel", open);

/** The subnet is the host's slice of a larger one. */
const widened = ({ subnet, ...rest }: NetworkSubnet): NetworkSubnet => {
  const larger: Record<string, string> = {
    "10.98.7.0/24": "10.98.0.0/16",
    "10.98.8.0/24": "10.98.0.0/16",
    "fd98:7::/64": "fd98:7::/48",
  };
  return { ...rest, subnet: larger[subnet] ?? subnet, range: subnet };
};
const overlay = (network: NetworkRecord, encapsulation: "vxlan" | "route"): NetworkRecord => ({
  ...network,
  config: { ...network.config, driver: "overlay", overlay: { encapsulation, id: 1, port: 4789 } },
});

networkDriverContract("an overlay by VXLAN", open, (network) => overlay(network, "vxlan"));
networkDriverContract("an overlay by routes", open, (network) => {
  const { subnet, range, gateway } = widened({ subnet: network.subnet, gateway: network.gateway });
  return overlay(
    {
      ...network,
      subnet,
      gateway,
      slice: range,
      ...(network.further ? { further: network.further.map(widened) } : {}),
    },
    "route",
  );
});
