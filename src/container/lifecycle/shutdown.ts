/** The order in which containers stop when the host shuts down: a container stops before those that it depends on. Pure. */
import { LABELS } from "../model/config.ts";
import type { ContainerRecord } from "../model/record.ts";

/**
 * Returns each container with those that have to stop before it, which come earlier in the result. Services depend on each
 * other by the label that the containers were created with; a container that shares a namespace stops before its owner.
 * Containers with circular dependencies come in any order.
 */
export function endOrder(
  records: readonly ContainerRecord[],
): { record: ContainerRecord; after: ContainerRecord[] }[] {
  const waiting = new Set(records);
  const order: { record: ContainerRecord; after: ContainerRecord[] }[] = [];
  const dependants = new Map(
    records.map((record) => [record, records.filter((other) => needs(other, record))] as const),
  );
  while (waiting.size > 0) {
    const free = [...waiting].filter(
      (record) => !dependants.get(record)!.some((other) => waiting.has(other)),
    );
    for (const record of free.length > 0 ? free : [...waiting]) {
      const after = dependants.get(record)!.filter((other) => !waiting.has(other));
      waiting.delete(record);
      order.push({ record, after });
    }
  }
  return order;
}

function needs({ config }: ContainerRecord, other: ContainerRecord): boolean {
  const { networkMode, pidMode, ipcMode, labels } = config;
  if (config === other.config) return false;
  const joined = `container:`;
  for (const mode of [networkMode, pidMode, ipcMode])
    if (mode.startsWith(joined) && [other.id, other.config.name].includes(mode.slice(joined.length)))
      return true;
  const service = other.config.labels[LABELS.service];
  if (service === undefined || labels[LABELS.stack] !== other.config.labels[LABELS.stack]) return false;
  return (labels[LABELS.dependsOn] ?? "").split(",").some((entry) => entry.split(":")[0] === service);
}
