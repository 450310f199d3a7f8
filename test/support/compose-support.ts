/** What bay does with each property of the Compose specification, found by loading files that have it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { Diagnostic } from "../../src/core/diagnostics.ts";
import { StackError } from "../../src/stack/index.ts";
import { FILES, SAMPLES } from "./compose-samples.ts";
import { loadText } from "./stack.ts";

export interface Support {
  /** services.*.ports.[].target */
  property: string;
  what: "works" | "has no effect" | "is refused";
  why: string;
}

interface SchemaNode {
  $ref?: string;
  properties?: Record<string, SchemaNode>;
  patternProperties?: Record<string, SchemaNode>;
  additionalProperties?: SchemaNode | boolean;
  items?: SchemaNode;
  oneOf?: SchemaNode[];
  anyOf?: SchemaNode[];
  allOf?: SchemaNode[];
}

/** Every property of the specification, in its order; those below a definition that repeats are there once. */
export function specifiedProperties(folder: string): string[] {
  const schema = JSON.parse(readFileSync(join(folder, "compose-spec.json"), "utf8")) as SchemaNode & {
    definitions: Record<string, SchemaNode>;
  };
  const found = new Set<string>();
  const walk = (node: SchemaNode, path: string[], seen: ReadonlySet<string>): void => {
    const name = node.$ref?.split("/").at(-1);
    if (name !== undefined) {
      if (!seen.has(name)) walk(schema.definitions[name]!, path, new Set([...seen, name]));
      return;
    }
    for (const inner of [...(node.oneOf ?? []), ...(node.anyOf ?? []), ...(node.allOf ?? [])])
      walk(inner, path, seen);
    for (const [key, inner] of Object.entries(node.properties ?? {})) {
      found.add([...path, key].join("."));
      walk(inner, [...path, key], seen);
    }
    for (const [pattern, inner] of Object.entries(node.patternProperties ?? {}))
      if (!pattern.startsWith("^x-")) walk(inner, [...path, "*"], seen);
    if (typeof node.additionalProperties === "object") walk(node.additionalProperties, [...path, "*"], seen);
    if (node.items) walk(node.items, [...path, "[]"], seen);
  };
  walk(schema, [], new Set());
  return [...found];
}

/** One row a property that a sample has. */
export function supportOf(properties: readonly string[]): Map<string, Support> {
  const rows = new Map<string, Support>();
  for (const sample of SAMPLES) {
    const diagnostics = problems(sample);
    for (const [property, path] of propertiesIn(parse(sample), properties)) {
      if (rows.has(property)) continue;
      rows.set(property, { property, ...judge(path, diagnostics) });
    }
  }
  return rows;
}

/** Errors of samples that are not about a property: what they keep from being looked at would seem to work. */
export function strayErrors(properties: readonly string[]): string[] {
  return SAMPLES.flatMap((sample) => {
    const paths = propertiesIn(parse(sample), properties).map(([, path]) => path);
    return problems(sample).flatMap((diagnostic) =>
      diagnostic.severity === "warning" ||
      paths.some((path) => judge(path, [diagnostic]).what === "is refused")
        ? []
        : [diagnostic.message],
    );
  });
}

function problems(sample: string): readonly Diagnostic[] {
  try {
    return loadText(sample, { environment: { WORD: "word" }, extra: FILES, profiles: ["*"] }).warnings;
  } catch (error) {
    if (error instanceof StackError) return error.diagnostics;
    throw error;
  }
}

/** Properties of the specification that a value has, each with its place. */
function propertiesIn(value: unknown, properties: readonly string[]): [string, string][] {
  const known = new Set(properties);
  const found: [string, string][] = [];
  const visit = (part: unknown, property: string[], path: string[]): void => {
    if (known.has(property.join("."))) found.push([property.join("."), path.join(".")]);
    if (Array.isArray(part))
      for (const [index, inner] of part.entries())
        visit(inner, [...property, "[]"], [...path, String(index)]);
    else if (typeof part === "object" && part !== null)
      for (const [key, inner] of Object.entries(part)) {
        const named = [...property, key];
        const prefix = `${named.join(".")}`;
        const isKey = properties.some((each) => each === prefix || each.startsWith(`${prefix}.`));
        visit(inner, isKey ? named : [...property, "*"], [...path, key]);
      }
  };
  visit(value, [], []);
  return found;
}

/** A property is refused with what it is in. */
function judge(path: string, diagnostics: readonly Diagnostic[]): Pick<Support, "what" | "why"> {
  for (const { severity, message } of diagnostics) {
    const at = /^(\S+?):? (is not supported|has no effect)?:? ?(.*)$/s.exec(message.split("\n")[0]!);
    const where = at?.[1]?.replace(/:$/, "") ?? "";
    if (where === "" || !(path === where || path.startsWith(`${where}.`))) continue;
    if (severity === "warning" && at?.[2] === "has no effect") return { what: "has no effect", why: at[3]! };
    // the file is read, and the service cannot run
    if (message.endsWith("bay plan and bay up reject this service"))
      return { what: "is refused", why: message.split("\n")[0]!.replace(/^\S+: /, "") };
    if (severity === "error") return { what: "is refused", why: at?.[3] ?? message };
  }
  return { what: "works", why: "" };
}

/** docs/compose-support.md */
export function supportPage(rows: readonly Support[]): string {
  const count = (what: Support["what"]) => rows.filter((row) => row.what === what).length;
  const lines = rows.map(
    ({ property, what, why }) =>
      `| \`${property.replaceAll(".[]", "[]")}\` | ${what}${why ? `: ${why.replaceAll("|", "\\|")}` : ""} |`,
  );
  return `# The Compose specification, property by property

Generated by \`npm run support\`, which loads files with each property. Of ${rows.length} properties ${count("works")} work,
${count("has no effect")} are accepted and have no effect (with a warning), and ${count("is refused")} cause an error that names them.
A value that bay does not support, such as an unknown driver, is a separate error.

| property | what bay does |
|---|---|
${lines.join("\n")}
`;
}
