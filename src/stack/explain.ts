/** The origin of a stack's values: for each, the places that set it, the one that takes effect first. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { SourcePosition } from "../core/diagnostics.ts";
import { BayError } from "../core/errors.ts";
import { envParser } from "./files/dotenv.ts";
import { isMapping } from "./files/merge.ts";
import type { Merged } from "./files/merge-files.ts";
import type { Origin } from "./files/origins.ts";

export interface Explained {
  path: string[];
  value: unknown;
  /** The first one takes effect; the values at the others were replaced by it or merged with it. */
  places: { place: SourcePosition; tag: Origin["tag"] }[];
}

/** Every single value at a path or below it. Throws NO_SUCH_KEY if the path does not exist. */
export function explainValues(merged: Merged, path: readonly string[]): Explained[] {
  let value = merged.value;
  let isEntry = false;
  for (const [index, step] of path.entries()) {
    // an entry in its short form, such as `8080:80`, has the keys that `bay config` shows
    if (isEntry && !isHolder(value)) return leaves(merged, path.slice(0, index), value);
    const known = isHolder(value) ? Object.keys(value) : [];
    if (!isHolder(value) || !Object.hasOwn(value, step)) {
      const removed = index === path.length - 1 ? merged.origins.removed(value, step) : undefined;
      if (removed) return [{ path: [...path], value: undefined, places: placesOf(removed) }];
      const given = ofEnvFile(merged, path);
      if (given) return [given];
      const at = path.slice(0, index).join(".");
      throw new BayError("NO_SUCH_KEY", `the files do not set ${path.join(".")}`, {
        hint: known.length > 0 ? `${at || "the stack"} has ${known.join(", ")}` : "it may be set by an image",
      });
    }
    isEntry = Array.isArray(value);
    value = value[step];
  }
  return leaves(merged, [...path], value);
}

const isHolder = (value: unknown): value is Record<string, unknown> =>
  isMapping(value) || Array.isArray(value);

function leaves(merged: Merged, path: string[], value: unknown): Explained[] {
  if (isHolder(value) && Object.keys(value).length > 0)
    return Object.entries(value).flatMap(([step, entry]) => leaves(merged, [...path, step], entry));
  // for a value without a place, show the nearest parent that has one
  return [{ path, value, places: placesOf(merged.origins.chain(merged.value, path)) }];
}

const placesOf = (origins: readonly Origin[]) => origins.map(({ place, tag }) => ({ place, tag }));

/** The place of a variable that an env file sets: in the last file that has it. */
function ofEnvFile(merged: Merged, path: readonly string[]): Explained | undefined {
  const [section, name, key, variable] = path;
  if (section !== "services" || key !== "environment" || variable === undefined || path.length > 4) return;
  const services = (merged.value as { services?: Record<string, { env_file?: unknown }> }).services;
  const places: Explained["places"] = [];
  let value: string | undefined;
  const before = new Map<string, string>();
  for (const entry of [services?.[name!]?.env_file].flat()) {
    const { path: file, format } = isMapping(entry) ? entry : { path: entry, format: undefined };
    if (typeof file !== "string") continue;
    const full = resolve(merged.directory, file);
    try {
      const text = readFileSync(full, "utf8");
      const read = envParser(format)(text, (each) => merged.variables(each) ?? before.get(each));
      for (const [each, text] of read) before.set(each, text);
      if (!read.has(variable)) continue;
      value = read.get(variable);
      const line = text
        .split("\n")
        .findIndex((each) => /^\s*(?:export\s+)?([^=:\s]+)/.exec(each)?.[1] === variable);
      places.unshift({ place: { file: full, line: line + 1, column: 1, length: 1 }, tag: undefined });
    } catch {
      // errors of the file are reported when the stack is loaded
    }
  }
  return value === undefined ? undefined : { path: [...path], value, places };
}

/** Parses `services.web.ports.0`; a part with dots can be quoted: `services.web.labels."a.b"`. */
export function readPath(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|'([^']*)'|[^."']+/g)].map(([whole, a, b]) => a ?? b ?? whole);
}
