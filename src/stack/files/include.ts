/** `include` of a file: other stacks' services, networks and the like, each read in its own folder (Compose specification, 14-include.md). */
import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { nearest } from "../../core/diagnostics.ts";
import { BayError, messageOf } from "../../core/errors.ts";
import { withoutPasswords } from "../../core/redaction.ts";
import { includedSchema } from "../schema/include.ts";
import { StackError } from "../stack-error.ts";
import { resolveExtends } from "./extend.ts";
import type { FileReader } from "./file-reader.ts";
import { HOSTS, hostsByName, isMapping, mergeValues } from "./merge.ts";
import type { Origin } from "./origins.ts";
import { rebaseFile } from "./rebase.ts";
import { isOnServer, isRemote, isWithin, rootOf } from "./remote.ts";

type Mapping = Record<string, unknown>;

const SECTIONS = ["services", "networks", "volumes", "secrets", "configs", "images", ...HOSTS];

/** A file with what it includes. `directory` is the base of its relative paths; `open` are the files that led here. */
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
  const report = (message: string, index?: number, hint?: string) => {
    const [own] = index === undefined ? [] : origins.of(include as object, index);
    const place = (own ?? origins.of(value, "include")[0])?.place;
    reader.report({
      severity: "error",
      code: "BAD_INCLUDE",
      message: `include: ${message}`,
      ...(hint ? { hint } : {}),
      ...(place ? { place } : {}),
    });
  };
  if (!Array.isArray(include)) {
    report("expected a list of files, or of mappings with path, project_directory and env_file");
    return whole;
  }
  const includeOne = (
    given: z.infer<typeof includedSchema> & object,
    originsOf: (path: number) => readonly Origin[],
    bad: (message: string) => void,
  ) => {
    const named = [given.path].flat();
    const { remote } = reader.shared;
    const root = rootOf(remote, open.at(-1)!);
    // whoever wrote a fetched file chooses the server that its address is sent to, and must not choose files of this host
    const refused = root === undefined ? undefined : foreignAddressProblem(named, originsOf);
    if (refused) return bad(refused);
    const unfetched = named.filter((path) => isRemote(path) && !remote.remotes?.[path]);
    if (unfetched.length > 0) {
      if (!remote.onRemote)
        return bad(
          `${withoutPasswords(unfetched[0]!)} is not a local file, and remote files are not fetched here`,
        );
      for (const path of unfetched) remote.onRemote(path, root !== undefined);
      return;
    }
    const paths = named.map((path) => remote.remotes?.[path]?.file ?? resolve(directory, path));
    const others = [given.project_directory ?? [], given.env_file ?? []].flat();
    const left =
      root !== undefined &&
      [...named.filter((path) => !isRemote(path)), ...others].find(
        (path) => !isWithin(root, resolve(directory, path)),
      );
    if (left) return bad(`${left} is outside of the fetched files`);
    const circle = paths.find((path) => open.includes(path));
    if (circle) {
      bad(`circular include: ${circle}`);
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
        if (file === undefined && !inner.isBroken(path)) bad(`the file ${path} does not exist`);
        return resolveIncludes(resolveExtends(file, path, inner), home, inner, [...open, path]);
      })
      .reduce((base, over) => mergeValues(base, over ?? {}, origins), {});
    if (isMapping(included)) {
      rebaseFile(included, home);
      bring(included, whole, reader, bad);
    }
  };
  for (const [index, entry] of include.entries()) {
    const bad = (message: string) => report(message, index);
    const parsed = includedSchema.safeParse(entry);
    if (!parsed.success) {
      const { message, hint } = whatIsWrong(entry);
      report(message, index, hint);
      continue;
    }
    try {
      if (typeof parsed.data === "string")
        includeOne({ path: parsed.data }, () => origins.of(include, index), bad);
      else
        includeOne(
          parsed.data,
          (path) => {
            const { path: written } = entry as Mapping;
            return Array.isArray(written) ? origins.of(written, path) : origins.of(entry, "path");
          },
          bad,
        );
    } catch (error) {
      // the env file does not exist, or is a directory
      if (!(error instanceof BayError) || error instanceof StackError) throw error;
      bad(messageOf(error));
    }
  }
  return whole;
}

/** Why a fetched file may not include one of the addresses; undefined if it may. */
function foreignAddressProblem(
  named: readonly string[],
  originsOf: (path: number) => readonly Origin[],
): string | undefined {
  for (const [index, path] of named.entries()) {
    if (!isRemote(path)) continue;
    if (!isOnServer(path)) return `${path} is a repository of this host, which a fetched file cannot include`;
    // the value is not shown: it can be a secret
    const [origin] = originsOf(index);
    if (!origin || origin.isInterpolated)
      return "an address in a fetched file cannot contain variables, because their values would be sent to the server";
  }
  return undefined;
}

const KEYS = ["path", "project_directory", "env_file"];

function whatIsWrong(entry: unknown): { message: string; hint?: string } {
  const strange = isMapping(entry) ? Object.keys(entry).find((key) => !KEYS.includes(key)) : undefined;
  const close = strange && nearest(strange, KEYS);
  if (strange)
    return { message: `unknown key ${strange}`, ...(close ? { hint: `did you mean ${close}?` } : {}) };
  return { message: "expected a file, or a mapping with path, project_directory and env_file" };
}

/** An included name must not be defined already, unless both definitions are identical. */
function bring(
  included: Mapping,
  whole: Mapping,
  { origins }: FileReader,
  bad: (message: string) => void,
): void {
  for (const section of SECTIONS) {
    const isOfHosts = HOSTS.has(section);
    const named = (value: unknown) => (isOfHosts ? hostsByName(value, origins) : value);
    const [from, known] = [named(included[section]), named(whole[section])];
    if (isOfHosts && from === "all") {
      if (known === undefined) whole[section] = from;
      else if (known !== from) bad(`${section} is declared both in the file and in a file that it includes`);
    }
    if (!isMapping(from)) continue;
    if (isOfHosts && typeof known === "string") {
      bad(`${section} is declared both in the file and in a file that it includes`);
      continue;
    }
    const merged: Mapping = isMapping(known) ? { ...known } : {};
    origins.copy(from, merged);
    origins.copy(known, merged);
    for (const [name, value] of Object.entries(from)) {
      if (Object.hasOwn(merged, name) && JSON.stringify(merged[name]) !== JSON.stringify(value))
        bad(`${section}.${name} is declared both in the file and in a file that it includes`);
      else merged[name] = value;
    }
    whole[section] = merged;
  }
}
