/** From files to a Stack: read, parse, interpolate, merge, check, normalise. All problems are collected on the way. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Diagnostic, Place } from "../diagnostics.ts";
import { BayError } from "../errors.ts";
import { checkInput, isNear, lacksNames, type ReportAt } from "./check.ts";
import { parseDotenv } from "./dotenv.ts";
import { resolveExtends } from "./extend.ts";
import { FileReader, type Shared } from "./file-reader.ts";
import { type LoadOptions, nameFromDirectory, stackFiles } from "./find.ts";
import { resolveIncludes } from "./include.ts";
import { mergeValues, withoutResets } from "./merge.ts";
import { normaliseStack } from "./normalise.ts";
import { Origins } from "./origins.ts";
import type { Stack } from "./stack.ts";
import { StackError } from "./stack-error.ts";

export interface LoadedStack {
  stack: Stack;
  warnings: Diagnostic[];
  sources: Map<string, string>;
  /** Every other file that was read, or looked for: .env, env files, profiles. */
  inputs: string[];
  /** Where the value at a path came from, the place that counts first; empty where there is none. */
  explain: (path: readonly string[]) => Place[];
}

/** Throws `StackError` with all problems, or BayError where there is no file. */
export function loadStack(options: LoadOptions): LoadedStack {
  const { environment, cwd } = options;
  const files = stackFiles(options);
  const first = files[0] === "-" ? join(cwd, "-") : files[0]!;
  const directory = resolve(cwd, options.projectDirectory ?? dirname(first));
  const inputs = new Set<string>();
  const dotenv = readDotenv(options, directory, inputs);
  const variables = (name: string) => environment[name] ?? dotenv.get(name);
  const diagnostics: Diagnostic[] = [];
  const sources = new Map<string, string>();
  const report = (diagnostic: Diagnostic) => diagnostics.push(diagnostic);
  const fail = (): never => {
    throw new StackError(diagnostics, sources);
  };
  const hasErrors = () => diagnostics.some(({ severity }) => severity === "error");
  const origins = new Origins();
  const shared: Shared = {
    cwd,
    origins,
    sources,
    inputs,
    report,
    dotenv: (home, envFiles) => readDotenv({ ...options, envFiles: envFiles && [...envFiles] }, home, inputs),
    state: { hasSyntaxErrors: false },
  };
  const reader = new FileReader(shared, variables);
  const values = files.map((file) => {
    const value = reader.read(file);
    const path = file === "-" ? first : file;
    return resolveIncludes(resolveExtends(value, path, reader), directory, reader, [path]);
  });
  const merged = withoutResets(
    values.reduce((base, over) => mergeValues(base, over ?? {}, origins), {}),
    origins,
  );
  const hasTags = diagnostics.some(({ code }) => code === "UNSUPPORTED_TAG");
  if (hasTags || shared.state.hasSyntaxErrors) fail();

  const reportAt: ReportAt = (path, diagnostic, atKey) => {
    const place = origins.locate(merged, path, atKey);
    const over = (origins.find(merged, path)?.origins ?? []).slice(1).map((origin) => origin.place);
    report({ ...diagnostic, ...(place ? { place } : {}), ...(over.length > 0 ? { over } : {}) });
  };
  const { input, leftOut } = checkInput(merged, reportAt);
  if (lacksNames(leftOut)) fail();
  const given = options.name ?? variables("COMPOSE_PROJECT_NAME") ?? input.name;
  const name = given ?? nameFromDirectory(directory);
  if (!/^[a-z0-9][a-z0-9_-]*$/.test(name)) {
    throw new BayError("BAD_STACK_NAME", `${JSON.stringify(name)} is no stack name`, {
      hint: "use lower case letters, digits, _ and -",
    });
  }
  const profiles = options.profiles?.length
    ? options.profiles
    : (variables("COMPOSE_PROFILES") ?? "").split(",").filter(Boolean);
  const stack = normaliseStack(
    input,
    { name, directory, files, profiles, enable: options.enable ?? [], variables, inputs },
    (path, diagnostic, atKey) => {
      if (!isNear(path, leftOut)) reportAt(path, diagnostic, atKey);
    },
  );
  if (hasErrors()) fail();
  const explain = (path: readonly string[]) => {
    const found = origins.find(merged, path);
    return found?.depth === path.length ? found.origins.map(({ place }) => place) : [];
  };
  return { stack, warnings: diagnostics, sources, inputs: [...inputs], explain };
}

function readDotenv(options: LoadOptions, directory: string, inputs: Set<string>): Map<string, string> {
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
        readFileSync(file, "utf8"),
        (name) => options.environment[name] ?? values.get(name),
      ))
        values.set(key, value);
    } catch (cause) {
      throw new BayError("BAD_ENV_FILE", `${file}: ${(cause as Error).message}`);
    }
  }
  return values;
}
