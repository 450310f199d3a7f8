/** Where the values of a stack came from: for each, the places that say it, the one that counts first. */
import type { Place } from "../diagnostics.ts";
import { BayError } from "../errors.ts";
import { isMapping } from "./merge.ts";
import type { Merged } from "./merged.ts";
import type { Origin } from "./origins.ts";

export interface Explained {
  path: string[];
  value: unknown;
  /** The first counts; what stood at the others was replaced by it, or merged with it. */
  places: { place: Place; tag: Origin["tag"] }[];
}

/** Every single value at a path or below it. Throws NO_SUCH_KEY where nothing is there. */
export function explainValues(merged: Merged, path: readonly string[]): Explained[] {
  let value = merged.value;
  for (const [index, step] of path.entries()) {
    const known = isHolder(value) ? Object.keys(value) : [];
    if (!isHolder(value) || !Object.hasOwn(value, step)) {
      const at = path.slice(0, index).join(".");
      throw new BayError("NO_SUCH_KEY", `the files say nothing about ${path.join(".")}`, {
        hint:
          known.length > 0 ? `${at || "the stack"} has ${known.join(", ")}` : "it may have been taken away",
      });
    }
    value = value[step];
  }
  return leaves(merged, [...path], value);
}

const isHolder = (value: unknown): value is Record<string, unknown> =>
  isMapping(value) || Array.isArray(value);

function leaves(merged: Merged, path: string[], value: unknown): Explained[] {
  if (isHolder(value) && Object.keys(value).length > 0)
    return Object.entries(value).flatMap(([step, entry]) => leaves(merged, [...path, step], entry));
  const found = merged.origins.find(merged.value, path);
  // of what has no place of its own the nearest that holds it is told
  const places = (found?.origins ?? []).map(({ place, tag }) => ({ place, tag }));
  return [{ path, value, places }];
}

/** `services.web.ports.0`; a part with dots may stand in quotes: `services.web.labels."a.b"`. */
export function readPath(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|'([^']*)'|[^."']+/g)].map(([whole, a, b]) => a ?? b ?? whole);
}
