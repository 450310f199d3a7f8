/** Compares an image that bay created with its current definition and input files. */
import { lstatSync } from "node:fs";
import { isAbsolute, relative, resolve } from "node:path";
import type { ImageRecord } from "../store/image-records.ts";
import type { ImageSource } from "./source.ts";

/** What is recorded when an image is created. */
export function madeFrom(source: ImageSource, inputs: readonly string[]): NonNullable<ImageRecord["made"]> {
  return {
    definition: definitionOf(source),
    base: source.base,
    inputs: inputs.map((path) => stateOf(movable(path, source.base), source.base)),
  };
}

/** Why an image must be created again; undefined if it is up to date. */
export function staleReason({ made }: ImageRecord, source: ImageSource): string | undefined {
  // the stack may have moved with its files, or another stack may refer to the same files
  const base = [source.base, made?.base].find(
    (folder) => folder !== undefined && made?.definition === definitionOf({ ...source, base: folder }),
  );
  if (!made || base === undefined) return "its definition changed";
  const changed = made.inputs.find(([path, size, mtimeMs]) => {
    const [, nowSize, nowTime] = stateOf(path, base);
    return nowSize !== size || nowTime !== mtimeMs;
  });
  return changed && `${changed[0]} changed`;
}

/** A definition without its directory: a moved stack is still the same stack. */
function definitionOf(source: ImageSource): string {
  const own = "path" in source ? { ...source, path: movable(source.path, source.base) } : source;
  return JSON.stringify({ ...own, base: "" });
}

/** A path below the stack's folder, relative to it. */
function movable(path: string, base: string): string {
  const inside = relative(base, path);
  return inside.startsWith("..") || isAbsolute(inside) ? path : inside;
}

function stateOf(path: string, base: string): [path: string, size: number, mtimeMs: number] {
  const stat = lstatSync(resolve(base, path), { throwIfNoEntry: false });
  // whole milliseconds: copying tools keep no more
  return [path, stat?.isDirectory() ? 0 : (stat?.size ?? -1), Math.round(stat?.mtimeMs ?? 0)];
}
