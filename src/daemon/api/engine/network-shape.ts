/** Networks in the shape of the Docker Engine API, with those that exist without being created. */
import { type ContainerManager, isRunning, NEVER } from "../../../container/index.ts";
import { bridgeOptionTexts } from "../../../core/bridge-options.ts";
import { versionOf } from "../../../core/ip.ts";
import {
  DEFAULT_NETWORK,
  type Endpoint,
  isPredefined,
  type NetworkRecord,
  ownSubnets,
  PREDEFINED,
  predefinedId,
  subnetsOf,
} from "../../../network/index.ts";
import type { NetworkView } from "./list-filters.ts";
import { networkView, usedNetworks } from "./views.ts";

export const networkShape = (manager: ContainerManager, record: NetworkRecord) => ({
  Name: record.config.name,
  Id: record.id,
  Created: record.createdAt,
  Scope: "local",
  Driver: record.config.driver,
  EnableIPv4: true,
  EnableIPv6: record.config.ipv6 ?? false,
  IPAM: {
    Driver: "default",
    Options: null,
    Config: subnetsOf(record).map(({ subnet, gateway, range }) => ({
      Subnet: subnet,
      Gateway: gateway,
      ...(range ? { IPRange: range } : {}),
    })),
  },
  Internal: record.config.internal,
  Attachable: false,
  Ingress: false,
  ConfigFrom: { Network: "" },
  ConfigOnly: false,
  Labels: record.config.labels,
  Options: bridgeOptionTexts(record.config.mtu, record.config.options),
  Containers: Object.fromEntries(
    manager
      .list()
      .filter(isRunning)
      .flatMap(({ id, config, endpoints }) =>
        endpoints
          .filter((endpoint) => endpoint.network === record.config.name)
          .map((endpoint) => [
            id,
            {
              Name: config.name,
              EndpointID: endpoint.link,
              MacAddress: endpoint.mac,
              IPv4Address: addressOf(record, endpoint, 4),
              IPv6Address: addressOf(record, endpoint, 6),
            },
          ]),
      ),
  ),
});

/** Docker's names of the drivers of predefined networks. */
const DRIVERS: Readonly<Record<string, string>> = { [DEFAULT_NETWORK]: "bridge", host: "host", none: "null" };

interface ShownNetwork {
  view: NetworkView;
  shape: () => object;
}

/** All networks for a list: what a filter sees, and the answer. */
export function shownNetworks(manager: ContainerManager): ShownNetwork[] {
  const used = usedNetworks(manager);
  const records = manager.networks.list().map((record) => ({
    view: { ...networkView(record, used), isPredefined: isPredefined(record.config.name) },
    shape: () => networkShape(manager, record),
  }));
  return [...records, ...predefinedNetworks(manager)];
}

/** The predefined networks without a bridge: `host`, `none`, and `bridge` while no container uses it. */
export function predefinedNetworks({ networks, roots }: ContainerManager): ShownNetwork[] {
  return PREDEFINED.filter((name) => networks.get(name) === undefined).map((name) => {
    const id = predefinedId(roots.tag, name);
    const driver = DRIVERS[name]!;
    return {
      view: { id, name, driver, labels: {}, isUsed: true, isPredefined: true },
      shape: () => ({
        Name: name,
        Id: id,
        Created: NEVER,
        Scope: "local",
        Driver: driver,
        EnableIPv4: true,
        EnableIPv6: false,
        IPAM: { Driver: "default", Options: null, Config: [] },
        Internal: false,
        Attachable: false,
        Ingress: false,
        ConfigFrom: { Network: "" },
        ConfigOnly: false,
        Containers: {},
        Options: {},
        Labels: {},
      }),
    };
  });
}

/** An endpoint's address with its prefix; empty if it has none of this IP version. */
function addressOf(network: NetworkRecord, endpoint: Endpoint, version: 4 | 6): string {
  const own = ownSubnets(network, endpoint).find(({ address }) => versionOf(address) === version);
  return own ? `${own.address}/${own.subnet.split("/")[1]}` : "";
}
