/**
 * The files of the host that one rule watches, as they were at the last look. A look compares them with the file system, so
 * the events of the kernel are only hints where to look: a lost or repeated event changes nothing.
 */
import { lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { join } from "node:path";
import { hasCode } from "../core/errors.ts";
import type { Rule } from "./rule.ts";

export interface Entry {
  kind: "file" | "directory" | "link";
  mode: number;
  size: number;
  mtimeMs: number;
  ctimeMs: number;
  inode: number;
  /** Where a link leads. */
  link: string;
  /** It may change again without another time stamp, because these have the kernel's ticks. */
  isFresh: boolean;
}

/** The longest tick of a kernel's time stamps is 10 ms. */
const TICK_MS = 12;

/** What a look found: paths relative to the root. */
export interface Found {
  /** New, different and removed paths. */
  changed: Set<string>;
  /** Files that look the same, and may have changed within the tick of the last look. */
  suspected: Set<string>;
  /** Directories that are new, or another one than before: their watches have to be set. */
  directories: Set<string>;
  gone: Set<string>;
  /** Inodes of reported files that have other names, which the kernel does not report. */
  linked: Set<number>;
}

export const nothing = (): Found => ({
  changed: new Set(),
  suspected: new Set(),
  directories: new Set(),
  gone: new Set(),
  linked: new Set(),
});

interface Directory {
  names: Set<string>;
  /** Differs from that of another directory that takes its place, even if the file system uses its inode again. */
  identity: string;
}

/** A look that fails, such as by EMFILE, throws, and has noted what it found until then. */
export class HostTree {
  /** By path relative to the root; "" is the root. Ignored files are not in it. */
  readonly entries = new Map<string, Entry>();
  readonly #directories = new Map<string, Directory>();
  /** Names that are not UTF-8, and files that are neither files, directories nor links. */
  readonly skipped = new Set<string>();
  /** The file systems of its directories, by device number, each with the first directory that was found on it. */
  readonly devices = new Map<number, string>();

  constructor(readonly rule: Rule) {}

  /** How many files and links there are. */
  get files(): number {
    let count = 0;
    for (const { kind } of this.entries.values()) if (kind !== "directory") count += 1;
    return count;
  }

  /** All directories, which are watched. */
  directories(): string[] {
    return [...this.#directories.keys()];
  }

  /** Whether the tree would contain a path if it existed. */
  mayHave(path: string): boolean {
    for (let at = parentOf(path); at !== ""; at = parentOf(at)) if (this.rule.prunes(at)) return false;
    return !this.rule.prunes(path) && this.rule.counts(path);
  }

  /** Compares everything. */
  lookAtAll(found = nothing()): Found {
    this.#look("", found, true, false);
    return found;
  }

  /** Compares a directory and everything below it. */
  lookBelow(path: string, found = nothing()): Found {
    if (this.#isReachable(path)) this.#look(path, found, true, false);
    return found;
  }

  /**
   * Compares one path, of which the kernel reported a change: a directory with the names in it, and anything else by itself.
   */
  lookAt(path: string, found = nothing()): Found {
    if (this.#isReachable(path)) this.#look(path, found, false, true);
    return found;
  }

  /** Compares the files that have one of these inodes: a change by one name is a change of all hard links. */
  lookAtLinks(inodes: ReadonlySet<number>, found = nothing()): Found {
    const paths = [...this.entries].flatMap(([path, { inode }]) => (inodes.has(inode) ? [path] : []));
    for (const path of paths) if (this.#isReachable(path)) this.#look(path, found, false, false);
    return found;
  }

  /** False below something that is gone, or is ignored. */
  #isReachable(path: string): boolean {
    return path === "" || this.#directories.has(parentOf(path));
  }

  #look(path: string, found: Found, isDeep: boolean, isReported: boolean): void {
    const { rule } = this;
    if (rule.prunes(path)) return;
    const now = statOf(join(rule.root, path));
    const kind = now && kindOf(now);
    if (!now || !kind) {
      this.#forget(path, found);
      if (now && rule.counts(path)) this.skipped.add(path);
      return;
    }
    this.skipped.delete(path);
    if (isReported && kind === "file" && now.nlink > 1) found.linked.add(now.ino);
    if (kind !== "directory") this.#forgetBelow(path, found);
    if (rule.counts(path)) this.#compare(path, entryOf(now, kind, join(rule.root, path)), found, isReported);
    if (path !== "" && (kind === "directory" || this.entries.has(path)))
      this.#directories.get(parentOf(path))?.names.add(nameOf(path));
    if (kind === "directory" && !this.devices.has(now.dev)) this.devices.set(now.dev, path);
    if (kind === "directory") this.#lookInto(path, `${now.ino} ${now.birthtimeMs}`, found, isDeep);
  }

  #compare(path: string, entry: Entry, found: Found, isReported: boolean): void {
    const before = this.entries.get(path);
    this.entries.set(path, entry);
    if (!before || isDifferent(before, entry) || (isReported && before.isFresh)) found.changed.add(path);
    else if (before.isFresh) found.suspected.add(path);
  }

  #lookInto(path: string, identity: string, found: Found, isDeep: boolean): void {
    const before = this.#directories.get(path);
    const isNew = before?.identity !== identity;
    if (isNew) found.directories.add(path);
    const known = before?.names ?? new Set<string>();
    this.#directories.set(path, { names: known, identity });
    const names = namesIn(join(this.rule.root, path));
    for (const name of [...known].filter((name) => !names.has(name))) this.#forget(below(path, name), found);
    for (const name of names) {
      if (name.includes("\uFFFD")) {
        this.skipped.add(below(path, name));
        continue;
      }
      // a look at one directory finds new names; those it knows report their changes themselves
      if (isDeep || isNew || !known.has(name)) this.#look(below(path, name), found, isDeep || isNew, false);
    }
  }

  #forget(path: string, found: Found): void {
    this.#forgetBelow(path, found);
    this.skipped.delete(path);
    if (this.entries.delete(path)) found.changed.add(path);
    if (path !== "") this.#directories.get(parentOf(path))?.names.delete(nameOf(path));
  }

  #forgetBelow(path: string, found: Found): void {
    const directory = this.#directories.get(path);
    if (!directory) return;
    this.#directories.delete(path);
    found.gone.add(path);
    for (const name of directory.names) this.#forget(below(path, name), found);
  }
}

export const below = (path: string, name: string): string => (path === "" ? name : `${path}/${name}`);
export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));
const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (hasCode(error, "ENOTDIR", "EACCES", "ELOOP", "ENAMETOOLONG")) return undefined;
    throw error;
  }
}

function namesIn(path: string): Set<string> {
  try {
    return new Set(readdirSync(path));
  } catch (error) {
    // it was removed or replaced after the look at it
    if (hasCode(error, "ENOENT", "ENOTDIR", "EACCES")) return new Set();
    throw error;
  }
}

function kindOf(stat: Stats): Entry["kind"] | undefined {
  return stat.isFile()
    ? "file"
    : stat.isDirectory()
      ? "directory"
      : stat.isSymbolicLink()
        ? "link"
        : undefined;
}

function entryOf(stat: Stats, kind: Entry["kind"], path: string): Entry {
  const { size, mtimeMs, ctimeMs, ino } = stat;
  return {
    kind,
    mode: stat.mode & 0o7777,
    size,
    mtimeMs,
    ctimeMs,
    inode: ino,
    link: kind === "link" ? linkOf(path) : "",
    isFresh: kind === "file" && Math.abs(Date.now() - Math.max(mtimeMs, ctimeMs)) < TICK_MS,
  };
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // it was replaced after the look at it, which the next look sees
  }
}

function isDifferent(a: Entry, b: Entry): boolean {
  if (a.kind !== b.kind || a.mode !== b.mode) return true;
  // the times of a directory change with its names, which are compared by themselves
  if (a.kind === "directory") return false;
  if (a.kind === "link") return a.link !== b.link;
  return a.size !== b.size || a.mtimeMs !== b.mtimeMs || a.inode !== b.inode || a.ctimeMs !== b.ctimeMs;
}
