/** From files to a Stack: read, parse, interpolate, merge, check, normalise. All problems are collected on the way. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import type { Diagnostic } from "../diagnostics.ts";
import { BayError } from "../errors.ts";
import { checkInput, isNear, lacksNames, type ReportAt } from "./check.ts";
import { parseDotenv } from "./dotenv.ts";
import { type LoadOptions, nameFromDirectory, stackFiles } from "./find.ts";
import { mergeValues } from "./merge.ts";
import { normaliseStack } from "./normalise.ts";
import { SourceFile } from "./source.ts";
import type { Stack } from "./stack.ts";
import { StackError } from "./stack-error.ts";

export interface LoadedStack {
  stack: Stack;
  warnings: Diagnostic[];
  sources: Map<string, string>;
  /** Every other file that was read, or looked for: .env, env files, profiles. */
  inputs: string[];
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
  const parsed = files.map((file) => {
    const shown = file === "-" ? "<stdin>" : relative(cwd, file) || file;
    const name = shown.startsWith("../../..") ? file : shown;
    const text = readSource(file);
    sources.set(name, text);
    const source = new SourceFile(name, text, report);
    source.interpolate(variables);
    return source;
  });
  const fail = (): never => {
    throw new StackError(diagnostics, sources);
  };
  const hasErrors = () => diagnostics.some(({ severity }) => severity === "error");
  const merged = parsed
    .map((source) => source.toValue())
    .reduce((base, over) => mergeValues(base, over ?? {}), {});
  const hasTags = diagnostics.some(({ code }) => code === "UNSUPPORTED_TAG");
  if (hasTags || parsed.some((source) => source.hasSyntaxErrors)) fail();

  const reportAt: ReportAt = (path, diagnostic, atKey) => {
    const places = parsed.map((source) => source.locate(path, atKey)).filter((found) => found !== undefined);
    const deepest = places.reduce(
      (best, found) => (best && best.depth > found.depth ? best : found),
      places[0],
    );
    report({ ...diagnostic, ...(deepest ? { place: deepest.place } : {}) });
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
  return { stack, warnings: diagnostics, sources, inputs: [...inputs] };
}

function readSource(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw new BayError("NO_STACK_FILE", `the stack file ${file} cannot be read`, { cause });
  }
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
