/** Finding a stack's files as docker compose does: in the directory and its parents, with their overrides. */
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { BayError } from "../../core/errors.ts";
import { variableOf } from "../../core/variables.ts";
import { parseDotenv } from "./dotenv.ts";
import { type GivenContents, readGivenFile } from "./given-contents.ts";
import { fetchedFile, isRemote, type RemoteOptions } from "./remote.ts";

const NAMES = [
  "bay.yaml",
  "bay.yml",
  "compose.yaml",
  "compose.yml",
  "docker-compose.yml",
  "docker-compose.yaml",
];

/** The main stack file of a directory; undefined if it has none. */
export const mainFileIn = (directory: string): string | undefined =>
  NAMES.map((name) => join(directory, name)).find((file) => existsSync(file));

/** The files in order: the main one, then its override. Throws NO_STACK_FILE. */
export function findStackFiles(from: string): string[] {
  for (let directory = resolve(from); ; directory = dirname(directory)) {
    const main = mainFileIn(directory);
    if (main) return [main, ...overrides(main)];
    if (directory === dirname(directory)) {
      throw new BayError("NO_STACK_FILE", `no stack file in ${resolve(from)} or its parent directories`, {
        hint: `create a bay.yaml, or name a file with -f; also read: ${NAMES.slice(2).join(", ")}`,
      });
    }
  }
}

const BAY_OVERRIDES = ["bay.override.yaml", "bay.override.yml"];
const COMPOSE_OVERRIDES = [
  "compose.override.yml",
  "compose.override.yaml",
  "docker-compose.override.yml",
  "docker-compose.override.yaml",
];

/** As in Compose, the override may have a different base name than the main file. */
function overrides(main: string): string[] {
  return (basename(main).startsWith("bay.") ? BAY_OVERRIDES : COMPOSE_OVERRIDES)
    .map((name) => join(dirname(main), name))
    .filter((file) => existsSync(file))
    .slice(0, 1);
}

/** Other main files in the same directory, which are not read. */
export const otherMainFiles = (main: string): string[] =>
  NAMES.includes(basename(main))
    ? NAMES.map((name) => join(dirname(main), name)).filter((file) => file !== main)
    : [];

/** A stack's name from its directory, by Compose's rule. Throws NO_STACK_NAME if no valid character is left. */
export function nameFromDirectory(directory: string): string {
  const name = basename(resolve(directory))
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, "")
    .replace(/^[_-]+/, "");
  if (!name)
    throw new BayError("NO_STACK_NAME", `no stack name can be derived from the directory ${directory}`, {
      hint: "use -p NAME, or name: in the file",
    });
  return name;
}

export interface LoadOptions extends RemoteOptions {
  /** -f; `-` is standard input. */
  files?: string[] | undefined;
  name?: string | undefined;
  projectDirectory?: string | undefined;
  envFiles?: string[] | undefined;
  profiles?: string[] | undefined;
  /** Services named on the command line: they are enabled regardless of their profiles. */
  enable?: string[];
  cwd: string;
  environment: Readonly<Record<string, string | undefined>>;
  /** Contents that are used instead of those on the disk. */
  contents?: GivenContents;
}

/** COMPOSE_FILE of the environment, or else of the .env file in the directory. */
function filesOfVariables(options: LoadOptions): string[] {
  const lookup = composeSettings(options, options.projectDirectory ?? ".");
  return (lookup("COMPOSE_FILE") ?? "").split(lookup("COMPOSE_PATH_SEPARATOR") || ":").filter(Boolean);
}

/**
 * Variables that control commands (COMPOSE_…): from the environment, or else from the env files, which are those of a directory
 * if none is named. Errors in such a file are reported when the stack is read.
 */
export function composeSettings(
  options: LoadOptions,
  directory: string,
): (name: string) => string | undefined {
  const { environment, cwd } = options;
  let values: Map<string, string> | undefined;
  const read = () => {
    const found = new Map<string, string>();
    for (const file of envFilesOf(options) ?? [join(resolve(cwd, directory), ".env")]) {
      try {
        const text = readGivenFile(resolve(cwd, file), options.contents).toString("utf8");
        for (const [name, value] of parseDotenv(text, (name) => variableOf(environment, name)))
          found.set(name, value);
      } catch {
        // `readMerged` reads it again, and reports it
      }
    }
    return found;
  };
  return (name) => {
    const given = variableOf(environment, name);
    if (given !== undefined) return given;
    values ??= read();
    return values.get(name);
  };
}

/** Whether a variable is true, as Go's ParseBool reads it. */
export const isYes = (text: string | undefined) => /^(1|t|true)$/i.test(text ?? "");

/** The env files that options or variables name instead of `.env`; undefined if they name none. */
export function envFilesOf({ envFiles, environment }: LoadOptions): string[] | undefined {
  if (envFiles?.length) return envFiles;
  const named = (environment.COMPOSE_ENV_FILES ?? "")
    .split(",")
    .map((file) => file.trim())
    .filter(Boolean);
  if (named.length > 0) return named;
  return isYes(environment.COMPOSE_DISABLE_ENV_FILE) ? [] : undefined;
}

/** The files of a stack: those named by -f or COMPOSE_FILE, or else those found. Throws NO_STACK_FILE, REMOTE_FILE. */
export function stackFiles(options: LoadOptions): string[] {
  const { cwd } = options;
  const named = options.files?.length ? options.files : filesOfVariables(options);
  if (named.length === 0)
    return findStackFiles(options.projectDirectory ? resolve(cwd, options.projectDirectory) : cwd);
  return named.map((file) => {
    if (file === "-") return file;
    if (isRemote(file)) return fetchedFile(options, file);
    const path = resolve(cwd, file);
    if (!existsSync(path)) throw new BayError("NO_STACK_FILE", `the stack file ${path} does not exist`);
    return path;
  });
}
