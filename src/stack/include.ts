/** `include` of a file: other stacks' services, networks and the like, each read in its own folder (Compose specification, 14-include.md). */
import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { BayError } from "../errors.ts";
import { resolveExtends } from "./extend.ts";
import type { FileReader } from "./file-reader.ts";
import { isMapping, mergeValues } from "./merge.ts";
import { rebaseFile } from "./rebase.ts";
import { includeSchema } from "./schema.ts";
import { StackError } from "./stack-error.ts";

type Mapping = Record<string, unknown>;

const SECTIONS = ["services", "networks", "volumes", "secrets", "configs", "images"];

/** A file with what it includes. `directory` is what its paths are relative to; `open` are the files on the way here. */
export function resolveIncludes(
  value: unknown,
  directory: string,
  reader: FileReader,
  open: readonly string[],
): unknown {
  if (!isMapping(value) || value.include === undefined) return value;
  const { include, ...rest } = value;
  const { origins } = reader;
  const whole: Mapping = rest;
  origins.copy(value, whole);
  const bad = (message: string) => {
    const place = origins.of(value, "include")[0]?.place;
    reader.report({
      severity: "error",
      code: "BAD_INCLUDE",
      message: `include: ${message}`,
      ...(place ? { place } : {}),
    });
  };
  const parsed = includeSchema.safeParse(include);
  if (!parsed.success) {
    bad("expected a list of files, or of mappings with path, project_directory and env_file");
    return whole;
  }
  const includeOne = (given: z.infer<typeof includeSchema>[number] & object) => {
    const paths = [given.path].flat().map((path) => resolve(directory, path));
    const circle = paths.find((path) => open.includes(path));
    if (circle) {
      bad(`the files include each other in a circle: ${circle}`);
      return;
    }
    const home =
      given.project_directory === undefined
        ? dirname(paths[0]!)
        : resolve(directory, given.project_directory);
    const envFiles =
      given.env_file === undefined
        ? undefined
        : [given.env_file].flat().map((path) => resolve(directory, path));
    const inner = reader.in(home, envFiles);
    const included = paths
      .map((path) => {
        const file = inner.read(path);
        if (file === undefined) bad(`there is no file ${path}`);
        return resolveIncludes(resolveExtends(file, path, inner), home, inner, [...open, path]);
      })
      .reduce((base, over) => mergeValues(base, over ?? {}, origins), {});
    if (isMapping(included)) {
      rebaseFile(included, home);
      bring(included, whole, reader, bad);
    }
  };
  for (const entry of parsed.data) {
    try {
      includeOne(typeof entry === "string" ? { path: entry } : entry);
    } catch (error) {
      // an env file that is not there, a folder instead of a file
      if (!(error instanceof BayError) || error instanceof StackError) throw error;
      bad(error.message);
    }
  }
  return whole;
}

/** What is included must not be there yet, but for the very same. */
function bring(
  included: Mapping,
  whole: Mapping,
  { origins }: FileReader,
  bad: (message: string) => void,
): void {
  for (const section of SECTIONS) {
    const [from, known] = [included[section], whole[section]];
    if (!isMapping(from)) continue;
    const merged: Mapping = isMapping(known) ? { ...known } : {};
    origins.copy(from, merged);
    origins.copy(known, merged);
    for (const [name, value] of Object.entries(from)) {
      if (Object.hasOwn(merged, name) && JSON.stringify(merged[name]) !== JSON.stringify(value))
        bad(`${section}.${name} is in the file and in what it includes`);
      else merged[name] = value;
    }
    whole[section] = merged;
  }
}
