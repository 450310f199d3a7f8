/** A stack's files as one value: read, parsed, interpolated, extended, included and merged; not checked yet. */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Diagnostic } from "../../core/diagnostics.ts";
import { BayError, messageOf } from "../../core/errors.ts";
import { variableOf } from "../../core/variables.ts";
import { StackError } from "../stack-error.ts";
import { parseDotenv } from "./dotenv.ts";
import { resolveExtends } from "./extend.ts";
import { FileReader, type Shared } from "./file-reader.ts";
import { envFilesOf, type LoadOptions, nameFromDirectory, otherMainFiles, stackFiles } from "./find.ts";
import { readGivenFile } from "./given-contents.ts";
import { resolveIncludes } from "./include.ts";
import type { Variables, VariableUse } from "./interpolate.ts";
import { mergeValues, withoutResets } from "./merge.ts";
import { Origins } from "./origins.ts";

export interface Merged {
  value: unknown;
  /** The origin of each part of `value`. */
  origins: Origins;
  /** The base of relative paths. */
  directory: string;
  files: string[];
  variables: Variables;
  /** Variables of the env files. */
  dotenv: ReadonlyMap<string, string>;
  /** Every variable that a file refers to, in order. */
  uses: VariableUse[];
  diagnostics: Diagnostic[];
  sources: Map<string, string>;
  /** Every other file that was read or looked up: .env, env files. */
  inputs: Set<string>;
  /** Services that extend something that does not exist, which was reported. */
  unextended: ReadonlySet<string>;
  /** A file that others extend or include is not YAML; the error was reported. */
  hasBroken: boolean;
}

/** `isRaw` leaves variables as they are written; with `isPartial`, files that are not YAML may be missing. Throws `StackError` for a file that is not YAML, NO_STACK_FILE, NO_ENV_FILE, BAD_ENV_FILE. */
export function readMerged(options: LoadOptions, { isRaw = false, isPartial = false } = {}): Merged {
  const { environment, cwd } = options;
  const files = stackFiles(options);
  const first = files[0] === "-" ? join(cwd, "-") : files[0]!;
  const directory = resolve(cwd, options.projectDirectory ?? dirname(first));
  const inputs = new Set<string>();
  const diagnostics: Diagnostic[] = [];
  const warn = (code: string, message: string) => diagnostics.push({ severity: "warning", code, message });
  const unset = (message: string) => warn("UNSET_VARIABLE", message);
  const dotenv = readDotenv({ ...options, envFiles: envFilesOf(options) }, directory, inputs, unset);
  const own = (name: string) => variableOf(environment, name) ?? dotenv.get(name);
  for (const [name, why] of Object.entries(UNSUPPORTED_VARIABLES))
    if (own(name) && !/^(0|f|false)$/i.test(own(name)!))
      warn("UNSUPPORTED_VARIABLE", `the variable ${name} is not supported: ${why}`);
  for (const name of ["COMPOSE_ENV_FILES", "COMPOSE_DISABLE_ENV_FILE"])
    if (dotenv.get(name) && variableOf(environment, name) === undefined)
      warn(
        "UNSUPPORTED_VARIABLE",
        `the variable ${name} has no effect in an env file; set it in the environment`,
      );
  if (!options.files?.length && !own("COMPOSE_FILE"))
    for (const other of otherMainFiles(first)) {
      inputs.add(other);
      if (existsSync(other)) warn("SECOND_STACK_FILE", `${other} is not read: ${first} comes before it`);
    }
  let projectName: string | undefined;
  const variables = (name: string): string | undefined => {
    if (name === "COMPOSE_PROJECT_NAME") {
      projectName ??=
        options.name || own(name) || nameInFiles(files, reader, own) || nameFromDirectory(directory);
      return projectName;
    }
    return own(name) ?? (name === "PWD" ? directory : undefined);
  };
  const uses: VariableUse[] = [];
  const origins = new Origins();
  const shared: Shared = {
    cwd,
    environment,
    origins,
    sources: new Map(),
    inputs,
    report: (diagnostic) => diagnostics.push(diagnostic),
    note: (use) => uses.push(use),
    isRaw,
    contents: options.contents,
    remote: options,
    dotenv: (home, envFiles, outer) =>
      readDotenv({ ...options, envFiles: envFiles && [...envFiles] }, home, inputs, unset, outer),
    state: { broken: new Set(), unextended: new Set() },
  };
  const reader = new FileReader(shared, variables);
  const values = files.map((file) => {
    const path = file === "-" ? first : file;
    const extended = resolveExtends(reader.read(file), path, reader);
    return resolveIncludes(extended, directory, reader, [path]);
  });
  const merged = values.reduce((base, over) => mergeValues(base, over ?? {}, origins), {});
  const value = withoutResets(merged, origins);
  const hasTags = diagnostics.some(({ code }) => code === "UNSUPPORTED_TAG");
  const { sources } = shared;
  const { unextended, broken } = shared.state;
  // the other files are still checked
  const isHopeless = hasTags || files.some((file) => broken.has(file));
  if (isHopeless || (broken.size > 0 && !isPartial)) throw new StackError(diagnostics, sources);
  return {
    value,
    origins,
    directory,
    files,
    variables,
    dotenv,
    uses,
    diagnostics,
    sources,
    inputs,
    unextended,
    hasBroken: broken.size > 0,
  };
}

/** Variables that docker compose reads and bay does not, with the reason: who sets one is told, unless to say no. */
const UNSUPPORTED_VARIABLES: Readonly<Record<string, string>> = {
  COMPOSE_BAKE: "bay has its own builder",
  COMPOSE_COMPATIBILITY: "containers are named with hyphens",
  COMPOSE_CONVERT_WINDOWS_PATHS: "bay runs on Linux only",
  COMPOSE_EXPERIMENTAL: "bay has no experimental features",
  COMPOSE_MENU: "bay up has no menu",
};

/** `name:` of the last file that has one, read only if a file refers to the variable. */
function nameInFiles(files: readonly string[], reader: FileReader, variables: Variables): string | undefined {
  const names = files.map((file) => reader.nameOf(file, variables)).filter(Boolean);
  return names.at(-1)?.toLowerCase();
}

function readDotenv(
  options: Omit<LoadOptions, "envFiles"> & { envFiles?: string[] | undefined },
  directory: string,
  inputs: Set<string>,
  warn: (message: string) => void,
  outer: Variables = () => undefined,
): Map<string, string> {
  const values = new Map<string, string>();
  const named = options.envFiles?.map((file) => resolve(options.cwd, file));
  for (const file of named ?? [join(directory, ".env")]) {
    inputs.add(file);
    if (!existsSync(file)) {
      if (named) throw new BayError("NO_ENV_FILE", `the env file ${file} does not exist`);
      continue;
    }
    try {
      for (const [key, value] of parseDotenv(
        readGivenFile(file, options.contents).toString("utf8"),
        (name) => variableOf(options.environment, name) ?? values.get(name) ?? outer(name),
        (message) => warn(`${file}: ${message}`),
      ))
        values.set(key, value);
    } catch (cause) {
      throw new BayError("BAD_ENV_FILE", `${file}: ${messageOf(cause)}`);
    }
  }
  return values;
}
