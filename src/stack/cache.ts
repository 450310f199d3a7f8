/**
 * A cache of loaded stacks, so that commands on an unchanged stack load neither YAML nor schema. An entry is used
 * if all of its inputs are the same: the files' bytes, the options, the environment, the
 * folder, bay's version, and every other file that was read on the way (by size and time).
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VERSION } from "../core/version.ts";
import type { LoadOptions } from "./files/find.ts";
import type { Stack } from "./model/stack.ts";

export interface CachedStack {
  stack: Stack;
  /** Warnings as the command prints them. */
  warnings: string[];
}

interface Entry extends CachedStack {
  inputs: [path: string, state: string][];
}

const MAX_ENTRIES = 100;

/** The state of a file: its size and time, or its absence. */
function stateOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat ? `${stat.size} ${stat.mtimeNs} ${stat.ino}` : "absent";
}

/** The name of the entry for these options and main files. Undefined if standard input is one of them. */
export function cacheKey(files: readonly string[], options: LoadOptions): string | undefined {
  if (files.includes("-")) return undefined;
  const hash = createHash("sha256");
  hash.update(JSON.stringify([VERSION, options, files]));
  try {
    for (const file of files) hash.update(readFileSync(file));
  } catch {
    return undefined; // the loader reports what is wrong with it
  }
  return hash.digest("hex").slice(0, 32);
}

/** The entry; undefined if it does not exist or if any of its inputs has changed. */
export function readCache(directory: string, key: string): CachedStack | undefined {
  try {
    const { inputs, ...cached } = JSON.parse(readFileSync(join(directory, `${key}.json`), "utf8")) as Entry;
    return inputs.every(([path, state]) => stateOf(path) === state) ? cached : undefined;
  } catch {
    return undefined;
  }
}

/** Writes an entry that only root can read, because it holds environments. A failed write is ignored. */
export function writeCache(
  directory: string,
  key: string,
  cached: CachedStack,
  inputs: readonly string[],
): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch {
    // it exists already, or bay's directory does not exist
  }
  try {
    const names = readdirSync(directory);
    if (names.length >= MAX_ENTRIES) for (const name of names) rmSync(join(directory, name), { force: true });
    const entry: Entry = { ...cached, inputs: inputs.map((path) => [path, stateOf(path)]) };
    const temporary = join(directory, `${key}.${process.pid}`);
    writeFileSync(temporary, JSON.stringify(entry), { mode: 0o600 });
    renameSync(temporary, join(directory, `${key}.json`));
  } catch {
    // a cache that cannot be written is not an error
  }
}
