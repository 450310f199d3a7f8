/** The networks of one bay: keeps bridges, endpoints, published ports and DNS as their records specify. */
import { join } from "node:path";
import type { DaemonSettings } from "../core/daemon-settings.ts";
import { BayError } from "../core/errors.ts";
import type { Roots } from "../core/roots.ts";
import type { Store } from "../store/index.ts";
import { hostNameServers } from "./dns/name-servers.ts";
import { ensureBridge, removeLink, withLinks } from "./drivers/bridge.ts";
import { Endpoints } from "./endpoints.ts";
import { LinkRepair } from "./link-repair.ts";
import {
  type BalancedPort,
  type Endpoint,
  isSwitched,
  type NetworkConfig,
  type NetworkRecord,
  type PublishedPort,
} from "./model/network.ts";
import { newNetworkRecord } from "./model/new-network.ts";
import { DEFAULT_NETWORK, DEFAULT_NETWORK_CONFIG } from "./model/predefined.ts";
import { staleDefault } from "./model/stale-default.ts";
import { Overlays } from "./overlay/overlays.ts";
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

/** What the manager needs to know of containers: their endpoints and ports. */
export interface EndpointDirectory {
  /** All endpoints of all containers, running or not: their addresses are reserved. */
  endpoints(): ContainerEndpoint[];
  /** Ports of running containers. */
  publishedPorts(): PublishedPort[];
  /** Ports that this host passes on to containers of any host. */
  balancedPorts(): readonly BalancedPort[];
}

export class NetworkManager {
  readonly firewall: Firewall;
  readonly forwarding: Forwarding;
  readonly spoofing: SpoofingGuard;
  readonly ports: PortHolder;
  readonly endpoints = new Endpoints(this);
  readonly links = new LinkRepair(this);
  readonly overlays: Overlays;
  /** Actions in progress that connect a container to the default network. */
  #joiningDefault = 0;
  /** Addresses on a network that stack files specify: a container gets one only on request. */
  fixedAddresses: (network: string) => ReadonlySet<string> = () => new Set();

  constructor(
    readonly roots: Roots,
    readonly store: Store,
    readonly directory: EndpointDirectory,
    warn: (text: string) => void,
    readonly settings: () => Pick<DaemonSettings, "mayRouteOthers" | "network">,
  ) {
    const desired = () => ({
      networks: this.list(),
      ports: directory.publishedPorts(),
      balanced: directory.balancedPorts(),
    });
    this.firewall = new Firewall(roots.tag, desired, join(roots.run, "rules"));
    this.forwarding = new Forwarding({
      tag: roots.tag,
      store,
      networks: () => this.list(),
      file: join(roots.run, "foreign"),
      mayRouteOthers: () => settings().mayRouteOthers,
    });
    this.spoofing = new SpoofingGuard(roots.tag, () => this.#guarded(), warn, join(roots.run, "guard"));
    this.overlays = new Overlays(this, warn);
    this.ports = new PortHolder(new KeptSockets(join(roots.run, "ports")));
  }

  /** Endpoints of running containers that may send only from their own addresses. */
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

  /** Creates a network, or returns the existing one with this name. Throws BAD_SUBNET, NO_SUBNET, BRIDGE_TAKEN. */
  async create(config: NetworkConfig): Promise<NetworkRecord> {
    const known = this.get(config.name);
    if (known) return known;
    const record = this.#newRecord(config);
    refuseTakenBridge(record);
    this.store.put(KEY + config.name, record); // first, so that a crash leaves no unrecorded bridge
    try {
      await this.#bringUp(record);
    } catch (error) {
      await this.#discard(record).catch(() => {}); // the first error says what is wrong
      throw error;
    }
    return record;
  }

  /**
   * Replaces a network by a new one with the same name; the subnet is kept if the config names none. Containers on the old
   * network are disconnected until they are replaced: `users` are the names of those that will be. Throws BAD_SUBNET, and
   * NETWORK_IN_USE if another container uses it; nothing is changed then.
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
    const record = this.#newRecord(config, old);
    if (record.bridge !== old.bridge) refuseTakenBridge(record);
    this.store.put(KEY + config.name, record);
    this.#removeLinks(old);
    await this.overlays.settle(old);
    await this.#bringUp(record);
  }

  /** Changes the labels, which only the record contains. */
  relabel(name: string, labels: Record<string, string>): void {
    const record = this.require(name);
    this.store.put(KEY + name, { ...record, config: { ...record.config, labels } });
  }

  #newRecord(config: NetworkConfig, old?: NetworkRecord): NetworkRecord {
    const { self } = this.overlays.underlay ?? {};
    return this.overlays.withMtu(
      newNetworkRecord(config, this.roots.tag, this.list(), old, self, this.settings().network.pools),
    );
  }

  async #bringUp(record: NetworkRecord): Promise<void> {
    withLinks((links) => ensureBridge(record, links));
    await this.overlays.bringUp(record);
    await this.firewall.sync();
    // after the rules, so that containers of the network are never reachable without them
    this.forwarding.ensure();
    this.forwarding.apply();
  }

  /**
   * Creates the default network for an action that connects a container to it, and removes it when no container is left on
   * it.
   */
  async withDefault<T>(action: () => Promise<T>): Promise<T> {
    this.#joiningDefault += 1;
    try {
      await this.create({ ...DEFAULT_NETWORK_CONFIG, ...this.settings().network.bridge });
      return await action();
    } finally {
      this.#joiningDefault -= 1;
      await this.removeUnusedDefault();
    }
  }

  /** What the settings say of the default network and does not apply to its bridge yet, one line each. */
  settingsWarnings(): string[] {
    const existing = this.get(DEFAULT_NETWORK);
    const warning = existing && staleDefault(existing, this.settings().network);
    return warning === undefined ? [] : [warning];
  }

  /** The name servers of containers that name none: those of daemon.json, else the host's. */
  nameServers(): string[] {
    const { dns } = this.settings().network;
    return dns.length > 0 ? dns : hostNameServers();
  }

  /** Removes the default network if no container uses it. */
  async removeUnusedDefault(): Promise<void> {
    if (this.#joiningDefault > 0 || !this.get(DEFAULT_NETWORK)) return;
    if (this.directory.endpoints().some(({ endpoint }) => endpoint.network === DEFAULT_NETWORK)) return;
    await this.remove(DEFAULT_NETWORK);
  }

  /** Removes a network that could not be created: its record would make the next attempt succeed. */
  async #discard(record: NetworkRecord): Promise<void> {
    this.store.delete(KEY + record.config.name);
    this.#removeLinks(record);
    this.overlays.release();
    await this.firewall.sync();
    this.forwarding.release();
    this.forwarding.apply();
  }

  async remove(name: string): Promise<void> {
    const record = this.get(name);
    if (!record) return;
    const user = this.directory.endpoints().find(({ endpoint }) => endpoint.network === name);
    if (user)
      throw new BayError("NETWORK_IN_USE", `the network ${name} is used by the container ${user.container}`);
    this.#removeLinks(record);
    this.store.delete(KEY + name);
    await this.overlays.settle(record);
    if (this.list().length === 0) this.spoofing.clear();
    this.overlays.release();
    await this.firewall.sync();
    this.forwarding.release();
    this.forwarding.apply();
  }

  /** Tunnels and routes are not removed with the bridge. */
  #removeLinks(record: NetworkRecord): void {
    withLinks((links) => this.overlays.remove(record, links));
    // Open vSwitch removes its own bridges
    if (!isSwitched(record)) removeLink(record.bridge);
  }

  /** Saves the expected rules, for observers outside bayd. */
  saveRules(): void {
    this.firewall.save();
    this.spoofing.save();
  }
}

/** Throws BRIDGE_TAKEN if another program owns the link: it would be removed with the network. */
function refuseTakenBridge({ bridge, config }: NetworkRecord): void {
  if (config.options?.bridge === undefined || !withLinks((links) => links.byName(bridge))) return;
  throw new BayError("BRIDGE_TAKEN", `network ${config.name}: this host already has a link ${bridge}`, {
    hint: "set com.docker.network.bridge.name to another name, or remove that link",
  });
}
