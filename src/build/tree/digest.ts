/**
 * A digest of everything that a copy of files preserves: names, kinds, modes, owners, contents, link targets and
 * attributes, but not times. Contents are not read again if a file's metadata shows that it was not written.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, readlinkSync, readSync, writeFileSync } from "node:fs";
import { posix } from "node:path";
import { bytesOf } from "../../image/for-workers.ts";
import { type FileState, getXattrs } from "../../linux/index.ts";
import type { IgnorePatterns } from "../ignore.ts";
import { below, type Match } from "./select.ts";

const CHUNK = 1 << 18;
const chunk = Buffer.allocUnsafeSlow(CHUNK);
/** A file that was just written may be written again within the same tick of the file system's clock. */
const SETTLED = 2000;

/** A file's metadata when its content was read, as numbers that are compared, and the content's digest. */
type Known = [dev: number, ino: number, size: number, mtimeMs: number, ctimeMs: number, digest: string];

/** Digests of contents by file, with the metadata at that time. */
export class DigestCache {
  readonly #old: Map<string, Known>;
  readonly #new = new Map<string, Known>();
  readonly #now = Date.now();

  constructor(readonly file: string | undefined) {
    this.#old = file === undefined ? new Map() : read(file);
  }

  digestOf(place: string, stat: FileState): string {
    const { dev, ino, size, mtimeMs, ctimeMs } = stat;
    const known = this.#old.get(place);
    if (
      known &&
      known[0] === dev &&
      known[1] === ino &&
      known[2] === size &&
      known[3] === mtimeMs &&
      known[4] === ctimeMs
    )
      return known[5];
    const digest = contentDigest(place);
    if (this.#now - ctimeMs > SETTLED) this.#new.set(place, [dev, ino, size, mtimeMs, ctimeMs, digest]);
    return digest;
  }

  /** Call it outside of any confinement: the file belongs to the host. */
  save(): void {
    if (this.file === undefined || this.#new.size === 0) return;
    // keep entries that another selection of the same directory used
    const all = new Map([...this.#old, ...this.#new]);
    writeFileSync(this.file, JSON.stringify([...all]), { mode: 0o600 });
  }
}

function read(file: string): Map<string, Known> {
  try {
    return new Map(JSON.parse(readFileSync(file, "utf8")) as [string, Known][]);
  } catch {
    return new Map(); // it does not exist, or a killed process wrote half of it
  }
}

function contentDigest(place: string): string {
  const hash = createHash("sha256");
  const fd = openSync(bytesOf(place), "r");
  try {
    for (;;) {
      const count = readSync(fd, chunk, 0, CHUNK, null);
      if (count === 0) return hash.digest("base64");
      hash.update(chunk.subarray(0, count));
    }
  } finally {
    closeSync(fd);
  }
}

/** `withOwners` is false for a context, whose owners are ignored. */
export function digestOf(
  matches: readonly Match[],
  ignore: IgnorePatterns,
  excludes: IgnorePatterns,
  withOwners: boolean,
  cache: DigestCache,
): string {
  const text = new HashedText();
  for (const match of matches) {
    text.add(`source ${match.stat.isDirectory() ? "directory" : posix.basename(match.path)}\0`);
    for (const { path, place, stat } of below(match, ignore, excludes))
      text.add(entryOf(path, place, stat, withOwners, cache));
  }
  return text.digest();
}

/** A hash that collects binary strings: a call for each costs more than the hashing itself. */
class HashedText {
  readonly #hash = createHash("sha256");
  #waiting = "";

  add(text: string): void {
    this.#waiting += text;
    if (this.#waiting.length < TOGETHER) return;
    this.#hash.update(this.#waiting, "latin1");
    this.#waiting = "";
  }

  digest(): string {
    return this.#hash.update(this.#waiting, "latin1").digest("hex");
  }
}
const TOGETHER = 1 << 16;

/** All relevant data of a file, as a binary string. */
function entryOf(
  path: string,
  place: string,
  stat: FileState,
  withOwners: boolean,
  cache: DigestCache,
): string {
  const owner = withOwners ? `${stat.uid}:${stat.gid}` : "";
  const content = stat.isFile()
    ? cache.digestOf(place, stat)
    : stat.isSymbolicLink()
      ? readlinkSync(bytesOf(place), "latin1")
      : stat.isCharacterDevice() || stat.isBlockDevice()
        ? String(stat.rdev)
        : "";
  const xattrs = withOwners && !stat.isSymbolicLink() ? [...getXattrs(bytesOf(place))] : [];
  const attributes = xattrs
    .filter(([name]) => isKept(name))
    .map(([name, value]) => `\0${name}\0${value.toString("latin1")}`);
  return `${path}\0${stat.mode.toString(8)}\0${owner}\0${content}${attributes.join("")}\n`;
}

/** Attributes that a copy preserves. */
export const isKept = (name: string): boolean => name.startsWith("user.") || name === "security.capability";
