/** Names as a container sees them: other containers, services and aliases on the networks that it is on. */
import { addressesOf, type NameView } from "../../network/index.ts";
import { LABELS } from "./config.ts";
import type { ContainerRecord } from "./record.ts";
import { isRunning } from "./records.ts";

/** A view for one container over the records of all. Only running containers answer. */
export function nameView(
  self: () => ContainerRecord | undefined,
  all: () => Iterable<ContainerRecord>,
  /** Hears of the addresses that were given away. */
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
      // a link is another name for a container or a service, which this container alone knows
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
      // a service of the stack that has no running container: the name exists, and the host's DNS must not answer
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
