/**
 * One walk over a YAML document in order: the node that each alias repeats, and keys that a mapping has twice. The YAML
 * library compares each key with every other one and searches the whole document for each alias; a Set and a Map
 * make both linear in the size of the file.
 */
import { type Alias, type Document, isAlias, isCollection, isMap, isScalar, type Node, visit } from "yaml";

export interface DocumentWalk {
  /** The node that each alias repeats. An alias without an anchor before it is missing. */
  targets: ReadonlyMap<Alias, Node>;
  /** Keys that are duplicates in their mapping, in the order of the file. */
  duplicates: readonly Node[];
}

/** Linear in the number of nodes. An anchor that is redefined applies to the aliases after it (YAML 1.2.2, 7.1). */
export function walkDocument(document: Document.Parsed): DocumentWalk {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  const mappings: Node[][] = [];
  visit(document, {
    Node: (_, node) => {
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        if (target) targets.set(node, target);
        return;
      }
      if (node.anchor) anchors.set(node.anchor, node);
      if (isMap(node)) mappings.push(node.items.map(({ key }) => key as Node));
    },
  });
  // after the walk, because a key may be an alias
  const duplicates = mappings.flatMap((keys) => {
    const names = new Set<string>();
    return keys.filter((key) => {
      const name = keyName(key, targets);
      if (name === undefined) return false;
      return names.has(name) ? true : !names.add(name);
    });
  });
  return { targets, duplicates: duplicates.sort((a, b) => positionOf(a) - positionOf(b)) };
}

/** The name of a key in the plain mapping: `1` and `"1"` are the same. Undefined if the key is a mapping or a list. */
export function keyName(key: unknown, targets: DocumentWalk["targets"]): string | undefined {
  const node = isAlias(key) ? (targets.get(key) ?? key) : key;
  if (isCollection(node)) return undefined;
  if (isAlias(node)) return `*${node.source}`;
  if (!isScalar(node)) return String(node);
  return isMergeKey(node) ? "<<" : String(node.value);
}

/** Whether a key is a merge key (`<<`); the library marks it by a symbol. */
export const isMergeKey = (key: unknown): boolean =>
  isScalar(key) && (key.value === "<<" || (typeof key.value === "symbol" && key.value.description === "<<"));

const positionOf = (key: Node): number => key.range?.[0] ?? 0;
