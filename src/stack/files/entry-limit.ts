/** The limit on the entries that a service may have below one key, checked before the entries are processed. */
import { type Document, isCollection, isMap, isScalar, type Node, type YAMLMap, type YAMLSeq } from "yaml";

/** Variables of a service, labels, annotations, and entries of dns_search, dns_opt and extra_hosts. */
export const MAX_ENTRIES = 10_000;

const LIMITED = new Set(["environment", "labels", "annotations", "dns_search", "dns_opt", "extra_hosts"]);

export const tooManyEntries = (count: number): string =>
  `${count} entries; at most ${MAX_ENTRIES} are allowed`;

/** A mapping or list of a service that has more entries than are allowed. */
interface Oversized {
  service: string;
  key: string;
  node: YAMLMap | YAMLSeq;
}

/** Counts the entries of one document. The totals after merging and extending are checked later, per service. */
export function oversizedEntries(document: Document.Parsed): Oversized[] {
  const services = childOf(document.contents, "services");
  return pairsOf(services).flatMap(([service, fields]) =>
    pairsOf(fields).flatMap(([key, node]) =>
      LIMITED.has(key) && isCollection(node) && node.items.length > MAX_ENTRIES
        ? [{ service, key, node: node as YAMLMap | YAMLSeq }]
        : [],
    ),
  );
}

const pairsOf = (node: unknown): [string, unknown][] =>
  isMap(node)
    ? node.items.flatMap(({ key, value }): [string, unknown][] =>
        isScalar(key) ? [[String(key.value), value]] : [],
      )
    : [];

const childOf = (node: Node | null, key: string): unknown =>
  pairsOf(node).find(([name]) => name === key)?.[1];
