/** The networks of one bay: bridges, endpoints, published ports and DNS, kept as their records say. */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DaemonSettings } from "../core/daemon-settings.ts";
import { BayError, hasCode } from "../core/errors.ts";
import type { Roots } from "../core/roots.ts";
import { createNamespace, isNamespace, type Link, type Links, removeNamespace } from "../linux/index.ts";
import type { Store } from "../store/index.ts";
import { addressIn, macFor } from "./addresses/address-pool.ts";
import type { NameView } from "./dns/answer.ts";
import { ContainerDns, type DnsSockets, openDns } from "./dns/server.ts";
import {
  allowHairpin,
  connectEndpoint,
  ensureBridge,
  ownSubnets,
  removeLink,
  routeBy,
  setLoopbackUp,
  withLinks,
} from "./drivers/bridge.ts";
import {
  addressesOf,
  type Endpoint,
  type NetworkConfig,
  type NetworkRecord,
  type PublishedPort,
  type WantedEndpoint,
} from "./model/network.ts";
import { newNetworkRecord } from "./model/new-network.ts";
import { KeptSockets } from "./ports/kept-sockets.ts";
import { PortHolder } from "./ports/port-holder.ts";
import { Firewall } from "./rules/firewall.ts";
import { Forwarding } from "./rules/forwarding.ts";
import { SpoofingGuard } from "./rules/spoofing.ts";

const KEY = "network/";
const SETTLE_TIMEOUT = 3000;

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
  readonly #dns = new Map<string, ContainerDns>();
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

  #require(name: string): NetworkRecord {
    const network = this.get(name);
    if (!network) throw new BayError("NETWORK_NOT_FOUND", `there is no network ${name}`);
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
    const old = this.#require(config.name);
    const other = this.directory
      .endpoints()
      .find(({ endpoint, container }) => endpoint.network === config.name && !users.includes(container));
    if (other)
      throw new BayError(
        "NETWORK_IN_USE",
        `the network ${config.name} cannot be replaced while the container ${other.container} uses it`,
        { hint: "remove that container, or run the command again for a new plan" },
      );
    const record = newNetworkRecord(config, this.roots.tag, this.list(), old);
    if (record.bridge !== old.bridge) refuseTakenBridge(record);
    this.store.put(KEY + config.name, record);
    removeLink(old.bridge);
    await this.#bringUp(record);
  }

  /** Changes what only the record has. */
  relabel(name: string, labels: Record<string, string>): void {
    const record = this.#require(name);
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

  /**
   * Reserves addresses on a network. `index` numbers the container's interfaces that have no name of their own. Throws
   * BAD_ADDRESS, ADDRESS_TAKEN, NO_ADDRESS.
   */
  allocate(
    name: string,
    { ipv4, ipv6, mac, aliases, interface: ownName, gatewayPriority, maySpoof }: WantedEndpoint,
    index: number,
    freed: ReadonlySet<string> = new Set(),
  ): Endpoint {
    const network = this.#require(name);
    const taken = new Set<string>();
    for (const { endpoint } of this.directory.endpoints())
      if (endpoint.network === name)
        for (const each of addressesOf(endpoint)) if (!freed.has(each)) taken.add(each);
    const fixed = this.fixedAddresses(name);
    const address = addressIn(network, 4, ipv4, taken, fixed);
    const address6 = network.config.ipv6 || ipv6 ? addressIn(network, 6, ipv6, taken, fixed) : undefined;
    return {
      network: name,
      networkId: network.id,
      address,
      ...(address6 === undefined ? {} : { address6 }),
      mac: mac ?? macFor(address),
      link: `ve${this.roots.tag}${randomBytes(4).toString("hex")}`,
      interface: ownName ?? `${network.config.options?.interfacePrefix ?? "eth"}${index}`,
      aliases,
      ...(gatewayPriority === undefined ? {} : { gatewayPriority }),
      ...(maySpoof ? { maySpoof } : {}),
    };
  }

  namespaceFile(container: string): string {
    return join(this.roots.run, "netns", container.slice(0, 16));
  }

  /** The namespace of a container, with loopback and all endpoints connected; made anew where it is gone. */
  setUp(container: string, endpoints: readonly Endpoint[]): string {
    const file = this.namespaceFile(container);
    if (isNamespace(file)) this.tearDown(container);
    createNamespace(file);
    setLoopbackUp(file);
    const outward = this.#outward(endpoints);
    for (const endpoint of endpoints) this.connect(container, endpoint, endpoint === outward);
    return file;
  }

  /** Connects a container's namespace to one more network, by which its default route may go. */
  connect(container: string, endpoint: Endpoint, isDefault = false): void {
    const network = this.#require(endpoint.network);
    withLinks((links) => ensureBridge(network, links));
    this.guard(endpoint);
    connectEndpoint(network, endpoint, this.namespaceFile(container), isDefault);
  }

  /** Keeps a link to its own addresses, or no longer does. */
  guard(endpoint: Endpoint): void {
    if (endpoint.maySpoof) this.spoofing.remove(endpoint, true);
    else this.spoofing.add(endpoint);
  }

  disconnect(endpoint: Endpoint): void {
    removeLink(endpoint.link);
    this.spoofing.remove(endpoint);
  }

  /** The one of a container's links by which its packets leave, where one leads outside. */
  #outward(endpoints: readonly Endpoint[]): Endpoint | undefined {
    const priority = (endpoint: Endpoint) => endpoint.gatewayPriority ?? 0;
    return endpoints
      .filter(({ network }) => !this.#require(network).config.internal)
      .reduce<Endpoint | undefined>(
        (best, each) => (best === undefined || priority(each) > priority(best) ? each : best),
        undefined,
      );
  }

  /** Sends what leaves a running container by the network that it is to leave by. */
  setDefaultRoute(container: string, endpoints: readonly Endpoint[]): void {
    const outward = this.#outward(endpoints);
    if (!outward) return;
    const gateways = ownSubnets(this.#require(outward.network), outward).map(({ gateway }) => gateway);
    routeBy(gateways, this.namespaceFile(container));
  }

  #reconnect(container: string, endpoint: Endpoint, all: readonly Endpoint[]): void {
    if (!isNamespace(this.namespaceFile(container))) return; // it ends just now
    this.connect(container, endpoint);
    this.setDefaultRoute(container, all);
  }

  /**
   * Answers the container's DNS. Called at start, and when bayd adopts it, with the sockets of before (`kept`) where they are
   * still held. Gives the sockets, which are the server's.
   */
  serveDns(
    container: string,
    view: NameView,
    upstreams: () => string[],
    { isFresh = false, kept }: { isFresh?: boolean; kept?: DnsSockets | undefined } = {},
  ): DnsSockets {
    this.#dns.get(container)?.close();
    const sockets = kept ?? openDns(this.namespaceFile(container), isFresh);
    this.#dns.set(container, new ContainerDns(sockets, view, upstreams));
    return sockets;
  }

  /** The sockets of the container's DNS server; undefined where it has none. */
  dnsSockets(container: string): DnsSockets | undefined {
    return this.#dns.get(container)?.sockets;
  }

  /**
   * Gives the namespace up. Its links go with it: removing one by itself would block for some 30 ms, and the
   * kernel takes a namespace apart in the background.
   */
  tearDown(container: string): void {
    this.#dns.get(container)?.close();
    this.#dns.delete(container);
    for (const { id, endpoint } of this.directory.endpoints())
      if (id === container) this.spoofing.remove(endpoint);
    removeNamespace(this.namespaceFile(container));
  }

  /**
   * At start: removes what a killed bayd left and no record names: namespaces of containers, links, bridges, and the table
   * against spoofing where no network exists. Switches forwarding on where a network needs it.
   */
  sweep(known: ReadonlySet<string>): void {
    for (const name of readdirSync(join(this.roots.run, "netns")))
      if (!known.has(name)) removeNamespace(join(this.roots.run, "netns", name));
    withLinks((links) => {
      const all = links.list();
      this.#removeUnknownBridges(links, all);
      this.#removeUnknownEndpoints(links, all);
    });
    if (this.list().length === 0) this.spoofing.clear();
    this.forwarding.repair(); // a host that was started again forwards nothing yet
  }

  #removeUnknownBridges(links: Links, all: readonly Link[]): void {
    const known = new Set(this.list().map(({ bridge }) => bridge));
    for (const { name, index } of all)
      if (name.startsWith(`bay${this.roots.tag}-`) && !known.has(name)) links.remove(index);
  }

  /** A container that runs keeps its namespace, so a link that was added or removed when bayd was killed stays in it. */
  #removeUnknownEndpoints(links: Links, all: readonly Link[]): void {
    const known = new Set(this.directory.endpoints().map(({ endpoint }) => endpoint.link));
    for (const { name, index } of all) {
      if (!name.startsWith(`ve${this.roots.tag}`) || known.has(name)) continue;
      try {
        links.remove(index);
      } catch (error) {
        if (!hasCode(error, "ENODEV")) throw error; // the kernel removed it together with its namespace
      }
    }
  }

  /** Resolves when no link of a container that is gone is left, or after a while: the kernel is still at work then. */
  async settled(): Promise<void> {
    for (const deadline = Date.now() + SETTLE_TIMEOUT; Date.now() < deadline; ) {
      const known = new Set(this.directory.endpoints().map(({ endpoint }) => endpoint.link));
      const names = withLinks((links) => links.list()).map(({ name }) => name);
      if (!names.some((name) => name.startsWith(`ve${this.roots.tag}`) && !known.has(name))) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Notes the rules that the tables should have, for observers outside bayd. */
  saveRules(): void {
    this.firewall.save();
    this.spoofing.save();
  }

  /** Repairs bridges, veth masters and rules; gives a line for each repair. */
  repair(): string[] {
    const repairs: string[] = [];
    withLinks((links) => {
      const networks = this.list();
      if (networks.length === 0) return;
      const known = links.list();
      this.#removeUnknownBridges(links, known);
      for (const network of networks) {
        if (ensureBridge(network, links, known))
          repairs.push(`network ${network.config.name}: bridge ${network.bridge}`);
      }
      const bridges = new Map(links.list().map((link) => [link.name, link.index]));
      const masters = new Map(networks.map((network) => [network.config.name, bridges.get(network.bridge)]));
      const all = this.directory.endpoints();
      for (const { container, id, isRunning, endpoint } of all) {
        const link = known.find(({ name }) => name === endpoint.link);
        const master = masters.get(endpoint.network);
        if (!isRunning || master === undefined || (link?.master === master && link.isUp)) continue;
        if (endpoint.networkId !== this.get(endpoint.network)?.id) continue; // waits to be replaced
        // a link's other end, in the container, goes with it
        if (link) {
          links.setMaster(link.index, master);
          allowHairpin(links, link.name);
          if (this.get(endpoint.network)?.config.options?.isolated) links.setIsolated(link.index);
        } else
          this.#reconnect(
            id,
            endpoint,
            all.filter((other) => other.id === id).map((other) => other.endpoint),
          );
        repairs.push(`container ${container}: link ${endpoint.link}`);
      }
    });
    if (this.firewall.repair()) repairs.push("nftables rules");
    repairs.push(...this.forwarding.repair());
    if (this.spoofing.repair()) repairs.push("nftables rules against spoofing");
    return repairs;
  }
}

/** A link of somebody else is left alone: it would go with the network. Throws BRIDGE_TAKEN. */
function refuseTakenBridge({ bridge, config }: NetworkRecord): void {
  if (config.options?.bridge === undefined || !withLinks((links) => links.byName(bridge))) return;
  throw new BayError("BRIDGE_TAKEN", `network ${config.name}: this host has a link ${bridge} already`, {
    hint: "give com.docker.network.bridge.name another name, or remove that link",
  });
}

/** The host's DNS servers (resolv.conf(5)). */
export function hostNameServers(): string[] {
  return readFileSync("/etc/resolv.conf", "utf8")
    .split("\n")
    .flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? []);
}
