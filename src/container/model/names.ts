/** Names that a container can resolve: other containers, services and aliases on its networks. */
import { addressesOf, type NameView } from "../../network/index.ts";
import { LABELS } from "./config.ts";
import type { ContainerRecord } from "./record.ts";
import { isRunning } from "./records.ts";

/** The names that one container can resolve, from the records of all. Only running containers have addresses. */
export function nameView(
  self: () => ContainerRecord | undefined,
  all: () => Iterable<ContainerRecord>,
  /** Called with the addresses of each answer. */
  told: (addresses: readonly string[]) => void = () => {},
): NameView {
  const visible = function* () {
    const own = new Set(self()?.endpoints.map(({ network }) => network));
    for (const record of all()) {
      if (record.id !== self()?.id && (!isRunning(record) || record.role)) continue;
      for (const endpoint of record.endpoints) if (own.has(endpoint.network)) yield { record, endpoint };
    }
  };
  return {
    addresses(asked) {
      // a link is another name for a container or a service, which only this container can resolve
      const link = Object.entries(self()?.config.externalLinks ?? {}).find(
        ([own]) => own.toLowerCase() === asked,
      );
      const name = link?.[1].toLowerCase() ?? asked;
      const found: string[] = [];
      let isKnown = false;
      for (const { record, endpoint } of visible()) {
        const names = [record.config.name, record.id.slice(0, 12), ...endpoint.aliases];
        if (
          !names.some(
            (candidate) =>
              candidate.toLowerCase() === name ||
              `${candidate.toLowerCase()}.${endpoint.network.toLowerCase()}` === name,
          )
        )
          continue;
        isKnown = true;
        found.push(...addressesOf(endpoint));
      }
      told(found);
      if (isKnown || link) return found;
      // a service of the stack without a running container: the name exists, and the query must not reach the host's DNS
      const stack = self()?.config.labels[LABELS.stack];
      for (const record of all()) {
        if (
          record.config.labels[LABELS.stack] === stack &&
          record.config.labels[LABELS.service] === name &&
          stack
        )
          return [];
      }
      return undefined;
    },
    nameOf(address) {
      for (const { record, endpoint } of visible())
        if (addressesOf(endpoint).includes(address)) return `${record.config.name}.${endpoint.network}`;
      return undefined;
    },
  };
}
