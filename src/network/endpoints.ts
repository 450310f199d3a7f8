/** The endpoints of containers: addresses, network namespaces, links, routes and DNS. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createNamespace, isNamespace, removeNamespace } from "../linux/index.ts";
import { addressIn, macFor } from "./addresses/address-pool.ts";
import type { NameView } from "./dns/answer.ts";
import { ContainerDns, type DnsSockets, openDns } from "./dns/server.ts";
import {
  connectEndpoint,
  ensureBridge,
  ownSubnets,
  removeLink,
  routeBy,
  setLoopbackUp,
  withLinks,
} from "./drivers/bridge.ts";
import { addressesOf, type Endpoint, isSwitched, type WantedEndpoint } from "./model/network.ts";
import type { NetworkManager } from "./network-manager.ts";

export class Endpoints {
  readonly #dns = new Map<string, ContainerDns>();

  constructor(
    readonly host: Pick<
      NetworkManager,
      "roots" | "directory" | "spoofing" | "require" | "fixedAddresses" | "get" | "overlays"
    >,
  ) {}

  /**
   * Reserves addresses on a network. `index` numbers the container's interfaces without a name. Throws BAD_ADDRESS,
   * ADDRESS_TAKEN, NO_ADDRESS.
   */
  allocate(
    name: string,
    { ipv4, ipv6, mac, aliases, interface: ownName, gatewayPriority, maySpoof }: WantedEndpoint,
    index: number,
    freed: ReadonlySet<string> = new Set(),
  ): Endpoint {
    const network = this.host.require(name);
    const taken = new Set<string>();
    for (const { endpoint } of this.host.directory.endpoints())
      if (endpoint.network === name)
        for (const each of addressesOf(endpoint)) if (!freed.has(each)) taken.add(each);
    const fixed = this.host.fixedAddresses(name);
    const address = addressIn(network, 4, ipv4, taken, fixed);
    const address6 = network.config.ipv6 || ipv6 ? addressIn(network, 6, ipv6, taken, fixed) : undefined;
    return {
      network: name,
      networkId: network.id,
      address,
      ...(address6 === undefined ? {} : { address6 }),
      mac: mac ?? macFor(address),
      link: `ve${this.host.roots.tag}${randomBytes(4).toString("hex")}`,
      interface: ownName ?? `${network.config.options?.interfacePrefix ?? "eth"}${index}`,
      aliases,
      ...(gatewayPriority === undefined ? {} : { gatewayPriority }),
      ...(maySpoof ? { maySpoof } : {}),
    };
  }

  namespaceFile(container: string): string {
    return join(this.host.roots.run, "netns", container.slice(0, 16));
  }

  /** Returns a container's namespace, with loopback and all endpoints connected; creates it if it does not exist. */
  setUp(container: string, endpoints: readonly Endpoint[]): string {
    const file = this.namespaceFile(container);
    if (isNamespace(file)) this.tearDown(container);
    createNamespace(file);
    setLoopbackUp(file);
    const outward = this.#outward(endpoints);
    for (const endpoint of endpoints) this.connect(container, endpoint, endpoint === outward);
    return file;
  }

  /** Connects a container's namespace to one more network, through which the default route may lead. */
  connect(container: string, endpoint: Endpoint, isDefault = false): void {
    const network = this.host.require(endpoint.network);
    withLinks((links) => ensureBridge(network, links));
    this.guard(endpoint);
    connectEndpoint(network, endpoint, this.namespaceFile(container), isDefault);
    if (isSwitched(network)) this.host.overlays.linksChanged(network);
  }

  /** Limits a link to its own source addresses, or lifts the limit. */
  guard(endpoint: Endpoint): void {
    if (endpoint.maySpoof) this.host.spoofing.remove(endpoint, true);
    else this.host.spoofing.add(endpoint);
  }

  disconnect(endpoint: Endpoint): void {
    removeLink(endpoint.link);
    this.host.spoofing.remove(endpoint);
    this.#leave(endpoint);
  }

  /** The endpoint that the container's default route uses; undefined if none leads outside. */
  #outward(endpoints: readonly Endpoint[]): Endpoint | undefined {
    const priority = (endpoint: Endpoint) => endpoint.gatewayPriority ?? 0;
    return endpoints
      .filter(({ network }) => !this.host.require(network).config.internal)
      .reduce<Endpoint | undefined>(
        (best, each) => (best === undefined || priority(each) > priority(best) ? each : best),
        undefined,
      );
  }

  /** Sets the default route of a running container to the network that its config selects. */
  setDefaultRoute(container: string, endpoints: readonly Endpoint[]): void {
    const outward = this.#outward(endpoints);
    if (!outward) return;
    const gateways = ownSubnets(this.host.require(outward.network), outward).map(({ gateway }) => gateway);
    routeBy(gateways, this.namespaceFile(container));
  }

  /** Connects a container again after its link was lost. */
  reconnect(container: string, endpoint: Endpoint, all: readonly Endpoint[]): void {
    if (!isNamespace(this.namespaceFile(container))) return; // the container is about to end
    this.connect(container, endpoint);
    this.setDefaultRoute(container, all);
  }

  /**
   * Starts the container's DNS server. Called at its start, and when bayd adopts it, with the earlier sockets (`kept`) if
   * they are still open. Returns the sockets, which belong to the server.
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

  /** The sockets of the container's DNS server; undefined if it has none. */
  dnsSockets(container: string): DnsSockets | undefined {
    return this.#dns.get(container)?.sockets;
  }

  /**
   * Removes the namespace. Its links are removed with it: removing a link itself would block for about 30 ms, and the kernel
   * removes a namespace in the background.
   */
  tearDown(container: string): void {
    this.#dns.get(container)?.close();
    this.#dns.delete(container);
    for (const { id, endpoint } of this.host.directory.endpoints())
      if (id === container) this.host.spoofing.remove(endpoint);
    removeNamespace(this.namespaceFile(container));
    for (const { id, endpoint } of this.host.directory.endpoints())
      if (id === container) this.#leave(endpoint);
  }

  /** A bridge of Open vSwitch keeps a port whose link has gone. */
  #leave({ network }: Endpoint): void {
    const record = this.host.get(network);
    if (record && isSwitched(record)) this.host.overlays.linksChanged(record);
  }
}
