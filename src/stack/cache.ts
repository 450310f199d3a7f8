/**
 * A cache of loaded stacks, so that commands on an unchanged stack load neither YAML nor schema. An entry is used
 * if all of its inputs are the same: the files' bytes, the options, the environment, the
 * folder, bay's version, and every other file that was read on the way (by size and time).
 */
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
  key: CacheKey;
  inputs: [path: string, state: string][];
}

const MAX_ENTRIES = 100;

/** The state of a file: its size and time, or its absence. */
function stateOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat ? `${stat.size} ${stat.mtimeNs} ${stat.ino}` : "absent";
}

/** What an entry is for, with the text of the main files. Entries hold their key, and it is compared as a whole. */
export type CacheKey = string;

/** The key for these options and main files. Undefined if standard input is one of them. */
export function cacheKey(files: readonly string[], options: LoadOptions): CacheKey | undefined {
  if (files.includes("-")) return undefined;
  const { environment, ...others } = options;
  try {
    const texts = files.map((file) => readFileSync(file, "latin1"));
    // the environment can hold secrets, which are not written to the disk
    return JSON.stringify([VERSION, others, digest(JSON.stringify(environment)), files, texts]);
  } catch {
    return undefined; // the loader reports what is wrong with it
  }
}

/** 64 bits by two FNV-1a of other primes: node:crypto would take longer to load than all the rest of this file. */
function digest(text: string): string {
  let [low, high] = [0x811c9dc5, 0x01000193];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x85ebca6b);
  }
  const hex = (number: number) => (number >>> 0).toString(16).padStart(8, "0");
  return hex(low) + hex(high);
}

/** Two keys may have one file: the later entry replaces the earlier one. */
const fileOf = (directory: string, key: CacheKey) => join(directory, `${digest(key)}.json`);

/** The entry; undefined if it does not exist or if any of its inputs has changed. */
export function readCache(directory: string, key: CacheKey): CachedStack | undefined {
  try {
    const entry = JSON.parse(readFileSync(fileOf(directory, key), "utf8")) as Entry;
    const isSame = entry.key === key && entry.inputs.every(([path, state]) => stateOf(path) === state);
    return isSame ? { stack: entry.stack, warnings: entry.warnings } : undefined;
  } catch {
    return undefined;
  }
}

/** Writes an entry that only root can read, because it holds environments. A failed write is ignored. */
export function writeCache(
  directory: string,
  key: CacheKey,
  cached: CachedStack,
  inputs: readonly string[],
): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch {
    // it already exists, or bay's directory does not exist
  }
  try {
    const names = readdirSync(directory);
    if (names.length >= MAX_ENTRIES) for (const name of names) rmSync(join(directory, name), { force: true });
    const entry: Entry = { ...cached, key, inputs: inputs.map((path) => [path, stateOf(path)]) };
    const file = fileOf(directory, key);
    const temporary = `${file}.${process.pid}`;
    writeFileSync(temporary, JSON.stringify(entry), { mode: 0o600 });
    renameSync(temporary, file);
  } catch {
    // a cache that cannot be written is not an error
  }
}
