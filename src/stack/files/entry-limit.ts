/** The limit on the entries of a mapping or list of a stack file, checked before the entries are processed. */

import { type Document, isCollection, isMap, isScalar, type YAMLMap, type YAMLSeq } from "yaml";
import { LIMITS } from "../../core/limits.ts";

/** Entries of a mapping or list, if its key has no specific limit. */
const MAX_ENTRIES = LIMITS.stack.entries;
/** Parts of a stack of one kind, and entries that are sent with each of them; bayd accepts no more either. */
const MAX_PARTS = LIMITS.stack.parts;

const PARTS = new Set([
  "services",
  "networks",
  "volumes",
  "secrets",
  "configs",
  "labels",
  "annotations",
  "environment",
]);

/** The limit of what is below a key. */
export const mostEntries = (key: string): number => (PARTS.has(key) ? MAX_PARTS : MAX_ENTRIES);

export const tooManyEntries = (key: string, count: number): string =>
  `${count} entries; at most ${mostEntries(key)} are allowed`;

/** A mapping or list that has more entries than are allowed. */
interface Oversized {
  /** As in messages: `services.web.labels`. */
  path: string;
  node: YAMLMap | YAMLSeq;
}

/**
 * Counts the entries of one document; what is below an oversized collection is left out, as are extensions (`x-`). The totals
 * after merging and extending are checked later.
 */
export function oversizedEntries(document: Document.Parsed): Oversized[] {
  const found: Oversized[] = [];
  const open: [path: string, node: unknown][] = [["", document.contents]];
  for (let at = open.pop(); at; at = open.pop()) {
    const [path, node] = at;
    if (!isCollection(node)) continue;
    const collection = node as YAMLMap | YAMLSeq;
    if (collection.items.length > mostEntries(lastKey(path))) found.push({ path, node: collection });
    else open.push(...childrenOf(path, collection));
  }
  return found;
}

function childrenOf(path: string, node: YAMLMap | YAMLSeq): [string, unknown][] {
  const inside = (key: string) => (path === "" ? key : `${path}.${key}`);
  return isMap(node)
    ? node.items.flatMap(({ key, value }): [string, unknown][] =>
        isScalar(key) && !(path === "" && String(key.value).startsWith("x-"))
          ? [[inside(String(key.value)), value]]
          : [],
      )
    : node.items.map((item, index) => [inside(String(index)), item]);
}

export const lastKey = (path: string): string => path.slice(path.lastIndexOf(".") + 1);
