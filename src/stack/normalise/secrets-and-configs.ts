/** Secrets and configs: their content, and their targets in services (Compose specification, 08-configs.md, 09-secrets.md). */

import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { posix, resolve } from "node:path";
import { LIMITS } from "../../core/limits.ts";
import { type GivenContents, readGivenFile } from "../files/given-contents.ts";
import type { GivenContent, ServiceFile } from "../model/stack.ts";
import type { FileInput } from "../schema/schema.ts";
import { type ServiceContext, type ServiceReader, truth } from "./service-reader.ts";

type Kind = ServiceFile["kind"];
type Input = NonNullable<FileInput["configs"]>[string];

/** Docker's limit for configs; its limit for secrets is half of it. */
const MAX_SIZE = LIMITS.stack.givenBytes;
const DEFAULT_MODE = 0o444;

const digestOf = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex");

/** A top-level secret or config. Problems are reported; the result is used only if there are none. */
export function readGiven(kind: Kind, name: string, input: Input, context: ServiceContext): GivenContent {
  const { directory, variables, report, inputs, contents } = context;
  const bad = (key: string | undefined, message: string, severity: "error" | "warning" = "error") =>
    report([`${kind}s`, name, ...(key ? [key] : [])], {
      severity,
      code: severity === "error" ? "BAD_VALUE" : "NO_CONTENT",
      message: `${kind}s.${name}: ${message}`,
    });
  const { file, environment, content } = input;
  for (const key of ["name", "labels"] as const)
    if (input[key] !== undefined)
      report([`${kind}s`, name, key], {
        severity: "warning",
        code: "NO_EFFECT",
        message: `${kind}s.${name}.${key} has no effect: bay does not store ${kind}s; containers get them as files`,
      });
  const sources = [file, environment, content].filter((source) => source !== undefined);
  if (typeof input.external === "object" || truth(input.external))
    bad("external", `bay has no external store of ${kind}s; use a file`);
  else if (sources.length !== 1)
    bad(undefined, `set exactly one of file, environment${kind === "config" ? ", content" : ""}`);
  if (content !== undefined) return { content, digest: digestOf(content) };
  if (environment !== undefined) {
    const value = variables(environment);
    // like a file, it is required to create containers, but not to inspect them
    if (value === undefined) bad("environment", `the variable ${environment} is not set`, "warning");
    return { environment, value, digest: value === undefined ? "" : digestOf(value) };
  }
  const path = resolve(directory, file ?? "");
  inputs.add(path);
  return {
    file: path,
    digest:
      file === undefined
        ? ""
        : digestOfFile(path, contents, (message, severity) => bad("file", message, severity)),
  };
}

/** The file may be created later: its absence is an error only when it is needed. */
function digestOfFile(
  path: string,
  contents: GivenContents | undefined,
  bad: (message: string, severity?: "warning") => void,
): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile()) bad(`the file ${path} does not exist`, "warning");
  else if (stat.size > MAX_SIZE) bad(`${path} has ${stat.size} bytes; the maximum is ${MAX_SIZE}`);
  else {
    try {
      return digestOf(readGivenFile(path, contents));
    } catch {
      bad(`the file ${path} cannot be read`);
    }
  }
  return "";
}

/** The files of a service from secrets and configs. */
export function readServiceFiles(reader: ServiceReader): ServiceFile[] {
  return (["secret", "config"] as const).flatMap((kind) =>
    (reader.input[`${kind}s`] ?? []).map((use, index): ServiceFile => {
      const given = typeof use === "string" ? { source: use } : use;
      const number = (key: "uid" | "gid" | "mode") => {
        const value = given[key];
        if (value === undefined) return undefined;
        const isOctal = key === "mode" && typeof value === "string";
        if (!(isOctal ? /^[0-7]{1,4}$/ : /^\d{1,10}$/).test(String(value)))
          reader.bad(
            [`${kind}s`, index, key],
            `expected ${key === "mode" ? "a mode such as 0440" : "a number"}`,
          );
        const result = isOctal ? Number.parseInt(value, 8) : Number(value);
        if (key === "mode" && result > 0o7777)
          reader.bad([`${kind}s`, index, key], "expected a mode such as 0440");
        return result;
      };
      const { source, target = source } = given;
      const [uid, gid] = [number("uid"), number("gid")];
      const home = kind === "secret" ? "/run/secrets" : "/";
      return {
        kind,
        source,
        target: posix.resolve(home, target),
        ...(uid === undefined ? {} : { uid }),
        ...(gid === undefined ? {} : { gid }),
        mode: number("mode") ?? DEFAULT_MODE,
      };
    }),
  );
}
