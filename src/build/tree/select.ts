/** Finding the files that a COPY names: wildcards, what is ignored, and everything below directories. Paths are binary strings in the thread's root. */
import { lstatSync, readdirSync, realpathSync, statSync } from "node:fs";
import { posix } from "node:path";
import { BayError, hasCode } from "../../core/errors.ts";
import { binary, bytesOf } from "../../image/for-workers.ts";
import { type FileState, stateOf } from "../../linux/index.ts";
import { IgnorePatterns, toExpression } from "../ignore.ts";

/** A source that a pattern matched. */
export interface Match {
  /** Relative to the root, as written. */
  path: string;
  /** Its real path: symlinks are resolved. */
  place: string;
  stat: FileState;
  /** How many of the path's directories precede a `/./`; COPY --parents omits them. */
  skipped: number;
}

/** One file below a match. */
export interface Found {
  /** Relative to the match; empty for the match itself. */
  path: string;
  /** Absolute in the root. */
  place: string;
  stat: FileState;
}

const hasWildcard = (pattern: string) => /[*?[]/.test(pattern.replace(/\\./g, ""));
const text = (path: string) => bytesOf(path).toString("utf8");

/**
 * The files that the sources match; those of a wildcard are sorted. `excludes` removes files and matches of wildcards by
 * name; `below` applies it below directories. Throws NOT_FOUND, BAD_DOCKERFILE.
 */
export function matchSources(
  sources: readonly string[],
  ignore: IgnorePatterns,
  excludes: IgnorePatterns,
): Match[] {
  const isExcluded = ({ path, stat }: Match, isFound: boolean) =>
    !excludes.isEmpty && (isFound || !stat.isDirectory()) && excludes.matches(text(posix.basename(path)));
  return sources.flatMap((source) => {
    const pattern = posix.join("/", binary(source)).slice(1).replace(/\/$/, "");
    const names = hasWildcard(pattern) ? expandWildcard(pattern) : [unescaped(pattern)];
    const pivot = source.indexOf("/./");
    const before = pivot === -1 ? [] : posix.join("/", source.slice(0, pivot)).split("/").filter(Boolean);
    return names.flatMap((path) => {
      const known = lookUp(path);
      const found = known && { ...known, skipped: before.length };
      const isIgnored = isLeftOut(path, found, ignore);
      if (found && !isIgnored) return isExcluded(found, hasWildcard(pattern)) ? [] : [found];
      // a wildcard skips ignored files, but not broken links
      if (hasWildcard(pattern) && (!isLink(path) || ignore.matches(text(path)))) return [];
      const why = isIgnored
        ? "is excluded by the ignore file"
        : isLink(path)
          ? "is a symbolic link to a file that does not exist"
          : "does not exist";
      throw new BayError("NOT_FOUND", `${JSON.stringify(text(path))} ${why}`);
    });
  });
}

/**
 * Whether the ignore file excludes a source. Its patterns apply to real paths: a link to an excluded file is excluded,
 * and so is an excluded link.
 */
function isLeftOut(path: string, found: Match | undefined, ignore: IgnorePatterns): boolean {
  if (ignore.isEmpty || path === "") return false;
  if (!found) return ignore.matches(text(path));
  if (found.place !== `/${path}` && linksOf(path).some((link) => ignore.matches(text(link)))) return true;
  const place = found.place.slice(1);
  return place !== "" && ignore.matches(text(place)) && !hasKept(found, ignore);
}

/** The places of the symlinks in a path, each with its parents resolved. */
function linksOf(path: string): string[] {
  let folder = "/";
  return path.split("/").flatMap((part) => {
    const at = posix.join(folder, part);
    folder = realpathSync(bytesOf(at), "latin1") as unknown as string;
    return lstatSync(bytesOf(at)).isSymbolicLink() ? [at.slice(1)] : [];
  });
}

const isLink = (path: string) => {
  const stat = exists(path) ? lstatSync(bytesOf(`/${path}`)) : undefined;
  return stat?.isSymbolicLink() ?? false;
};

const NO_PATTERNS = new IgnorePatterns([]);

/** An ignored directory is in the context only if a later pattern includes something in it again. */
function hasKept(match: Match, ignore: IgnorePatterns): boolean {
  if (!match.stat.isDirectory() || !ignore.mayTakeBack) return false;
  return !walk(match, "", ignore, NO_PATTERNS).next().done;
}

const unescaped = (pattern: string) => pattern.replace(/\\(.)/g, "$1");

function lookUp(path: string): Omit<Match, "skipped"> | undefined {
  try {
    const place = realpathSync(bytesOf(posix.join("/", path)), "latin1") as unknown as string;
    return { path, place, stat: statSync(bytesOf(place)) };
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}

/** Throws BAD_DOCKERFILE. */
function expressionOf(pattern: string): RegExp {
  try {
    return toExpression(text(pattern));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new BayError("BAD_DOCKERFILE", error.message, {
      hint: "write a backslash before [ to match the character",
      cause: error,
    });
  }
}

/** Go's filepath.Match for each part; `**` for any number of them. */
function expandWildcard(pattern: string): string[] {
  const parts = pattern.split("/");
  let found = [""];
  for (const [index, part] of parts.entries()) {
    if (!hasWildcard(part)) {
      found = found.map((path) => posix.join(path, unescaped(part)));
      continue;
    }
    if (part === "**") {
      const rest = expressionOf(parts.slice(index).join("/"));
      return found
        .flatMap((base) =>
          everythingBelow(base).filter((path) =>
            rest.test(text(path.slice(base === "" ? 0 : base.length + 1))),
          ),
        )
        .sort();
    }
    const expression = expressionOf(part);
    found = found.flatMap((path) =>
      namesIn(path)
        .filter((name) => expression.test(text(name)))
        .map((name) => posix.join(path, name)),
    );
  }
  return found.filter(exists).sort();
}

/** False also if a part of the path is a file: `*` matches files beside directories. */
function exists(path: string): boolean {
  try {
    return lstatSync(bytesOf(`/${path}`), { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (hasCode(error, "ENOTDIR", "ELOOP")) return false;
    throw error;
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(bytesOf(posix.join("/", path)), "latin1").sort();
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

function everythingBelow(base: string): string[] {
  return namesIn(base).flatMap((name) => {
    const path = posix.join(base, name);
    const isDirectory = lstatSync(bytesOf(`/${path}`), { throwIfNoEntry: false })?.isDirectory();
    return isDirectory ? [path, ...everythingBelow(path)] : [path];
  });
}

/** A match and everything below it, parents first. Directories that are completely ignored are left out. */
export function* below(match: Match, ignore: IgnorePatterns, excludes: IgnorePatterns): Generator<Found> {
  yield { path: "", place: match.place, stat: match.stat };
  if (match.stat.isDirectory()) yield* walk(match, "", ignore, excludes);
}

/** Everything below one of the match's directories. This is the hot loop of a build with an unchanged context. */
function* walk(
  match: Match,
  directory: string,
  ignore: IgnorePatterns,
  excludes: IgnorePatterns,
): Generator<Found> {
  const prefix = match.place === "/" ? "/" : `${match.place}/`;
  const names = (path: string) => readdirSync(native(`${prefix}${path}`), "latin1").sort();
  const isSelective = !ignore.isEmpty || !excludes.isEmpty;
  const mayTakeBack = ignore.mayTakeBack || excludes.mayTakeBack;
  // an explicit stack: with nested generators each file would pass through all of them
  const open = [{ directory, names: names(directory), next: 0 }];
  for (let top = open.at(-1); top; top = open.at(-1)) {
    const name = top.names[top.next++];
    if (name === undefined) {
      open.pop();
      continue;
    }
    const path = top.directory === "" ? name : `${top.directory}/${name}`;
    const isLeftOut =
      isSelective &&
      ((!ignore.isEmpty && ignore.matches(text(`${prefix}${path}`.slice(1)))) ||
        (!excludes.isEmpty && excludes.matches(text(path))));
    if (isLeftOut && !mayTakeBack) continue;
    const place = `${prefix}${path}`;
    const stat = stateOf(place) ?? lstatSync(native(place), { throwIfNoEntry: false });
    if (!stat) continue; // it was removed in the meantime
    if (isLeftOut) {
      if (!stat.isDirectory()) continue;
      const kept = [...walk(match, path, ignore, excludes)];
      if (kept.length > 0) yield { path, place, stat };
      yield* kept;
      continue;
    }
    yield { path, place, stat };
    if (stat.isDirectory()) open.push({ directory: path, names: names(path), next: 0 });
  }
}

const NOT_ASCII = /[^\0-\x7f]/;

/** A binary string in the form that Node handles fastest: as text if that is equal. */
const native = (path: string): string | Buffer => (NOT_ASCII.test(path) ? bytesOf(path) : path);
