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
}

/** A file that was written within this time may be written again without another time stamp, which has the kernel's ticks. */
const TICK_MS = 50;

/** What a look found: paths relative to the root. */
export interface Found {
  /** New, different and removed paths. */
  changed: Set<string>;
  /** Directories that are new, or another one than before: their watches have to be set. */
  directories: Set<string>;
  gone: Set<string>;
}

const nothing = (): Found => ({ changed: new Set(), directories: new Set(), gone: new Set() });

export class HostTree {
  /** By path relative to the root; "" is the root. Ignored files are not in it. */
  readonly entries = new Map<string, Entry>();
  readonly #children = new Map<string, Set<string>>();
  /** Names that are not UTF-8, and files that are neither files, directories nor links. */
  readonly skipped = new Set<string>();

  constructor(readonly rule: Rule) {}

  /** All directories, which are watched. */
  directories(): string[] {
    return [...this.#children.keys()];
  }

  /** Compares everything. */
  lookAtAll(): Found {
    const found = nothing();
    this.#look("", found, true, false);
    return found;
  }

  /** Compares a directory and everything below it. */
  lookBelow(path: string): Found {
    const found = nothing();
    if (this.#isReachable(path)) this.#look(path, found, true, false);
    return found;
  }

  /**
   * Compares one path, of which the kernel reported a change: a directory with the names in it, and anything else by itself.
   */
  lookAt(path: string): Found {
    const found = nothing();
    if (this.#isReachable(path)) this.#look(path, found, false, true);
    return found;
  }

  /** False below something that is gone, or is ignored. */
  #isReachable(path: string): boolean {
    return path === "" || this.#children.has(parentOf(path));
  }

  #look(path: string, found: Found, isDeep: boolean, isReported: boolean): void {
    const { rule } = this;
    if (rule.prunes(path)) return;
    const now = statOf(join(rule.root, path));
    const kind = now && kindOf(now);
    if (now && !kind) this.skipped.add(path);
    if (!now || !kind) return this.#forget(path, found);
    const before = this.entries.get(path);
    if (this.#children.has(path) && kind !== "directory") this.#forgetBelow(path, found);
    const entry = entryOf(now, kind, join(rule.root, path));
    if (rule.counts(path)) {
      if (!before || isDifferent(before, entry) || (isReported && isFresh(entry))) found.changed.add(path);
      this.entries.set(path, entry);
      if (path !== "") this.#children.get(parentOf(path))?.add(nameOf(path));
    } else if (kind === "directory" && path !== "") this.#children.get(parentOf(path))?.add(nameOf(path));
    if (kind === "directory") this.#lookInto(path, entry, before, found, isDeep);
  }

  #lookInto(path: string, entry: Entry, before: Entry | undefined, found: Found, isDeep: boolean): void {
    const isNew = !this.#children.has(path) || (before !== undefined && before.inode !== entry.inode);
    if (isNew) found.directories.add(path);
    const known = this.#children.get(path) ?? new Set<string>();
    this.#children.set(path, known);
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
    if (this.entries.delete(path)) found.changed.add(path);
    if (path !== "") this.#children.get(parentOf(path))?.delete(nameOf(path));
  }

  #forgetBelow(path: string, found: Found): void {
    const children = this.#children.get(path);
    if (!children) return;
    this.#children.delete(path);
    found.gone.add(path);
    for (const name of children) this.#forget(below(path, name), found);
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

const isFresh = (entry: Entry) => entry.kind === "file" && Math.abs(Date.now() - entry.mtimeMs) < TICK_MS;
