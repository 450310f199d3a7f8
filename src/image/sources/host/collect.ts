/**
 * Collects from the host what a list of commands and files needs to run elsewhere: the files, the symlinks in their paths,
 * the loader and the shared libraries.
 */

import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { posix } from "node:path";
import { BayError } from "../../../core/errors.ts";
import { LIMITS } from "../../../core/limits.ts";
import { readElf } from "./elf.ts";
import { isNode, nodeBuiltins } from "./node-builtins.ts";

/** Image path to host path, for all files; parents come before children when sorted. */
export type Collection = Map<string, string>;

const COMMAND_PATH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
const LIBRARY_PATH = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];
const MAX_FILES = LIMITS.image.hostFiles;

export class Collector {
  readonly files: Collection = new Map();
  readonly #scanned = new Set<string>();
  readonly #libraryPath: string[];

  /** `base` is the directory of relative sources: the stack file's. */
  constructor(readonly base: string) {
    this.#libraryPath = [...configuredLibraryPath("/etc/ld.so.conf", 0), ...LIBRARY_PATH];
  }

  /**
   * Adds the entries of a `host:` list: a command's name, an absolute path, or `SOURCE:TARGET`. Throws HOST_IMAGE with all
   * entries that are not on this host.
   */
  addEntries(entries: readonly string[]): void {
    const problems = entryProblems(entries, this.base);
    if (problems.length > 0) throw new BayError("HOST_IMAGE", problems.join("; "));
    for (const entry of entries) {
      const { source, target } = locateEntry(entry, this.base);
      if (target === undefined) this.addPath(source, entry);
      else this.#addTree(target, source);
    }
  }

  /** Adds a host path under the same path in the image, with the symlinks that lead to it. */
  addPath(path: string, entry: string): void {
    const real = this.#addSymlinks(path, entry);
    this.#addTree(real, real);
  }

  /** Walks the components; each symlink is added, and the walk continues at its target. Returns the real path. */
  #addSymlinks(path: string, entry: string): string {
    const pending = posix.normalize(path).split("/").filter(Boolean);
    let at = "/";
    for (let hops = 0; pending.length > 0; ) {
      const next = posix.join(at, pending.shift()!);
      const stat = lstatSync(next, { throwIfNoEntry: false });
      if (!stat) throw new BayError("HOST_IMAGE", `${entry}: ${next} is not on this host`);
      if (!stat.isSymbolicLink()) {
        at = next;
        continue;
      }
      if (++hops > 40) throw new BayError("HOST_IMAGE", `${entry}: too many symlinks`);
      this.files.set(next, next);
      const target = readlinkSync(next);
      pending.unshift(...target.split("/").filter(Boolean));
      if (posix.isAbsolute(target)) at = "/";
      // `..` of a link's target is resolved by join above
    }
    return at;
  }

  #addTree(target: string, source: string): void {
    if (this.files.size > MAX_FILES) throw new BayError("HOST_IMAGE", `more than ${MAX_FILES} files`);
    const stat = lstatSync(source);
    this.files.set(target, source);
    if (stat.isDirectory()) {
      for (const name of readdirSync(source))
        this.#addTree(posix.join(target, name), posix.join(source, name));
    } else if (stat.isFile()) this.#addNeeds(source);
  }

  /** Adds the loader and libraries of an ELF file, or the interpreter of a script. */
  #addNeeds(path: string): void {
    if (this.#scanned.has(path)) return;
    this.#scanned.add(path);
    const elf = readElf(path);
    if (elf) {
      if (elf.interpreter) this.addPath(elf.interpreter, path);
      for (const library of elf.needed) this.#addLibrary(library, path, elf.searchPath);
      if (isNode(path)) for (const module of nodeBuiltins(path)) this.addPath(module, path);
      return;
    }
    const script = interpreterOf(path);
    if (script && lstatSync(script, { throwIfNoEntry: false })) this.addPath(script, path);
  }

  #addLibrary(name: string, user: string, searchPath: string[]): void {
    const origin = posix.dirname(realpathSync(user));
    const own = searchPath.map((directory) => directory.replaceAll(/\$(ORIGIN|\{ORIGIN\})/g, origin));
    const wanted = readElf(user)?.machine;
    for (const directory of name.includes("/") ? [""] : [...own, ...this.#libraryPath]) {
      const path = posix.join(directory, name);
      if (statSync(path, { throwIfNoEntry: false })?.isFile() && readElf(path)?.machine === wanted)
        return this.addPath(path, user);
    }
    throw new BayError("HOST_IMAGE", `${user} needs the library ${name}, which is not on this host`);
  }
}

/** One line for each entry of a `host:` list that is invalid, or not on this host. */
export function entryProblems(entries: readonly string[], base: string): string[] {
  return entries.flatMap((entry) => {
    try {
      locateEntry(entry, base);
      return [];
    } catch (error) {
      if (!(error instanceof BayError)) throw error;
      return [error.message];
    }
  });
}

/** The path on the host, and the path in the image if it is another. Throws HOST_IMAGE. */
function locateEntry(entry: string, base: string): { source: string; target?: string } {
  const colon = entry.indexOf(":");
  if (colon > 0) {
    const [source, target] = [posix.resolve(base, entry.slice(0, colon)), entry.slice(colon + 1)];
    if (!posix.isAbsolute(target))
      throw new BayError("HOST_IMAGE", `${entry}: the target ${target} is not absolute`);
    return { source: present(source), target: posix.normalize(target) };
  }
  if (!entry.includes("/")) return { source: findCommand(entry) };
  if (!posix.isAbsolute(entry))
    throw new BayError(
      "HOST_IMAGE",
      `the relative path ${entry} needs a target path in the image: ${entry}:/target`,
    );
  return { source: present(entry) };
}

function present(path: string): string {
  if (lstatSync(path, { throwIfNoEntry: false })) return path;
  throw new BayError("HOST_IMAGE", `${path} is not on this host`);
}

function findCommand(name: string): string {
  const search = [
    ...new Set([...COMMAND_PATH, ...(process.env.PATH ?? "").split(":").filter(posix.isAbsolute)]),
  ];
  const found = search
    .map((directory) => posix.join(directory, name))
    .find((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
  if (found) return found;
  throw new BayError("HOST_IMAGE", `the command ${name} is not on this host; install it, or name its path`);
}

function interpreterOf(path: string): string | undefined {
  if (statSync(path).size > 1 << 20) return undefined;
  const line = /^#!\s*(\S+)(?:\s+(\S+))?/.exec(readFileSync(path).toString("latin1", 0, 256));
  return line?.[1];
}

/** The directories in /etc/ld.so.conf and the files that it includes. */
function configuredLibraryPath(file: string, depth: number): string[] {
  if (depth > 4 || !statSync(file, { throwIfNoEntry: false })?.isFile()) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter(Boolean)
    .flatMap((line) => {
      const include = /^include\s+(.*)$/.exec(line)?.[1];
      if (!include) return [line];
      const directory = posix.resolve(posix.dirname(file), posix.dirname(include));
      const pattern = new RegExp(`^${posix.basename(include).replaceAll(".", "\\.").replaceAll("*", ".*")}$`);
      if (!statSync(directory, { throwIfNoEntry: false })) return [];
      return readdirSync(directory)
        .filter((name) => pattern.test(name))
        .sort()
        .flatMap((name) => configuredLibraryPath(posix.join(directory, name), depth + 1));
    });
}
