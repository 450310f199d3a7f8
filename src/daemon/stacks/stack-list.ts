/** The stacks of a bay, from the labels of their containers. */
import { type ContainerRecord, LABELS } from "../../container/index.ts";

export interface StackSummary {
  name: string;
  running: number;
  total: number;
  files: string;
}

/** Ordered by name. */
export function summariseStacks(
  records: readonly ContainerRecord[],
  runs: (record: ContainerRecord) => boolean,
): StackSummary[] {
  const stacks = new Map<string, StackSummary>();
  for (const record of records) {
    const { labels } = record.config;
    const name = labels[LABELS.stack];
    if (!name) continue;
    const entry = stacks.get(name) ?? { name, running: 0, total: 0, files: labels[LABELS.configFiles] ?? "" };
    entry.total += 1;
    if (runs(record)) entry.running += 1;
    stacks.set(name, entry);
  }
  return [...stacks.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
