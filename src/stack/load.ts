/** From files to a Stack: read and merge, check, normalise. All problems are collected on the way. */
import type { Diagnostic } from "../core/diagnostics.ts";
import { BayError } from "../core/errors.ts";
import { withoutPasswords } from "../core/redaction.ts";
import { checkInput, lacksNames, type ReportAt } from "./check/check.ts";
import { checkRemotePaths } from "./check/check-remotes.ts";
import { nearTo } from "./check/gaps.ts";
import { type LoadOptions, nameFromDirectory } from "./files/find.ts";
import { type Merged, readMerged } from "./files/merge-files.ts";
import type { Stack } from "./model/stack.ts";
import { normaliseStack } from "./normalise/normalise.ts";
import { StackError } from "./stack-error.ts";

export interface LoadedStack {
  stack: Stack;
  warnings: Diagnostic[];
  sources: Map<string, string>;
  /** Every other file that was read or looked up: .env, env files, profiles. */
  inputs: string[];
}

/** `merged` has the merged files, if they were read. Throws `StackError` with all problems, or BayError if no file exists. */
export function loadStack(
  options: LoadOptions,
  merged: Merged = readMerged(options, { isPartial: true }),
): LoadedStack {
  const { value, origins, directory, files, variables, diagnostics, sources, inputs } = merged;
  const fail = (): never => {
    throw new StackError(diagnostics, sources);
  };
  const beginning = { file: [...sources.keys()][0] ?? files[0]!, line: 1, column: 1, length: 1 };
  const reportAt: ReportAt = (path, diagnostic, atKey) => {
    const place = origins.locate(value, path, atKey) ?? (path.length === 0 ? beginning : undefined);
    const over = (origins.find(value, path)?.origins ?? []).slice(1).map((origin) => origin.place);
    diagnostics.push({ ...diagnostic, ...(place ? { place } : {}), ...(over.length > 0 ? { over } : {}) });
    return place;
  };
  if (typeof value === "object" && value !== null && Object.keys(value).length === 0)
    reportAt([], { severity: "error", code: "EMPTY_FILE", message: "the stack file is empty" });
  const { input, leftOut } = checkInput(value, reportAt);
  for (const service of merged.unextended) leftOut.push(["services", service, "image"]);
  if (lacksNames(leftOut)) fail();
  const explicit =
    options.name || options.environment.COMPOSE_PROJECT_NAME || merged.dotenv.get("COMPOSE_PROJECT_NAME");
  const name = explicit || input.name?.toLowerCase() || nameFromDirectory(directory);
  if (input.name !== undefined && input.name !== input.name.toLowerCase())
    reportAt(["name"], {
      severity: "warning",
      code: "LOWER_CASE",
      message: `name: ${input.name} is used as ${input.name.toLowerCase()}: names of stacks must be lower case`,
    });
  if (!/^[a-z0-9][a-z0-9_-]*$/.test(name)) {
    throw new BayError("BAD_STACK_NAME", `invalid stack name ${JSON.stringify(name)}`, {
      hint: "use lower case letters, digits, _ and -",
    });
  }
  const profiles = options.profiles?.length
    ? options.profiles
    : (variables("COMPOSE_PROFILES") ?? "")
        .split(",")
        .map((profile) => profile.trim())
        .filter(Boolean);
  const isNear = nearTo(leftOut);
  const stack = normaliseStack(
    input,
    {
      name,
      directory,
      files,
      profiles,
      enable: options.enable ?? [],
      variables,
      inputs,
      contents: options.contents,
      locate: (path) => origins.locate(value, path),
    },
    (path, diagnostic, atKey) => {
      // an unknown name may be defined in a file that could not be read
      const mayFollow = merged.hasBroken && diagnostic.code === "UNKNOWN_REFERENCE";
      return mayFollow || isNear(path) ? undefined : reportAt(path, diagnostic, atKey);
    },
  );
  checkRemotePaths(merged, options, reportAt);
  if (diagnostics.some(({ severity }) => severity === "error")) fail();
  const remotes = Object.entries(options.remotes ?? {});
  if (remotes.length > 0)
    stack.remotes = Object.fromEntries(
      remotes.map(([address, { version }]) => [withoutPasswords(address), version]),
    );
  return { stack, warnings: diagnostics, sources, inputs: [...inputs] };
}
