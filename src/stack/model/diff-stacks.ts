/** How two revisions of a stack differ, with the file's own keys. Pure. */
import { redacted } from "../../core/redaction.ts";
import { toCompose } from "./canonical.ts";
import type { Stack } from "./stack.ts";

export interface StackChange {
  /** services.web.environment.MODE; an element of a list is a change of the list. */
  path: string;
  /** Undefined if the key does not exist. */
  from: string | undefined;
  to: string | undefined;
}

/** Lists are compared by element and mappings by key; values that may be secret are hidden. */
export function diffStacks(from: Stack, to: Stack): StackChange[] {
  const before = leavesOf(from);
  const after = leavesOf(to);
  const keys = [...new Set([...before.keys(), ...after.keys()])];
  return keys
    .filter((key) => before.get(key)?.text !== after.get(key)?.text)
    .map((key) => ({
      path: (before.get(key) ?? after.get(key))!.path,
      from: shown(before.get(key)),
      to: shown(after.get(key)),
    }))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/** The content of a secret's or a config's file is compared, and so is its source. */
function leavesOf(stack: Stack): Map<string, Leaf> {
  const leaves = flatten(toCompose(stack), "");
  for (const kind of ["secrets", "configs"] as const)
    for (const [name, { digest }] of Object.entries(stack[kind])) {
      const path = `${kind}.${name}.content`;
      if (!leaves.has(path)) leaves.set(path, { path, text: digest.slice(0, 12) });
    }
  return leaves;
}

interface Leaf {
  path: string;
  text: string;
}

/** Commands are compared as one value: the order and number of their words matter. */
const WHOLE = /\.(command|entrypoint|test)$/;

function flatten(value: unknown, path: string): Map<string, Leaf> {
  const leaves = new Map<string, Leaf>();
  const add = (key: string, at: string, text: string) => leaves.set(key, { path: at, text });
  const visit = (part: unknown, at: string) => {
    if (Array.isArray(part) && !WHOLE.test(at))
      for (const element of part) {
        const text = typeof element === "object" ? JSON.stringify(element) : String(element);
        add(`${at}[${text}]`, at, text);
      }
    else if (
      typeof part === "object" &&
      part !== null &&
      !Array.isArray(part) &&
      Object.keys(part).length > 0
    )
      for (const [key, child] of Object.entries(part)) visit(child, at === "" ? key : `${at}.${key}`);
    else add(at, at, typeof part === "string" ? part : JSON.stringify(part));
  };
  visit(value, path);
  return leaves;
}

function shown(leaf: Leaf | undefined): string | undefined {
  if (!leaf) return undefined;
  if (/^secrets\.[^.]+\.content$/.test(leaf.path)) return "(hidden)";
  const [, field = ""] = /\.(environment|labels|args)\./.exec(leaf.path) ?? [];
  return redacted(field, leaf.path.split(".").at(-1)!, leaf.text);
}
