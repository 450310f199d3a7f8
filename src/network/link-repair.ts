/** Repairs links and rules that differ from the records, after a kill of bayd or a change by another program. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { hasCode } from "../core/errors.ts";
import { type Link, type Links, removeNamespace } from "../linux/index.ts";
import { allowHairpin, ensureBridge, withLinks } from "./drivers/bridge.ts";
import { isTunnelOf } from "./drivers/gre.ts";
import { isEncrypted, isSwitched } from "./model/network.ts";
import type { NetworkManager } from "./network-manager.ts";
import { wireguardLink } from "./overlay/encryption.ts";

const SETTLE_TIMEOUT = 3000;

export class LinkRepair {
  constructor(readonly host: NetworkManager) {}

  /**
   * Runs at bayd's start: removes namespaces of containers, links and bridges that a killed bayd left and that are in no
   * record, and the anti-spoofing table if no network exists. Enables forwarding if a network needs it.
   */
  sweep(known: ReadonlySet<string>): void {
    for (const name of readdirSync(join(this.host.roots.run, "netns")))
      if (!known.has(name)) removeNamespace(join(this.host.roots.run, "netns", name));
    withLinks((links) => {
      const all = links.list();
      this.#removeUnknownBridges(links, all);
      this.#removeUnknownEndpoints(links, all);
      const secret = all.find(({ name }) => name === wireguardLink(this.host.roots.tag));
      if (secret && !this.host.list().some(isEncrypted)) links.remove(secret.index);
    });
    if (this.host.list().length === 0) this.host.spoofing.clear();
    this.host.forwarding.repair(); // after a reboot the host does not forward yet
  }

  #removeUnknownBridges(links: Links, all: readonly Link[]): void {
    const { tag } = this.host.roots;
    const known = new Set(this.host.list().flatMap(({ bridge, tunnel }) => [bridge, tunnel]));
    for (const { name, index, kind } of all) {
      if (!(name.startsWith(`bay${tag}-`) || name.startsWith(`bt${tag}`)) || known.has(name)) continue;
      if (this.host.list().some((network) => isTunnelOf(network, tag, name))) continue;
      // Open vSwitch would create the link of its bridge again
      if (kind === "tun" || kind === "openvswitch") this.host.overlays.switches.passes.soon();
      else links.remove(index);
    }
  }

  /** A running container keeps its namespace, so a link that was being added or removed when bayd was killed stays in it. */
  #removeUnknownEndpoints(links: Links, all: readonly Link[]): void {
    const known = new Set(this.host.directory.endpoints().map(({ endpoint }) => endpoint.link));
    for (const { name, index } of all) {
      if (!name.startsWith(`ve${this.host.roots.tag}`) || known.has(name)) continue;
      try {
        links.remove(index);
      } catch (error) {
        if (!hasCode(error, "ENODEV")) throw error; // the kernel removed it together with its namespace
      }
    }
  }

  /**
   * Resolves when the links of removed containers have disappeared, or after a timeout: the kernel removes them in the
   * background.
   */
  async settled(): Promise<void> {
    for (const deadline = Date.now() + SETTLE_TIMEOUT; Date.now() < deadline; ) {
      const known = new Set(this.host.directory.endpoints().map(({ endpoint }) => endpoint.link));
      const names = withLinks((links) => links.list()).map(({ name }) => name);
      if (!names.some((name) => name.startsWith(`ve${this.host.roots.tag}`) && !known.has(name))) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Repairs bridges, veth masters and rules; returns a line for each repair. */
  repair(): string[] {
    const repairs: string[] = [];
    withLinks((links) => {
      const networks = this.host.list();
      if (networks.length === 0) return;
      const known = links.list();
      this.#removeUnknownBridges(links, known);
      for (const network of networks) {
        if (ensureBridge(network, links, known))
          repairs.push(`network ${network.config.name}: bridge ${network.bridge}`);
      }
      repairs.push(...this.host.overlays.repair(links));
      const bridges = new Map(links.list().map((link) => [link.name, link.index]));
      const masters = new Map(networks.map((network) => [network.config.name, bridges.get(network.bridge)]));
      const all = this.host.directory.endpoints();
      for (const { container, id, isRunning, endpoint } of all) {
        const link = known.find(({ name }) => name === endpoint.link);
        const master = masters.get(endpoint.network);
        if (!isRunning || master === undefined) continue;
        const network = this.host.get(endpoint.network);
        const isPort = network && isSwitched(network) ? true : link?.master === master;
        if (link?.isUp && isPort) continue;
        if (endpoint.networkId !== network?.id) continue; // it is about to be replaced
        // the link's other end, in the container, is removed with it
        if (link && isSwitched(network)) links.setUp(link.index);
        else if (link) {
          links.setMaster(link.index, master);
          allowHairpin(links, link.name);
          if (network.config.options?.isolated) links.setIsolated(link.index);
        } else
          this.host.endpoints.reconnect(
            id,
            endpoint,
            all.filter((other) => other.id === id).map((other) => other.endpoint),
          );
        repairs.push(`container ${container}: link ${endpoint.link}`);
      }
    });
    if (this.host.firewall.repair()) repairs.push("nftables rules");
    repairs.push(...this.host.forwarding.repair());
    if (this.host.spoofing.repair()) repairs.push("nftables rules against spoofing");
    return repairs;
  }
}
