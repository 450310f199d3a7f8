/** `--cache-from` and `--cache-to`, and Compose's cache_from and cache_to: comma-separated KEY=VALUE, or a reference alone. */
import { resolve } from "node:path";
import { csvFields } from "../../core/csv.ts";
import { nearest } from "../../core/diagnostics.ts";
import { BayError } from "../../core/errors.ts";

/** Where steps are imported from. */
export type CacheSource = { kind: "registry"; reference: string } | { kind: "local"; path: string };

/** Where steps are exported to. */
export type CacheTarget = (CacheSource | { kind: "inline" }) & {
  /** Only the steps of the image, or those of all stages too. */
  mode: "min" | "max";
  /** A failure is reported and does not fail the build. */
  ignoreError: boolean;
};

const KEYS = {
  from: ["type", "ref", "src"],
  to: ["type", "ref", "dest", "mode", "ignore-error", "oci-mediatypes", "image-manifest", "compression"],
};
const KNOWN_ELSEWHERE = ["gha", "s3", "azblob"];

type Bad = (message: string, hint?: string) => BayError;

/** Parses an import; paths are relative to `directory`. Throws BAD_OPTION. */
export function readCacheSource(text: string, directory: string): CacheSource {
  const { fields, bad } = fieldsOf(text, "from");
  const source = placeOf(fields, fields.get("src"), "src", directory, bad);
  if (source.kind === "inline")
    throw bad("an inline cache is imported with type=registry", "type=registry,ref=IMAGE");
  return source;
}

/** Parses an export. Throws BAD_OPTION. */
export function readCacheTarget(text: string, directory: string): CacheTarget {
  const { fields, bad } = fieldsOf(text, "to");
  const place = placeOf(fields, fields.get("dest"), "dest", directory, bad);
  const mode = fields.get("mode") ?? "min";
  if (mode !== "min" && mode !== "max") throw bad(`mode: expected min or max, got ${mode}`);
  if (place.kind === "inline" && mode === "max")
    throw bad("an inline cache holds the steps of the image only", "mode=min");
  const compression = fields.get("compression") ?? "uncompressed";
  if (compression !== "uncompressed")
    throw bad(`compression=${compression} is not supported; use uncompressed`);
  for (const key of ["oci-mediatypes", "image-manifest"])
    if (fields.get(key) === "false") throw bad(`${key}=false is not supported`);
  return { ...place, mode, ignoreError: fields.get("ignore-error") === "true" };
}

function fieldsOf(text: string, way: "from" | "to"): { fields: Map<string, string>; bad: Bad } {
  const bad: Bad = (message, hint) =>
    new BayError("BAD_OPTION", `cache ${way} ${JSON.stringify(text)}: ${message}`, hint ? { hint } : {});
  if (!text.includes("="))
    return {
      fields: new Map([
        ["type", "registry"],
        ["ref", text],
      ]),
      bad,
    };
  const fields = new Map<string, string>();
  for (const field of csvFields(text)) {
    const [key = "", value] = field.split(/=(.*)/s);
    if (value === undefined) throw bad(`${JSON.stringify(field)} has no value`);
    if (!KEYS[way].includes(key)) {
      const close = nearest(key, KEYS[way]);
      throw bad(
        `unknown key ${JSON.stringify(key)}`,
        close ? `did you mean ${close}?` : `expected one of ${KEYS[way].join(", ")}`,
      );
    }
    fields.set(key, value);
  }
  return { fields, bad };
}

function placeOf(
  fields: ReadonlyMap<string, string>,
  path: string | undefined,
  key: string,
  directory: string,
  bad: Bad,
): CacheSource | { kind: "inline" } {
  const type = fields.get("type");
  const reference = fields.get("ref");
  if (type === "registry") {
    if (!reference) throw bad("type=registry needs a ref", "type=registry,ref=HOST/NAME:TAG");
    return { kind: "registry", reference };
  }
  if (type === "local") {
    if (!path) throw bad(`type=local needs a ${key}`, `type=local,${key}=FOLDER`);
    return { kind: "local", path: resolve(directory, path) };
  }
  if (type === "inline") return { kind: "inline" };
  if (type !== undefined && KNOWN_ELSEWHERE.includes(type))
    throw bad(`type=${type} is not supported; use registry, local or inline`);
  throw bad(
    type === undefined ? "the type is missing" : `unknown type ${JSON.stringify(type)}`,
    "expected registry, local or inline",
  );
}
