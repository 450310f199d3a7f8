/** Checking a merged stack against the schema, and turning what zod finds into problems with a place. */
import type { z } from "zod";
import type { Diagnostic } from "./diagnostics.ts";
import { nearest } from "./diagnostics.ts";
import { type FileInput, fileSchema } from "./schema.ts";
import { isUnsupported } from "./unsupported.ts";

type Path = readonly (string | number)[];
export type ReportAt = (path: Path, diagnostic: Omit<Diagnostic, "place">, atKey?: boolean) => void;

/** The checked input, or undefined where there are errors; all of them are reported. */
export function checkInput(value: unknown, report: ReportAt): FileInput | undefined {
  const cleaned = withoutExtensions(value, 0);
  const result = fileSchema.safeParse(cleaned);
  if (result.success) return result.data;
  for (const issue of result.error.issues) reportIssue(issue, [], cleaned, report);
  return undefined;
}

/** Leaves out `x-` keys, which are the user's own, wherever the schema has mappings with fixed keys. */
function withoutExtensions(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null || depth > 8) return value;
  if (Array.isArray(value)) return value.map((entry) => withoutExtensions(entry, depth + 1));
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !(key.startsWith("x-") && depth !== 1))
      .map(([key, entry]) => [key, withoutExtensions(entry, depth + 1)]),
  );
}

type Issue = z.core.$ZodIssue;

function reportIssue(issue: Issue, base: Path, root: unknown, report: ReportAt): void {
  const path = [...base, ...(issue.path as (string | number)[])];
  if (issue.code === "unrecognized_keys") {
    for (const key of issue.keys) reportKey([...path, key], report);
    return;
  }
  if (issue.code === "invalid_union") {
    // the branch that fits the value's own type says best what is wrong
    const value = valueAt(root, path);
    const branch = issue.errors.find(
      (issues) =>
        issues.length > 0 &&
        issues.every((inner) => inner.path.length > 0 || inner.code === "unrecognized_keys"),
    );
    if (branch && typeof value === "object" && value !== null) {
      for (const inner of branch) reportIssue(inner, path, root, report);
      return;
    }
  }
  if (issue.code === "invalid_key") {
    report(
      path,
      {
        severity: "error",
        code: "BAD_NAME",
        message: `${JSON.stringify(String(path.at(-1)))} is no name for ${path[0]}`,
        hint: "use letters, digits, and _ . -",
      },
      true,
    );
    return;
  }
  const where = path.length > 0 ? path.join(".") : "the file";
  report(path, {
    severity: "error",
    code: "BAD_VALUE",
    message: `${where}: ${sentence(issue, valueAt(root, path))}`,
  });
}

function sentence(issue: Issue, value: unknown): string {
  const got =
    value === null
      ? "nothing"
      : Array.isArray(value)
        ? "a list"
        : typeof value === "object"
          ? "a mapping"
          : JSON.stringify(value);
  if (issue.code === "invalid_type") return `expected ${article(issue.expected)}, got ${got}`;
  if (issue.code === "invalid_value")
    return `expected one of ${issue.values.map(String).join(", ")}, got ${got}`;
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
  if (isUnsupported(parent, key)) {
    report(
      path,
      { severity: "error", code: "UNSUPPORTED_KEY", message: `${path.join(".")} is not supported yet` },
      true,
    );
    return;
  }
  const known = knownKeys(parent);
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
function knownKeys(path: readonly string[]): string[] {
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

function childSchema(schema: unknown, step: string): unknown {
  const like = schema as ZodLike | undefined;
  if (!like) return undefined;
  if (like.shape) return like.shape[step];
  if (like.valueType) return like.valueType;
  if (like.element) return like.element;
  if (like.options) return like.options.map((option) => childSchema(option, step)).find(Boolean);
  return like.unwrap ? childSchema(like.unwrap(), step) : undefined;
}

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) => (value as Record<string, unknown> | undefined)?.[step as string],
    root,
  );
}
