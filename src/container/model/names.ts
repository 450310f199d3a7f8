/** Names that a container can resolve: other containers, services and aliases on its networks, also on other hosts. */
import { addressesOf, knowsNames, type NameView } from "../../network/index.ts";
import { LABELS } from "./config.ts";
import type { ContainerRecord } from "./record.ts";
import { isRunning } from "./records.ts";

/** A container of another host, as far as this host's containers and steps need it. */
export interface RemoteNames {
  id: string;
  name: string;
  service?: string | undefined;
  stack?: string | undefined;
  status: string;
  health: string;
  exitCode?: number | undefined;
  /** Its host has not been heard for a while, so the container may have ended. */
  isSilent: boolean;
  endpoints: readonly {
    network: string;
    address: string;
    address6?: string | undefined;
    aliases: readonly string[];
  }[];
}

/** An endpoint with its names. */
interface Named {
  container: string;
  network: string;
  /** In lower case. */
  names: readonly string[];
  addresses: string[];
  isHealthy: boolean;
  isSilent: boolean;
}

/** The names that one container can resolve, from the records of all. Only running containers have addresses. */
export function nameView(
  self: () => ContainerRecord | undefined,
  all: () => Iterable<ContainerRecord>,
  /** Called with the addresses of each answer. */
  told: (addresses: readonly string[]) => void = () => {},
  remote: () => readonly RemoteNames[] = () => [],
): NameView {
  const visible = function* (): Generator<Named> {
    const own = new Set(self()?.endpoints.map(({ network }) => network));
    for (const record of all()) {
      if (record.id !== self()?.id && (!isRunning(record) || record.role)) continue;
      for (const endpoint of record.endpoints)
        if (own.has(endpoint.network)) yield localName(record, endpoint);
    }
    for (const container of remote())
      for (const endpoint of container.endpoints)
        if (own.has(endpoint.network)) yield remoteName(container, endpoint);
  };
  return {
    addresses(asked) {
      // a link is another name for a container or a service, which only this container can resolve
      const link = Object.entries(self()?.config.externalLinks ?? {}).find(
        ([own]) => own.toLowerCase() === asked,
      );
      const name = link?.[1].toLowerCase() ?? asked;
      const named = [...visible()].filter(
        ({ names, network }) =>
          (link !== undefined || knowsNames(network)) &&
          (names.includes(name) || names.some((each) => `${each}.${network.toLowerCase()}` === name)),
      );
      const found = preferred(named).flatMap(({ addresses }) => addresses);
      told(found);
      if (named.length > 0 || link) return found;
      return isServiceOf(self()?.config.labels[LABELS.stack], name) ? [] : undefined;
    },
    nameOf(address) {
      for (const { container, network, addresses } of visible())
        if (addresses.includes(address)) return `${container}.${network}`;
      return undefined;
    },
  };

  /** A service of the stack without a running container: the name exists, and the query must not reach the host's DNS. */
  function isServiceOf(stack: string | undefined, name: string): boolean {
    if (!stack) return false;
    for (const { config } of all())
      if (config.labels[LABELS.stack] === stack && config.labels[LABELS.service] === name) return true;
    return remote().some((container) => container.stack === stack && container.service === name);
  }
}

function localName(record: ContainerRecord, endpoint: ContainerRecord["endpoints"][number]): Named {
  const { name, labels } = record.config;
  return {
    container: name,
    network: endpoint.network,
    names: lowered([name, record.id.slice(0, 12), ...endpoint.aliases, ...taskNames(labels[LABELS.service])]),
    addresses: addressesOf(endpoint),
    isHealthy: true,
    isSilent: false,
  };
}

function remoteName(
  { id, name, service, health, isSilent }: RemoteNames,
  { network, address, address6, aliases }: RemoteNames["endpoints"][number],
): Named {
  return {
    container: name,
    network,
    names: lowered([name, id.slice(0, 12), ...aliases, ...taskNames(service)]),
    addresses: address6 === undefined ? [address] : [address, address6],
    isHealthy: health === "healthy" || health === "none",
    isSilent,
  };
}

/** Like Swarm, `tasks.SERVICE` names all containers of a service. */
const taskNames = (service: string | undefined) => (service === undefined ? [] : [`tasks.${service}`]);

const lowered = (names: readonly string[]) => names.map((name) => name.toLowerCase());

/**
 * Containers of other hosts that are unhealthy, or whose host is silent, are left out while there are others: a stale address is
 * better than none.
 */
function preferred(named: readonly Named[]): readonly Named[] {
  const heard = named.filter(({ isSilent, isHealthy }) => !isSilent && isHealthy);
  if (heard.length > 0) return heard;
  const healthy = named.filter(({ isHealthy }) => isHealthy);
  return healthy.length > 0 ? healthy : named;
}
