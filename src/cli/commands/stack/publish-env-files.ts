/** Env files of a stack file that is published: their paths in its text are replaced, and the rest is left as it is written. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { isMap, isScalar, isSeq, parseAllDocuments, type Scalar } from "yaml";
import { messageOf } from "../../../core/errors.ts";
import {
  interpolate,
  isMapping,
  isWithin,
  Origins,
  SourceFile,
  type Variables,
} from "../../../stack/index.ts";

export interface PublishedEnvFiles {
  /** The text of the stack file. */
  text: string;
  /** The contents by their new names. */
  files: Map<string, Buffer>;
  /** What cannot be published. */
  problems: string[];
}

/** `directory` is the base of the paths. A file with `required: false` that does not exist stays as it is written. */
export function withEnvFiles(text: string, directory: string, variables: Variables): PublishedEnvFiles {
  const files = new Map<string, Buffer>();
  const problems: string[] = [];
  const kept = new Set<string>();
  const replace = (at: string, written: string, isRequired: boolean): string => {
    const name = interpolate(written, variables, ({ message }) => problems.push(`${at}: ${message}`));
    const path = resolve(directory, name);
    if (!isRequired && !existsSync(path)) {
      if (!isWithin(directory, path))
        problems.push(
          `${at}: ${name} is outside of the published files, and does not exist: remove the entry`,
        );
      kept.add(written);
      return written;
    }
    try {
      const bytes = readFileSync(path);
      const own = `${createHash("sha256").update(bytes).digest("hex")}.env`;
      files.set(own, bytes);
      return own;
    } catch (error) {
      problems.push(`${at}: the env file ${name} cannot be read: ${messageOf(error)}`);
      kept.add(written);
      return written;
    }
  };
  const changed = replaced(text, replace);
  // paths by aliases and merged mappings have no text of their own in the service
  const value = new SourceFile("", changed, () => {}).toValue(new Origins());
  for (const [at, path] of envFilesOf(value))
    if (!files.has(path) && !kept.has(path))
      problems.push(`${at}: ${path} is written by an alias, and cannot be replaced: write the path itself`);
  return { text: changed, files, problems };
}

function replaced(text: string, replace: (at: string, path: string, isRequired: boolean) => string): string {
  const changes: { start: number; end: number; to: string }[] = [];
  for (const document of parseAllDocuments(text)) {
    const services = "contents" in document ? document.get("services") : undefined;
    if (!isMap(services)) continue;
    for (const { key, value: service } of services.items) {
      const at = `services.${isScalar(key) ? key.value : key}.env_file`;
      const given = isMap(service) ? service.get("env_file", true) : undefined;
      for (const entry of isSeq(given) ? given.items : [given]) {
        const node = isMap(entry) ? entry.get("path", true) : entry;
        if (!isScalar(node) || typeof node.value !== "string") continue;
        const isRequired = !isMap(entry) || !/^false$/i.test(String(entry.get("required")));
        const [start, end] = (node as Scalar).range!;
        const to = replace(at, node.value, isRequired);
        if (to !== node.value) changes.push({ start, end, to: JSON.stringify(to) });
      }
    }
  }
  return changes
    .sort((a, b) => b.start - a.start)
    .reduce((all, { start, end, to }) => all.slice(0, start) + to + all.slice(end), text);
}

/** The paths of a file's services, with their places. */
function envFilesOf(value: unknown): [at: string, path: string][] {
  const services = isMapping(value) && isMapping(value.services) ? value.services : {};
  return Object.entries(services).flatMap(([name, service]) =>
    (isMapping(service) ? [service.env_file ?? []].flat() : []).map((entry): [string, string] => [
      `services.${name}.env_file`,
      String(isMapping(entry) ? entry.path : entry),
    ]),
  );
}
