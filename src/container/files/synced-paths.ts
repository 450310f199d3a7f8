/**
 * Which paths of a container a watch has synchronised, by rule. A later watch so knows what the host removed while none ran,
 * and never removes what the image or the program made. The file is a journal of lines of JSON beside the container's layer.
 */

import { appendFileSync, readFileSync } from "node:fs";
import { z } from "zod";
import { hasCode } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { SyncOperation } from "../../image/index.ts";
import { replaceFile } from "../../store/index.ts";

/** The rule of a watch: its directory or file of the host, and where that is in the container. */
export interface SyncRule {
  source: string;
  target: string;
}

/** Further paths are synchronised, and not removed by a later watch. */
const MOST_PATHS = LIMITS.watch.paths;
/** A journal with more lines is written again, shorter. */
const MOST_LINES = 1_000;

const line = () =>
  z.strictObject({
    source: z.string(),
    target: z.string(),
    add: z.array(z.string()).optional(),
    drop: z.array(z.string()).optional(),
  });

export class SyncedPaths {
  readonly #rules = new Map<string, Set<string>>();
  #count = 0;

  /** Reads the file, which need not exist. What a crash cut off is left out. */
  constructor(readonly file: string) {
    const lines = textOf(file).split("\n");
    const schema = line();
    for (const text of lines) {
      const parsed = schema.safeParse(jsonOf(text));
      if (!parsed.success) continue;
      for (const path of parsed.data.add ?? []) this.#add(parsed.data, path);
      for (const path of parsed.data.drop ?? []) this.#drop(parsed.data, path);
    }
    if (lines.length > MOST_LINES) this.#rewrite();
  }

  list(rule: SyncRule): string[] {
    return [...(this.#rules.get(keyOf(rule)) ?? [])];
  }

  /** To be called before a batch is applied: a path that is written and not noted would stay for ever. */
  before(rule: SyncRule, operations: readonly SyncOperation[]): void {
    const add = operations.flatMap((operation) => {
      const isMade = operation.op !== "remove" && operation.op !== "part" && !isTarget(operation);
      return isMade && this.#add(rule, operation.path) ? [operation.path] : [];
    });
    if (add.length > 0) this.#append({ ...rule, add });
  }

  /** To be called after a batch: removed paths need not be removed by a later watch. */
  after(rule: SyncRule, operations: readonly SyncOperation[], failed: readonly { path: string }[]): void {
    const left = new Set(failed.map(({ path }) => path));
    const drop = operations.flatMap(({ op, path }) =>
      op === "remove" && !left.has(path) && this.#drop(rule, path) ? [path] : [],
    );
    if (drop.length > 0) this.#append({ ...rule, drop });
  }

  #add(rule: SyncRule, path: string): boolean {
    const key = keyOf(rule);
    const paths = this.#rules.get(key) ?? new Set();
    if (paths.has(path) || this.#count >= MOST_PATHS) return false;
    this.#rules.set(key, paths.add(path));
    this.#count += 1;
    return true;
  }

  #drop(rule: SyncRule, path: string): boolean {
    if (!this.#rules.get(keyOf(rule))?.delete(path)) return false;
    this.#count -= 1;
    return true;
  }

  #append(entry: z.infer<ReturnType<typeof line>>): void {
    // a line that a crash cut off ends here
    appendFileSync(this.file, `\n${JSON.stringify(entry)}`, { mode: 0o600 });
  }

  #rewrite(): void {
    const entries = [...this.#rules].map(([key, paths]) => ({ ...ruleOf(key), add: [...paths] }));
    replaceFile(this.file, entries.map((entry) => JSON.stringify(entry)).join("\n"));
  }
}

/** The rule's own target stays. */
const isTarget = (operation: SyncOperation) => operation.op === "directory" && operation.isRoot === true;
const keyOf = ({ source, target }: SyncRule) => JSON.stringify([source, target]);
const ruleOf = (key: string): SyncRule => {
  const [source, target] = JSON.parse(key) as [string, string];
  return { source, target };
};

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return "";
    throw error;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
