/** Checking a merged stack against the schema, and turning what zod finds into problems with a place. */
import type { z } from "zod";
import { type Diagnostic, nearest, type SourcePosition } from "../../core/diagnostics.ts";
import { isMapping } from "../files/merge.ts";
import { type FileInput, fileSchema } from "../schema/schema.ts";
import { whyUnsupported } from "../schema/unsupported.ts";
import { nearTo, withoutPaths } from "./gaps.ts";

type Path = readonly (string | number)[];
/** Returns the place in the file, if there is one. */
export type ReportAt = (
  path: Path,
  diagnostic: Omit<Diagnostic, "place">,
  atKey?: boolean,
  // biome-ignore lint/suspicious/noConfusingVoidType: most readers need no place
) => SourcePosition | undefined | void;

/**
 * The checked input; invalid parts are reported and left out, so that the rest can be checked further and all
 * problems are shown at once. `leftOut` has the paths of the parts that were left out: a problem near one of them may
 * be a consequence of the gap.
 */
export function checkInput(value: unknown, report: ReportAt): { input: FileInput; leftOut: Path[] } {
  const cleaned = withoutExtensions(value, fileSchema);
  const leftOut: Path[] = [];
  let rest = cleaned;
  const told = new Set<string>();
  const once: ReportAt = (path, diagnostic, atKey) => {
    const key = JSON.stringify([path, diagnostic.code]);
    if (!told.has(key)) report(path, diagnostic, atKey);
    told.add(key);
  };
  // each round removes something, so the loop ends; the bound is for a schema that cannot be satisfied
  for (let round = 0; ; round++) {
    const result = fileSchema.safeParse(rest);
    if (result.success) return { input: result.data, leftOut };
    const isNear = nearTo(leftOut);
    const reportNew: ReportAt = (path, diagnostic, atKey) => {
      if (!isNear(path)) once(path, diagnostic, atKey);
    };
    const wrong = rest;
    const gaps = result.error.issues
      .flatMap((issue) => reportIssue(issue, [], wrong, reportNew))
      .map((path) => deepestPart(wrong, path));
    for (const gap of gaps) leftOut.push(gap);
    if (round > 20) return { input: {}, leftOut: [[]] };
    rest = withoutPaths(rest, gaps);
    // an invalid value that should be a mapping, such as a service, keeps its name, because others refer to it
    for (const gap of gaps.filter((path) => path.length === 2 && !isMapping(valueAt(wrong, path)))) {
      const section = (rest as Record<string, Record<string, unknown>>)[String(gap[0])];
      if (section) section[String(gap[1])] = {};
    }
  }
}

/** A path without its last part if that is missing: a mapping that lacks a key is invalid as a whole. */
function deepestPart(value: unknown, path: Path): Path {
  const isThere = (part: Path) => {
    const parent = valueAt(value, part.slice(0, -1));
    return typeof parent === "object" && parent !== null && part.at(-1)! in parent;
  };
  let part = path;
  while (part.length > 0 && !isThere(part)) part = part.slice(0, -1);
  return part;
}

/** True if a whole section of names is missing, so that references to them cannot be checked. */
export function lacksNames(leftOut: readonly Path[]): boolean {
  return leftOut.some(
    (path) =>
      path.length === 0 ||
      (path.length === 1 && ["services", "networks", "volumes", "images"].includes(String(path[0]))),
  );
}

/**
 * Removes `x-` keys, which belong to the user, from mappings whose keys the schema fixes; the names of labels, variables
 * and networks may begin so. Keys such as x-bay are in the schema.
 */
function withoutExtensions(value: unknown, schema: unknown): unknown {
  if (typeof value !== "object" || value === null || schema === undefined) return value;
  if (Array.isArray(value)) return value.map((entry) => withoutExtensions(entry, childSchema(schema, 0)));
  const shape = objectShape(schema);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !shape || !key.startsWith("x-") || Object.hasOwn(shape, key))
      .map(([key, entry]) => [key, withoutExtensions(entry, childSchema(schema, key))]),
  );
}

const HOSTS = ["hosts", "x-bay-hosts"];

type Issue = z.core.$ZodIssue;

/** Reports one issue; returns the paths that it is about. */
function reportIssue(issue: Issue, base: Path, root: unknown, report: ReportAt): Path[] {
  const path = [...base, ...(issue.path as (string | number)[])];
  if (issue.code === "unrecognized_keys") {
    const keys = issue.keys.map((key) => [...path, key]);
    for (const key of keys) reportKey(key, report);
    return keys;
  }
  if (issue.code === "invalid_union") {
    // the branch that fits the value's type has the most useful error
    const value = valueAt(root, path);
    const branch = issue.errors.find(
      (issues) =>
        issues.length > 0 &&
        issues.every((inner) => inner.path.length > 0 || inner.code === "unrecognized_keys"),
    );
    if (branch && typeof value === "object" && value !== null) {
      return branch.flatMap((inner) => reportIssue(inner, path, root, report));
    }
  }
  if (issue.code === "invalid_key") {
    report(
      path,
      {
        severity: "error",
        code: "BAD_NAME",
        message: `${JSON.stringify(String(path.at(-1)))} is not a valid name under ${path[0]}`,
        hint: HOSTS.includes(String(path[0]))
          ? "use at most 63 lower case letters, digits and hyphens, with a letter or digit at both ends"
          : "use letters, digits, and _ . -",
      },
      true,
    );
    return [path];
  }
  const where = path.length > 0 ? path.join(".") : "the file";
  report(path, {
    severity: "error",
    code: "BAD_VALUE",
    message: `${where}: ${sentence(issue, valueAt(root, path))}`,
  });
  return [path];
}

function sentence(issue: Issue, value: unknown): string {
  const got =
    value === null || value === undefined
      ? "nothing"
      : Array.isArray(value)
        ? "a list"
        : typeof value === "object"
          ? "a mapping"
          : JSON.stringify(value);
  if (issue.code === "invalid_type") return `expected ${article(issue.expected)}, got ${got}`;
  if (issue.code === "invalid_value")
    return `expected one of ${issue.values.map(String).join(", ")}, got ${got}`;
  if (issue.code === "invalid_union" && issue.message === "Invalid input") {
    const types = issue.errors.flatMap((errors) =>
      errors.flatMap((inner) => (inner.code === "invalid_type" ? [article(inner.expected)] : [])),
    );
    return `expected ${[...new Set(types)].join(" or ")}, got ${got}`;
  }
  return issue.message.startsWith("expected") ? `${issue.message}, got ${got}` : issue.message;
}

function article(type: string): string {
  const names: Record<string, string> = {
    object: "a mapping",
    record: "a mapping",
    array: "a list",
    int: "a whole number",
  };
  return names[type] ?? `a ${type}`;
}

function reportKey(path: Path, report: ReportAt): void {
  const key = String(path.at(-1));
  const parent = path.slice(0, -1).map(String);
  const where = parent.length > 0 ? ` in ${parent.join(".")}` : "";
  const why = whyUnsupported(parent, key);
  if (why !== undefined) {
    const message = `${path.join(".")} is not supported: ${why}`;
    report(path, { severity: "error", code: "UNSUPPORTED_KEY", message }, true);
    return;
  }
  const known = knownKeys(path.slice(0, -1));
  const near = nearest(key, known);
  report(
    path,
    {
      severity: "error",
      code: "UNKNOWN_KEY",
      message: `unknown key ${JSON.stringify(key)}${where}`,
      ...(near ? { hint: `did you mean ${near}?` } : {}),
    },
    true,
  );
}

/** The keys that the schema has at a path. */
function knownKeys(path: Path): string[] {
  let schema: unknown = fileSchema;
  for (const step of path) schema = childSchema(schema, step);
  const shape = objectShape(schema);
  return shape ? Object.keys(shape) : [];
}

interface ZodLike {
  shape?: Record<string, unknown>;
  valueType?: unknown;
  element?: unknown;
  options?: unknown[];
  unwrap?: () => unknown;
}

function objectShape(schema: unknown): Record<string, unknown> | undefined {
  const like = schema as ZodLike | undefined;
  if (!like) return undefined;
  if (like.shape) return like.shape;
  if (like.options) return like.options.map(objectShape).find(Boolean);
  return like.unwrap && !like.element ? objectShape(like.unwrap()) : undefined;
}

/** The schema of a key, or of an entry of a list, which has a number. */
function childSchema(schema: unknown, step: string | number): unknown {
  const like = schema as ZodLike | undefined;
  if (!like) return undefined;
  if (like.element) return typeof step === "number" ? like.element : undefined;
  if (typeof step === "string" && like.shape) return like.shape[step];
  if (typeof step === "string" && like.valueType) return like.valueType;
  if (like.options) return like.options.map((option) => childSchema(option, step)).find(Boolean);
  return like.unwrap ? childSchema(like.unwrap(), step) : undefined;
}

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) => (value as Record<string, unknown> | undefined)?.[step as string],
    root,
  );
}
