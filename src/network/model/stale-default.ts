/** Whether the default network has addresses that daemon.json no longer gives it. Pure. */
import { contains, parseSubnet } from "../../core/ip.ts";
import type { NetworkSettings } from "../../core/network-settings.ts";
import type { NetworkRecord } from "./network.ts";

const UNTIL = "the setting applies when bay creates it again, after the last container on it was removed";

/** A warning for the administrator; undefined if the addresses are those of `bip`, or else from a pool. */
export function staleDefault(
  { subnet, gateway }: Pick<NetworkRecord, "subnet" | "gateway">,
  { bridge, pools }: Pick<NetworkSettings, "bridge" | "pools">,
): string | undefined {
  if (bridge)
    return subnet === bridge.subnet && gateway === bridge.gateway
      ? undefined
      : `bip: the default network still has the subnet ${subnet} and the gateway ${gateway}; ${UNTIL}`;
  if (pools === undefined || pools.some(({ base }) => isPart(subnet, base))) return undefined;
  return `default-address-pools: the default network still has the subnet ${subnet}; ${UNTIL}`;
}

function isPart(subnet: string, base: string): boolean {
  const pool = parseSubnet(base);
  return parseSubnet(subnet).prefix >= pool.prefix && contains(pool, subnet.split("/")[0]!);
}
