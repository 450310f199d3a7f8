/** Finding a stack's files, as docker compose does: in the folder and its parents, with their overrides. */
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { BayError } from "../errors.ts";

const NAMES = [
  "bay.yaml",
  "bay.yml",
  "compose.yaml",
  "compose.yml",
  "docker-compose.yml",
  "docker-compose.yaml",
];

/** The files in order: the main one, then its override. Throws NO_STACK_FILE. */
export function findStackFiles(from: string): string[] {
  for (let directory = resolve(from); ; directory = dirname(directory)) {
    const main = NAMES.map((name) => join(directory, name)).find((file) => existsSync(file));
    if (main) return [main, ...overrides(main)];
    if (directory === dirname(directory)) {
      throw new BayError("NO_STACK_FILE", `no stack file in ${resolve(from)} or its parent folders`, {
        hint: `make a bay.yaml, or name a file with -f; also read: ${NAMES.slice(2).join(", ")}`,
      });
    }
  }
}

function overrides(main: string): string[] {
  const stem = basename(main).replace(/\.ya?ml$/, "");
  return [".override.yaml", ".override.yml"]
    .map((suffix) => join(dirname(main), stem + suffix))
    .filter((file) => existsSync(file))
    .slice(0, 1);
}

/** A stack's name from its folder, by Compose's rule. Throws NO_STACK_NAME where nothing usable is left. */
export function nameFromDirectory(directory: string): string {
  const name = basename(resolve(directory))
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, "")
    .replace(/^[_-]+/, "");
  if (!name)
    throw new BayError("NO_STACK_NAME", `the folder ${directory} gives no stack name`, {
      hint: "use -p NAME, or name: in the file",
    });
  return name;
}

export interface LoadOptions {
  /** -f; `-` is standard input. */
  files?: string[];
  name?: string;
  projectDirectory?: string;
  envFiles?: string[];
  profiles?: string[];
  /** Services that are named on the command line: they are on, whatever their profiles. */
  enable?: string[];
  cwd: string;
  environment: Readonly<Record<string, string | undefined>>;
}

/** The files of a stack: those named by -f or COMPOSE_FILE, else those found. Throws NO_STACK_FILE. */
export function stackFiles(options: LoadOptions): string[] {
  const { environment, cwd } = options;
  const separator = environment.COMPOSE_PATH_SEPARATOR ?? ":";
  const named = options.files?.length
    ? options.files
    : (environment.COMPOSE_FILE ?? "").split(separator).filter(Boolean);
  if (named.length === 0)
    return findStackFiles(options.projectDirectory ? resolve(cwd, options.projectDirectory) : cwd);
  return named.map((file) => {
    if (file === "-") return file;
    const path = resolve(cwd, file);
    if (!existsSync(path)) throw new BayError("NO_STACK_FILE", `the stack file ${path} does not exist`);
    return path;
  });
}
