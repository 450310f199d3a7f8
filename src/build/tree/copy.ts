/** Copies the sources of a COPY or ADD from one root to another. The thread uses both roots: each part says which. */
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  readSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { posix } from "node:path";
import { BayError } from "../../core/errors.ts";
import { binary, bytesOf } from "../../image/for-workers.ts";
import {
  type FileState,
  getXattrs,
  makeNode,
  setTimes,
  setXattr,
  type ThreadRoot,
} from "../../linux/index.ts";
import type { IgnorePatterns } from "../ignore.ts";
import { isKept } from "./digest.ts";
import { makeDirectories, notDirectory, ROOT, resolveIn, shown } from "./directories.ts";
import { parseMode } from "./mode.ts";
import { below, type Found, type Match } from "./select.ts";
import type { CopyOptions } from "./tasks.ts";
import { isArchive, unpackArchive } from "./unpack-archive.ts";

const CHUNK = 1 << 20;
const chunk = Buffer.allocUnsafeSlow(CHUNK);

interface Places {
  source: ThreadRoot;
  target: ThreadRoot;
  options: CopyOptions;
  /** Owners and attributes are copied: the source is an image. */
  isImage: boolean;
  /** Directories of the target that get the time of a directory in the source. */
  directories: Map<string, FileState>;
}

/**
 * Copies in the order of the matches, as BuildKit does: if two files have one target, the later one is kept. Without a match
 * nothing is created. Throws BAD_TARGET.
 */
export function copyMatches(
  roots: Omit<Places, "directories">,
  matches: readonly Match[],
  ignore: IgnorePatterns,
  excludes: IgnorePatterns,
): void {
  const places: Places = { ...roots, directories: new Map() };
  const { source, target, options } = places;
  if (matches.length === 0) return;
  target.enter();
  if (options.target.endsWith("/")) makeDirectories(binary(options.target), options);
  for (const match of matches) {
    source.enter();
    if (options.unpack && match.stat.isFile() && isArchive(match.place)) {
      unpackArchive(places, match.place);
      continue;
    }
    copyMatch(places, match, targetOf(places, match), ignore, excludes);
  }
  target.enter();
  // creating a file in a directory changes the directory's time
  for (const [place, stat] of [...places.directories].reverse()) setTime(places, place, stat);
}

/** The target of a match: a directory's contents go into the target, a file keeps its name if the target is a directory. */
function targetOf({ target, options }: Places, match: Match): string {
  target.enter();
  const base = resolveIn(binary(options.target));
  if (options.parents) return posix.join(base, ...keptParts(match));
  if (match.stat.isDirectory()) return base;
  return statOf(base)?.isDirectory() ? posix.join(base, name(match)) : base;
}

const name = (match: Match) => posix.basename(match.path);

function statOf(path: string): FileState | undefined {
  return statSync(bytesOf(path), { throwIfNoEntry: false });
}

function copyMatch(
  places: Places,
  match: Match,
  at: string,
  ignore: IgnorePatterns,
  excludes: IgnorePatterns,
): void {
  const { source, target, options } = places;
  target.enter();
  if (options.parents) makeParents(places, match, at);
  else makeDirectories(posix.dirname(at), options);
  const files = below(match, ignore, excludes);
  const links = new Map<string, string>();
  for (;;) {
    source.enter();
    const { value: found, done } = files.next();
    if (done) break;
    const place = posix.join(at, found.path);
    if (found.stat.isDirectory()) {
      target.enter();
      places.directories.delete(place); // the last source determines the time, after its parents
      places.directories.set(place, found.stat);
      // an existing target gets the source's time and keeps its owner and mode
      if (found.path === "" && !options.parents) {
        makeDirectories(place, options);
        continue;
      }
      makeDirectory(place);
      setOwnerAndMode(places, place, found.stat);
    } else copyFile(places, found, place, links);
  }
}

/** The parent directories of a source, with their owners, modes and times (COPY --parents). */
function makeParents(places: Places, match: Match, at: string): void {
  const { source, target, options } = places;
  const above = match.path.split("/").slice(0, -1);
  const kept = above.slice(match.skipped);
  let place = kept.reduce((below) => posix.dirname(below), posix.dirname(at));
  makeDirectories(place, options);
  for (const [index, part] of kept.entries()) {
    place = posix.join(place, part);
    source.enter();
    const stat = statSync(bytesOf(`/${above.slice(0, match.skipped + index + 1).join("/")}`));
    target.enter();
    const isNew = !lstatSync(bytesOf(place), { throwIfNoEntry: false });
    makeDirectory(place);
    if (!isNew) continue;
    setOwnerAndMode(places, place, stat);
    places.directories.set(place, stat);
  }
}

/** The parts of a source's path that COPY --parents keeps. */
const keptParts = ({ path, skipped }: Match) => path.split("/").slice(skipped);

function makeDirectory(place: string): void {
  const known = lstatSync(bytesOf(place), { throwIfNoEntry: false });
  if (known?.isDirectory()) return;
  if (known) throw notDirectory(place);
  mkdirSync(bytesOf(place));
}

function copyFile(places: Places, found: Found, place: string, links: Map<string, string>): void {
  const { source, target } = places;
  const { stat } = found;
  const from = bytesOf(found.place);
  const at = bytesOf(place);
  const inode = stat.nlink > 1 ? `${stat.dev}:${stat.ino}` : undefined;
  const first = inode && links.get(inode);
  source.enter();
  const xattrs = places.isImage && !stat.isSymbolicLink() ? getXattrs(from) : new Map<string, Buffer>();
  const link = stat.isSymbolicLink() ? readlinkSync(from, "buffer") : undefined;
  const content = stat.isFile() && !first ? openSync(from, "r") : -1;
  try {
    target.enter();
    makeRoom(place);
    if (first) return linkSync(bytesOf(first), at);
    if (inode) links.set(inode, place);
    if (link) symlinkSync(link, at);
    else if (stat.isFile()) return writeFile(places, content, at, stat, xattrs);
    else if (!makeSpecial(at, stat)) return;
    setOwnerAndMode(places, place, stat);
    setAttributes(at, xattrs);
    setTime(places, place, stat);
  } finally {
    if (content >= 0) closeSync(content);
  }
}

/** A file replaces anything except a directory. */
function makeRoom(place: string): void {
  const known = lstatSync(bytesOf(place), { throwIfNoEntry: false });
  if (known?.isDirectory())
    throw new BayError(
      "BAD_TARGET",
      `the directory ${JSON.stringify(shown(place))} cannot be replaced by a file`,
    );
  if (known) unlinkSync(bytesOf(place));
}

function makeSpecial(at: Buffer, stat: FileState): boolean {
  const kind = stat.isFIFO()
    ? "fifo"
    : stat.isCharacterDevice()
      ? "char"
      : stat.isBlockDevice()
        ? "block"
        : "";
  return kind !== "" && makeNode(at, kind, stat.mode & 0o7777, stat.rdev);
}

function writeFile(
  places: Places,
  from: number,
  at: Buffer,
  stat: FileState,
  xattrs: ReadonlyMap<string, Buffer>,
): void {
  const { owner, mode, mtime } = attributesOf(places, stat);
  const to = openSync(at, "wx", 0o600);
  try {
    for (
      let count = readSync(from, chunk, 0, CHUNK, null);
      count > 0;
      count = readSync(from, chunk, 0, CHUNK, null)
    )
      for (let done = 0; done < count; ) done += writeSync(to, chunk, done, count - done);
    fchownSync(to, owner.uid, owner.gid);
    fchmodSync(to, mode); // after chown, which clears the setuid bits
    setAttributes(at, xattrs);
    setTimes(to, mtime.seconds, mtime.nanoseconds);
  } finally {
    closeSync(to);
  }
}

function attributesOf({ options, isImage }: Places, stat: FileState) {
  const seconds = Math.floor(stat.mtimeMs / 1000);
  const isNewer = options.newest !== undefined && seconds >= options.newest;
  return {
    owner: options.owner ?? (isImage ? { uid: stat.uid, gid: stat.gid } : ROOT),
    mode: modeOf(options, stat.mode & 0o7777, stat.isDirectory()),
    mtime: isNewer
      ? { seconds: options.newest!, nanoseconds: 0 }
      : { seconds, nanoseconds: Math.floor((stat.mtimeMs - seconds * 1000) * 1e6) },
  };
}

function modeOf({ mode }: CopyOptions, before: number, isDirectory: boolean): number {
  return mode === undefined ? before : parseMode(mode)(before, isDirectory);
}

function setOwnerAndMode(places: Places, place: string, stat: FileState): void {
  const { owner, mode } = attributesOf(places, stat);
  lchownSync(bytesOf(place), owner.uid, owner.gid);
  if (!stat.isSymbolicLink()) chmodSync(bytesOf(place), mode);
}

function setAttributes(at: Buffer, xattrs: ReadonlyMap<string, Buffer>): void {
  for (const [key, value] of xattrs) if (isKept(key)) setXattr(at, key, value);
}

function setTime(places: Places, place: string, stat: FileState): void {
  const { mtime } = attributesOf(places, stat);
  setTimes(bytesOf(place), mtime.seconds, mtime.nanoseconds);
}

/** Writes files with given content: here-documents and downloads. Runs in the target's root. */
export function writeGiven(files: readonly { name: string; content: string }[], options: CopyOptions): void {
  const intoDirectory = options.target.endsWith("/") || files.length > 1;
  if (intoDirectory) makeDirectories(binary(options.target), options);
  for (const { name: file, content } of files) {
    const base = resolveIn(binary(options.target));
    const isDirectory = intoDirectory || statOf(base)?.isDirectory();
    const place = isDirectory ? posix.join(base, binary(file)) : base;
    makeDirectories(posix.dirname(place), options);
    makeRoom(place);
    const fd = openSync(bytesOf(place), "wx", 0o600);
    const { owner = ROOT, newest } = options;
    try {
      writeSync(fd, content);
      fchownSync(fd, owner.uid, owner.gid);
      fchmodSync(fd, modeOf(options, 0o644, false));
      if (newest !== undefined) setTimes(fd, newest, 0);
    } finally {
      closeSync(fd);
    }
  }
}
