/**
 * The tunnels of an overlay network by GRE: a link of the kernel to each other host, an isolated port of the network's bridge. The
 * bridge learns addresses and floods, as between switches.
 */
import { BayError, hasCode } from "../../core/errors.ts";
import { mtuOf, type NetworkRecord } from "../model/network.ts";
import { tunnelPortName } from "../overlay/switch-ports.ts";
import type { OverlayDriver, OverlayPass } from "./overlay-driver.ts";

export const gre: OverlayDriver = {
  // Ethernet 14, IP 20 or 40, GRE 4 with a key of 4
  overhead: { 4: 42, 6: 62 },
  ensure: () => false,
  sync: syncTunnels,
  remove(network, { tag, links }) {
    for (const { name, index } of links.list()) if (isTunnelOf(network, tag, name)) links.remove(index);
  },
};

/** Whether a link has a name of this network's tunnels. */
export const isTunnelOf = (network: NetworkRecord, tag: string, name: string): boolean =>
  network.config.overlay?.encapsulation === "gre" && name.startsWith(`bt${tag}${network.id.slice(0, 4)}`);

/** Throws NO_ENCAPSULATION if the kernel has no GRE. */
function syncTunnels(network: NetworkRecord, { tag, underlay, links }: OverlayPass): number {
  const all = links.list();
  const bridge = all.find(({ name }) => name === network.bridge);
  if (!bridge) return 0; // the next pass creates it first
  const key = network.config.overlay!.id;
  const local = underlay.self.address;
  const wanted = new Map(
    underlay.peers().map(({ slot, address }) => [tunnelPortName(tag, network, slot), address]),
  );
  let changes = 0;
  for (const { name, index, master, isUp } of all) {
    if (!isTunnelOf(network, tag, name)) continue;
    const known = links.gre.tunnel(name);
    const isRight = known?.remote === wanted.get(name) && known?.local === local && known.key === key;
    if (isRight && isUp && master === bridge.index) wanted.delete(name);
    else {
      links.remove(index);
      changes += 1;
    }
  }
  for (const [name, remote] of wanted) {
    const alias = `bay network ${network.config.name} to ${remote}`;
    try {
      links.gre.add({ name, mtu: mtuOf(network)!, master: bridge.index, alias, local, remote, key });
    } catch (error) {
      throw hasCode(error, "EOPNOTSUPP", "ENOTSUP") ? noGre(network, error) : error;
    }
    changes += 1;
  }
  return changes;
}

const noGre = ({ config }: NetworkRecord, cause: unknown) =>
  new BayError(
    "NO_ENCAPSULATION",
    `network ${config.name}: the kernel of this host has no GRE tunnels (gretap)`,
    {
      hint: "load the module ip_gre, or use the encapsulation ovs-gre",
      cause,
    },
  );
