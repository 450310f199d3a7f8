/** Reading stack files, each once: YAML with variables interpolated, as plain values with known places. */
import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import type { Diagnostic } from "../../core/diagnostics.ts";
import { BayError } from "../../core/errors.ts";
import { variableOf } from "../../core/variables.ts";
import { type GivenContents, readGivenFile } from "./given-contents.ts";
import type { Variables, VariableUse } from "./interpolate.ts";
import { Origins } from "./origins.ts";
import type { RemoteOptions } from "./remote.ts";
import { SourceFile } from "./source.ts";

export interface Shared {
  cwd: string;
  environment: Readonly<Record<string, string | undefined>>;
  origins: Origins;
  /** Texts by the file names that errors show. */
  sources: Map<string, string>;
  /** Every file that was read or looked up. */
  inputs: Set<string>;
  report: (diagnostic: Diagnostic) => void;
  /** Called for each variable that a file refers to. */
  note: (use: VariableUse) => void;
  contents: GivenContents | undefined;
  /** Files of git repositories and registries. */
  remote: RemoteOptions;
  /** Variables are not interpolated. */
  isRaw: boolean;
  /** Variables of env files, for a separate directory or for named files; the files may use `variables`. */
  dotenv: (
    directory: string,
    files: readonly string[] | undefined,
    variables: Variables,
  ) => ReadonlyMap<string, string>;
  /** Files that are not YAML, and services that extend something that does not exist. */
  state: { broken: Set<string>; unextended: Set<string> };
}

export class FileReader {
  readonly #values = new Map<string, string>();

  constructor(
    readonly shared: Shared,
    readonly variables: Variables,
  ) {}

  get origins(): Origins {
    return this.shared.origins;
  }

  report(diagnostic: Diagnostic): void {
    this.shared.report(diagnostic);
  }

  /**
   * Variables for a file in another directory. Env files that its `include` names override the project's `.env`, but not
   * the environment; the `.env` of its directory, read if no file is named, only supplies defaults.
   */
  in(directory: string, envFiles: readonly string[] | undefined): FileReader {
    const { environment, dotenv } = this.shared;
    const own = dotenv(directory, envFiles, this.variables);
    const variables: Variables = (name) => {
      const isFixed = variableOf(environment, name) !== undefined || name === "COMPOSE_PROJECT_NAME";
      return envFiles === undefined || isFixed
        ? (this.variables(name) ?? own.get(name))
        : (own.get(name) ?? this.variables(name));
    };
    return new FileReader(this.shared, variables);
  }

  /** A file's values, fresh each time; undefined if it does not exist or is not YAML. `-` is standard input. Throws NO_STACK_FILE. */
  read(path: string): unknown {
    const { cwd, sources, inputs, report, note, isRaw, state } = this.shared;
    if (path !== "-") inputs.add(path);
    if (path !== "-" && !existsSync(path)) return undefined;
    const text = this.#values.get(path) ?? readText(path, this.shared.contents);
    this.#values.set(path, text);
    const shown = path === "-" ? "<stdin>" : relative(cwd, path) || path;
    const name = shown.startsWith("../../..") ? path : shown;
    const isKnown = sources.has(name);
    sources.set(name, text);
    // problems of a file that is read again were reported the first time
    const source = new SourceFile(name, text, isKnown ? () => {} : report);
    if (!isRaw) source.interpolate(this.variables, note);
    const value = source.toValue(this.origins);
    if (!source.hasSyntaxErrors) return value;
    state.broken.add(path);
    return undefined;
  }

  /** A file's own `name`, before anything else of it is read. What is wrong with the file is reported by `read`. */
  nameOf(path: string, variables: Variables): string | undefined {
    const text = this.#values.get(path) ?? readText(path, this.shared.contents);
    this.#values.set(path, text);
    const source = new SourceFile(path, text, () => {});
    source.interpolate(variables);
    const value = source.toValue(new Origins());
    const name = typeof value === "object" && value !== null && "name" in value ? value.name : undefined;
    return typeof name === "string" ? name : undefined;
  }

  /** Whether a file is not YAML; the error was reported. */
  isBroken(path: string): boolean {
    return this.shared.state.broken.has(path);
  }
}

function readText(file: string, contents: GivenContents | undefined): string {
  try {
    return file === "-" ? readFileSync(0, "utf8") : readGivenFile(file, contents).toString("utf8");
  } catch (cause) {
    throw new BayError("NO_STACK_FILE", `the stack file ${file} cannot be read`, { cause });
  }
}
