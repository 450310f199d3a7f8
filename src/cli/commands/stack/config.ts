/** `bay config`: prints the stack in full or in part, normalised or as the files have it. */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import type { Merged } from "../../../stack/files/merge-files.ts";
import type { Stack } from "../../../stack/index.ts";
import type { Context } from "../../context.ts";
import { print, printJson, table } from "../../ui/output.ts";

interface ConfigOptions {
  quiet?: boolean;
  format: string;
  json?: boolean;
  output?: string;
  services?: boolean;
  images?: boolean;
  volumes?: boolean;
  networks?: boolean;
  profiles?: boolean;
  environment?: boolean;
  variables?: boolean;
  interpolate?: boolean;
  resolveImageDigests?: boolean;
  explain?: string;
  hash?: string;
  lockImageDigests?: boolean;
  normalize?: boolean;
  pathResolution?: boolean;
  envResolution?: boolean;
  consistency?: boolean;
}

/** Checks the file and prints the normalised stack; service names select services; `schema` prints the JSON Schema instead. */
export async function config(context: Context, names: string[], options: ConfigOptions): Promise<void> {
  if (names[0] === "schema") {
    const { jsonSchema } = await import("../../../stack/schema/json-schema.ts");
    return printJson(jsonSchema());
  }
  if (options.profiles || options.environment || options.variables || options.explain !== undefined)
    return ofMerged(context, options);
  if (options.interpolate === false) return show(await rawValue(context), options);
  if ([options.normalize, options.pathResolution, options.envResolution, options.consistency].includes(false))
    return asWritten(context, options);
  const stack = await context.stack(names);
  if (names.length > 0) {
    const { serviceOf } = await import("../../../stack/query.ts");
    for (const name of names) serviceOf(stack, name);
  }
  if (names.length > 0)
    stack.services = Object.fromEntries(
      Object.entries(stack.services).filter(([name]) => names.includes(name)),
    );
  if (options.quiet) return;
  if (options.resolveImageDigests || options.lockImageDigests) await pinImages(stack);
  if (options.lockImageDigests) {
    const images = Object.values(stack.services).map(({ name, image }) => [name, { image }]);
    return show({ services: Object.fromEntries(images) }, options);
  }
  if (options.services) return print(Object.keys(stack.services).join("\n"));
  if (options.images)
    return print([...new Set(Object.values(stack.services).map(({ image }) => image))].join("\n"));
  if (options.volumes) return print(Object.keys(stack.volumes).join("\n"));
  if (options.networks) return print(Object.keys(stack.networks).join("\n"));
  const { toCompose } = await import("../../../stack/model/canonical.ts");
  const compose = toCompose(stack);
  if (options.hash !== undefined)
    return printHashes(compose.services as Record<string, unknown>, options.hash);
  return show(compose, options);
}

/** Resolves tags of registry images to digests. Throws the registry's error. */
export async function pinImages(stack: Stack): Promise<void> {
  const { findCredentials, parseReference, web } = await import("../../../image/index.ts");
  await Promise.all(
    Object.values(stack.services).map(async (service) => {
      const { image, build } = service;
      if (build || stack.images[image] || parseReference(image).digest) return;
      const { tag = "latest", ...reference } = parseReference(image);
      const digest = await web.resolveDigest({ ...reference, tag }, findCredentials);
      service.image = `${image.endsWith(`:${tag}`) ? image : `${image}:${tag}`}@${digest}`;
    }),
  );
}

async function show(value: unknown, { json, format, output }: ConfigOptions): Promise<void> {
  const isJson = json || format === "json";
  const { toYaml } = await import("../../ui/yaml.ts");
  const text = isJson ? JSON.stringify(value, null, 2) : toYaml(value);
  if (output === undefined) print(text);
  else writeFileSync(output, text.endsWith("\n") ? text : `${text}\n`);
}

/** A digest of each service's configuration, which changes with it. Throws UNKNOWN_SERVICE. */
async function printHashes(services: Record<string, unknown>, wanted: string): Promise<void> {
  const { nearest } = await import("../../../core/diagnostics.ts");
  const { BayError } = await import("../../../core/errors.ts");
  const names = wanted === "*" ? Object.keys(services) : wanted.split(",");
  for (const name of names) {
    if (Object.hasOwn(services, name)) continue;
    const close = nearest(name, Object.keys(services));
    throw new BayError("UNKNOWN_SERVICE", `the stack has no service ${name}`, {
      ...(close ? { hint: `did you mean ${close}?` } : {}),
    });
  }
  for (const name of names)
    print(`${name} ${createHash("sha256").update(JSON.stringify(services[name])).digest("hex")}`);
}

/** The merged files with variables interpolated, otherwise unchanged. With --no-consistency, they are not checked. */
async function asWritten(context: Context, options: ConfigOptions): Promise<void> {
  if (options.consistency !== false) await context.stack(); // throws if the stack is invalid
  const { readMerged } = await import("../../../stack/files/merge-files.ts");
  const merged = await withoutErrors(
    await context.load(context.loadOptions(), (request) => readMerged(request)),
  );
  if (!options.quiet) await show(merged.value, options);
}

/** The merged files without interpolation. */
async function rawValue(context: Context): Promise<unknown> {
  const { readMerged } = await import("../../../stack/files/merge-files.ts");
  return (
    await withoutErrors(
      await context.load(context.loadOptions(), (request) => readMerged(request, { isRaw: true })),
    )
  ).value;
}

/** Throws `StackError`, also if each file is valid but they cannot be merged. */
async function withoutErrors(merged: Merged): Promise<Merged> {
  if (!merged.diagnostics.some(({ severity }) => severity === "error")) return merged;
  const { StackError } = await import("../../../stack/index.ts");
  throw new StackError(merged.diagnostics, merged.sources);
}

async function ofMerged(context: Context, options: ConfigOptions): Promise<void> {
  const { readMerged } = await import("../../../stack/files/merge-files.ts");
  const merged = await context.load(context.loadOptions(), (request) => readMerged(request));
  if (options.variables) return printVariables(merged, options);
  if (options.environment) return printEnvironment(merged);
  await withoutErrors(merged);
  if (options.profiles) return print(profilesOf(merged.value).join("\n"));
  return printExplained(merged, options.explain!, options);
}

/** Every variable that the files refer to, once for each form of the reference. */
function printVariables({ uses, variables }: Merged, { json, format }: ConfigOptions): void {
  const seen = new Map(uses.map((use) => [JSON.stringify(use), use]));
  const sorted = [...seen.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  if (json || format === "json")
    return printJson(
      sorted.map(({ name, isRequired, otherwise = "", alternate = "" }) => ({
        Name: name,
        Required: isRequired,
        DefaultValue: otherwise,
        PresenceValue: alternate,
        IsSet: variables(name) !== undefined,
      })),
    );
  print(
    table(
      ["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE", "SET"],
      sorted.map(({ name, isRequired, otherwise = "", alternate = "" }) => [
        name,
        isRequired ? "yes" : "no",
        otherwise,
        alternate,
        variables(name) === undefined ? "no" : "yes",
      ]),
    ),
  );
}

/** The values of variables: this process's environment overrides the env files. */
function printEnvironment({ dotenv }: Merged): void {
  const all = new Map<string, string>(dotenv);
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) all.set(name, value);
  for (const name of [...all.keys()].sort()) print(`${name}=${all.get(name)}`);
}

function profilesOf(value: unknown): string[] {
  const services = (value as { services?: Record<string, { profiles?: unknown } | null> }).services ?? {};
  return [...new Set(Object.values(services).flatMap((service) => [service?.profiles ?? []].flat()))]
    .map(String)
    .filter(Boolean)
    .sort();
}

async function printExplained(merged: Merged, text: string, { json, format }: ConfigOptions): Promise<void> {
  const { explainValues, readPath } = await import("../../../stack/explain.ts");
  const told = explainValues(merged, readPath(text));
  if (json || format === "json") return printJson(told);
  for (const { path, value, places } of told) {
    print(`${path.join(".")}: ${value === undefined ? "(removed)" : JSON.stringify(value)}`);
    places.forEach(({ place, tag }, index) => {
      const { file, line, column, length } = place;
      const written = merged.sources
        .get(file)
        ?.split("\n")
        [line - 1]?.slice(column - 1, column - 1 + length);
      const mark = tag ? `!${tag} ` : "";
      print(`  ${index === 0 ? "from" : "over"} ${file}:${line}:${column}  ${mark}${written ?? ""}`);
    });
  }
}
