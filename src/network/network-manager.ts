/** The networks of one bay: bridges, endpoints, published ports and DNS, kept as their records say. */
import { join } from "node:path";
import type { DaemonSettings } from "../core/daemon-settings.ts";
import { BayError } from "../core/errors.ts";
import type { Roots } from "../core/roots.ts";
import type { Store } from "../store/index.ts";
import { ensureBridge, removeLink, withLinks } from "./drivers/bridge.ts";
import { Endpoints } from "./endpoints.ts";
import { LinkRepair } from "./link-repair.ts";
import type { Endpoint, NetworkConfig, NetworkRecord, PublishedPort } from "./model/network.ts";
import { newNetworkRecord } from "./model/new-network.ts";
import { KeptSockets } from "./ports/kept-sockets.ts";
import { PortHolder } from "./ports/port-holder.ts";
import { Firewall } from "./rules/firewall.ts";
import { Forwarding } from "./rules/forwarding.ts";
import { SpoofingGuard } from "./rules/spoofing.ts";

const KEY = "network/";

export interface ContainerEndpoint {
  /** The container's name and ID. */
  container: string;
  id: string;
  isRunning: boolean;
  endpoint: Endpoint;
}

/** What the manager asks about containers: it knows their endpoints, not their lives. */
export interface EndpointDirectory {
  /** Every endpoint of every container, running or not: their addresses are reserved. */
  endpoints(): ContainerEndpoint[];
  /** Ports of running containers. */
  publishedPorts(): PublishedPort[];
}

export class NetworkManager {
  readonly firewall: Firewall;
  readonly forwarding: Forwarding;
  readonly spoofing: SpoofingGuard;
  readonly ports: PortHolder;
  readonly endpoints = new Endpoints(this);
  readonly links = new LinkRepair(this);
  /** Addresses on a network that stack files fix: they are given only where they are asked for. */
  fixedAddresses: (network: string) => ReadonlySet<string> = () => new Set();

  constructor(
    readonly roots: Roots,
    readonly store: Store,
    readonly directory: EndpointDirectory,
    warn: (text: string) => void,
    settings: () => Pick<DaemonSettings, "mayRouteOthers">,
  ) {
    const desired = () => ({ networks: this.list(), ports: directory.publishedPorts() });
    this.firewall = new Firewall(roots.tag, desired, join(roots.run, "rules"));
    this.forwarding = new Forwarding({
      tag: roots.tag,
      store,
      networks: () => this.list(),
      file: join(roots.run, "foreign"),
      mayRouteOthers: () => settings().mayRouteOthers,
    });
    this.spoofing = new SpoofingGuard(roots.tag, () => this.#guarded(), warn, join(roots.run, "guard"));
    this.ports = new PortHolder(new KeptSockets(join(roots.run, "ports")));
  }

  /** Endpoints of containers that run and may send only from their own addresses. */
  #guarded(): Endpoint[] {
    return this.directory
      .endpoints()
      .filter(({ isRunning, endpoint }) => isRunning && !endpoint.maySpoof)
      .map(({ endpoint }) => endpoint);
  }

  list(): NetworkRecord[] {
    return this.store.list<NetworkRecord>(KEY);
  }

  get(name: string): NetworkRecord | undefined {
    return this.store.get<NetworkRecord>(KEY + name);
  }

  /** Throws NETWORK_NOT_FOUND. */
  require(name: string): NetworkRecord {
    const network = this.get(name);
    if (!network) throw new BayError("NETWORK_NOT_FOUND", `the network ${name} does not exist`);
    return network;
  }

  /** Makes a network. One of the name that is there already is given as it is. Throws BAD_SUBNET, NO_SUBNET, BRIDGE_TAKEN. */
  async create(config: NetworkConfig): Promise<NetworkRecord> {
    const known = this.get(config.name);
    if (known) return known;
    const record = newNetworkRecord(config, this.roots.tag, this.list());
    refuseTakenBridge(record);
    this.store.put(KEY + config.name, record); // first, so that a crash leaves nothing unknown
    await this.#bringUp(record);
    return record;
  }

  /**
   * Puts a new network in the place of the one of its name; the subnet stays where none is named. Containers on
   * the old one are cut off until they are replaced: `users` are those that will be, by name. Throws BAD_SUBNET, and
   * NETWORK_IN_USE where there is another; nothing is changed then.
   */
  async replace(config: NetworkConfig, users: readonly string[]): Promise<void> {
    const old = this.require(config.name);
    const other = this.directory
      .endpoints()
      .find(({ endpoint, container }) => endpoint.network === config.name && !users.includes(container));
    if (other)
      throw new BayError(
        "NETWORK_IN_USE",
        `the network ${config.name} cannot be replaced while the container ${other.container} uses it`,
        { hint: "remove the container, or run the command again for a new plan" },
      );
    const record = newNetworkRecord(config, this.roots.tag, this.list(), old);
    if (record.bridge !== old.bridge) refuseTakenBridge(record);
    this.store.put(KEY + config.name, record);
    removeLink(old.bridge);
    await this.#bringUp(record);
  }

  /** Changes what only the record has. */
  relabel(name: string, labels: Record<string, string>): void {
    const record = this.require(name);
    this.store.put(KEY + name, { ...record, config: { ...record.config, labels } });
  }

  async #bringUp(record: NetworkRecord): Promise<void> {
    withLinks((links) => ensureBridge(record, links));
    await this.firewall.sync();
    // after the rules, so that containers of the network are never reachable without them
    this.forwarding.ensure();
    this.forwarding.apply();
  }

  async remove(name: string): Promise<void> {
    const record = this.get(name);
    if (!record) return;
    const user = this.directory.endpoints().find(({ endpoint }) => endpoint.network === name);
    if (user)
      throw new BayError("NETWORK_IN_USE", `the network ${name} is used by the container ${user.container}`);
    removeLink(record.bridge);
    this.store.delete(KEY + name);
    if (this.list().length === 0) this.spoofing.clear();
    await this.firewall.sync();
    this.forwarding.release();
    this.forwarding.apply();
  }

  /** Notes the rules that the tables should have, for observers outside bayd. */
  saveRules(): void {
    this.firewall.save();
    this.spoofing.save();
  }
}

/** A link of somebody else is left alone: it would go with the network. Throws BRIDGE_TAKEN. */
function refuseTakenBridge({ bridge, config }: NetworkRecord): void {
  if (config.options?.bridge === undefined || !withLinks((links) => links.byName(bridge))) return;
  throw new BayError("BRIDGE_TAKEN", `network ${config.name}: this host already has a link ${bridge}`, {
    hint: "set com.docker.network.bridge.name to another name, or remove that link",
  });
}
