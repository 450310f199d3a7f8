/**
 * Unpacks one layer into a directory, from inside that directory as root of the file system, so that no name or symlink in
 * the archive can lead outside. OCI whiteouts (image-spec layer.md) become overlayfs's.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { posix } from "node:path";
import { BayError, hasCode, messageOf } from "../../core/errors.ts";
import { makedev, makeNode, setTimes, setXattr } from "../../linux/index.ts";
import { bytesOf, type TarEntry } from "../tar/header.ts";
import { type ReadBytes, readTar } from "../tar/read.ts";
import { checkFileCount } from "./bounds.ts";

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** The prefix of aufs's own files in layers. */
const AUFS = ".wh..wh.";
const CHUNK = 1 << 20;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const KNOWN_DIRECTORIES = 20_000;

/** How an archive is handled. */
interface Kind {
  /** For messages: "the image". */
  where: string;
  /** The archive's root is an entry, whose attributes are applied. */
  hasRoot: boolean;
  hasWhiteouts: boolean;
  /** Extended attributes of overlayfs are kept. */
  keepsOverlay: boolean;
  /** Device files are created. */
  makesDevices: boolean;
  /** The number of files is limited like that of a layer. */
  countsFiles: boolean;
  needsEnd: boolean;
}

const FILES: Kind = {
  where: "the image",
  hasRoot: false,
  hasWhiteouts: false,
  keepsOverlay: false,
  makesDevices: true,
  countsFiles: true,
  needsEnd: false,
};
const LAYER: Kind = { ...FILES, hasRoot: true, hasWhiteouts: true };
const VOLUME: Kind = {
  ...FILES,
  where: "the volume",
  hasRoot: true,
  keepsOverlay: true,
  countsFiles: false,
  needsEnd: true,
};

/**
 * Unpacks a layer into the thread's root, or a directory of it. Throws BAD_LAYER for an entry that would leave it, BAD_TAR
 * for bad archives.
 */
export function unpackHere(read: ReadBytes, directory = "/"): void {
  new Unpacker(directory, LAYER).unpack(read);
}

/**
 * Unpacks the backup of a volume into the thread's root, with all attributes; whiteouts have no meaning there. Device files
 * are created with `devices`, and are an error otherwise. Returns the number of entries, and of extended attributes that the
 * file system does not support. Throws like `unpackHere`, and BAD_TAR if the end marker is missing.
 */
export function unpackVolume(
  read: ReadBytes,
  devices: boolean,
  directory = "/",
): { entries: number; lostAttributes: number } {
  const unpacker = new Unpacker(directory, { ...VOLUME, makesDevices: devices });
  const entries = unpacker.unpack(read);
  return { entries, lostAttributes: unpacker.lostAttributes };
}

/**
 * Unpacks an archive into a directory of the thread's root; whiteouts have no meaning there. The directory is a binary
 * string. Throws like `unpackHere`, and BAD_REQUEST for what `keepKinds` does not allow.
 */
export function unpackInto(directory: string, read: ReadBytes, options: UnpackOptions = {}): void {
  new Unpacker(directory, FILES, options).unpack(read);
}

export interface UnpackOptions {
  /** If given, everything belongs to this owner. */
  owner?: { uid: number; gid: number } | undefined;
  /** A directory and another kind of file must not replace each other. */
  keepKinds?: boolean;
}

/** Throws BAD_REQUEST if an entry would replace a directory by another kind of file, or the other way round. */
function checkKind(entry: TarEntry, at: Buffer): void {
  const known = lstatSync(at, { throwIfNoEntry: false });
  if (!known || known.isDirectory() === (entry.type === "directory")) return;
  const [old, fresh] = known.isDirectory() ? ["directory", "non-directory"] : ["non-directory", "directory"];
  throw new BayError(
    "BAD_REQUEST",
    `cannot overwrite the ${old} ${JSON.stringify(shown(entry.name))} with a ${fresh}`,
  );
}

/** Paths in here are binary strings, absolute in the thread's root. */
class Unpacker {
  readonly #directories: TarEntry[] = [];
  /** Directories that are known to exist, so that not every file checks them again. */
  readonly #known = new Set<string>(["/"]);

  constructor(
    readonly base: string,
    readonly kind: Kind,
    readonly options: UnpackOptions = {},
  ) {}

  /** The number of extended attributes that the file system does not support. */
  lostAttributes = 0;

  /** Returns the number of entries. */
  unpack(read: ReadBytes): number {
    let count = 0;
    readTar(
      read,
      (entry, content) => {
        count += 1;
        if (this.kind.countsFiles) checkFileCount(count);
        this.#entry(entry, content);
        return undefined;
      },
      { needsEnd: this.kind.needsEnd },
    );
    // creating a file inside a directory changes the directory's time, so directories come last
    for (const entry of this.#directories.reverse()) {
      const path = this.#place(entry.name, "entry");
      if (lstatSync(bytesOf(path), { throwIfNoEntry: false })?.isDirectory())
        setTimes(bytesOf(path), entry.mtime, entry.nanoseconds);
    }
    return count;
  }

  #entry(entry: TarEntry, content: ReadBytes): void {
    if (entry.name === "" && (entry.type !== "directory" || !this.kind.hasRoot)) return;
    const path = this.#place(entry.name, "entry");
    const name = posix.basename(path);
    const isWhiteout = this.kind.hasWhiteouts && name.startsWith(WHITEOUT);
    if (entry.type === "directory" && !isWhiteout) this.#directories.push(entry);
    try {
      if (isWhiteout) this.#hide(path, name);
      else this.#extract(entry, path, content);
    } catch (cause) {
      if (cause instanceof BayError || hasCode(cause, "ENOSPC", "EDQUOT")) throw cause;
      const message = `entry ${shown(entry.name)} cannot be unpacked: ${messageOf(cause)} (in ${this.kind.where})`;
      throw new BayError("BAD_LAYER", message, { cause });
    }
  }

  /** An absolute path inside the root. A `..` that leaves it is rejected, not clamped: no honest layer contains one. */
  #place(name: string, what: string): string {
    if (name.includes("\0")) throw new BayError("BAD_LAYER", `an ${what} name has a NUL byte`);
    const normal = posix.normalize(name);
    if (normal === ".." || normal.startsWith("../"))
      throw new BayError(
        "BAD_LAYER",
        `${what} ${JSON.stringify(shown(name))} is outside of ${this.kind.where}`,
      );
    return posix.join(this.base, normal);
  }

  #hide(path: string, name: string): void {
    const directory = posix.dirname(path);
    if (name === OPAQUE) {
      this.#makeParents(directory);
      setXattr(bytesOf(directory), "trusted.overlay.opaque", Buffer.from("y"));
      return;
    }
    if (name.startsWith(AUFS)) return;
    const hidden = name.slice(WHITEOUT.length);
    if (hidden === "" || hidden === "." || hidden === "..")
      throw new BayError("BAD_LAYER", `the whiteout ${JSON.stringify(name)} has no file name`);
    this.#makeParents(directory);
    this.#remove(posix.join(directory, hidden));
    makeNode(bytesOf(posix.join(directory, hidden)), "char", 0, 0);
  }

  #makeParents(directory: string): void {
    if (this.#known.has(directory)) return;
    mkdirSync(bytesOf(directory), { recursive: true, mode: 0o755 });
    if (this.#known.size >= KNOWN_DIRECTORIES) this.#known.clear();
    this.#known.add(directory);
  }

  #remove(path: string): void {
    rmSync(bytesOf(path), { recursive: true, force: true });
    this.#known.clear();
  }

  /** Creates something at a path; removes an existing file there. */
  #make<T>(path: string, action: (at: Buffer) => T): T {
    const at = bytesOf(path);
    try {
      return action(at);
    } catch (error) {
      if (!hasCode(error, "EEXIST", "ELOOP", "EISDIR")) throw error;
      this.#remove(path);
      return action(at);
    }
  }

  #extract(entry: TarEntry, path: string, content: ReadBytes): void {
    this.#makeParents(posix.dirname(path));
    const at = bytesOf(path);
    if (this.options.keepKinds) checkKind(entry, at);
    switch (entry.type) {
      case "file":
        return this.#file(entry, path, content);
      case "hardlink": {
        const target = this.#place(entry.linkName.replace(/^\/+/, ""), "link target");
        if (target !== path) this.#make(path, (to) => linkSync(bytesOf(target), to));
        return; // an inode gets its attributes with its first name
      }
      case "directory":
        this.#directory(path);
        break;
      case "symlink":
        this.#make(path, (to) => symlinkSync(bytesOf(entry.linkName), to));
        break;
      default:
        this.#device(entry, path);
    }
    const { uid, gid } = this.options.owner ?? entry;
    lchownSync(at, uid, gid);
    if (entry.type !== "symlink") chmodSync(at, entry.mode); // after chown, which clears the setuid bits
    this.#setAttributes(at, entry);
    if (entry.type !== "directory") setTimes(at, entry.mtime, entry.nanoseconds);
  }

  #directory(path: string): void {
    if (path === "/") return;
    const at = bytesOf(path);
    try {
      mkdirSync(at);
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
      if (!lstatSync(at).isDirectory()) {
        this.#remove(path);
        mkdirSync(at);
      }
    }
    this.#known.add(path);
  }

  #device(entry: TarEntry, path: string): void {
    const { type, mode, devMajor, devMinor } = entry;
    if (type !== "char" && type !== "block" && type !== "fifo") return;
    if (type !== "fifo" && !this.kind.makesDevices)
      throw new BayError(
        "DEVICE_FILE",
        `the archive has the device file ${JSON.stringify(shown(entry.name))}`,
        {
          hint: "use --devices to create device files",
        },
      );
    if (lstatSync(bytesOf(path), { throwIfNoEntry: false })) this.#remove(path);
    if (!makeNode(bytesOf(path), type, mode, makedev(devMajor, devMinor)))
      throw new BayError("BAD_LAYER", `the device ${JSON.stringify(path)} could not be created`);
  }

  #setAttributes(at: Buffer, { xattrs }: TarEntry): void {
    for (const [name, value] of xattrs) {
      // an image must not set attributes of overlayfs
      if (name.startsWith("trusted.overlay.") && !this.kind.keepsOverlay) continue;
      if (!setXattr(at, name, value)) this.lostAttributes += 1;
    }
  }

  #file(entry: TarEntry, path: string, content: ReadBytes): void {
    const fd = this.#make(path, (at) => openSync(at, NEW_FILE, 0o600));
    try {
      if (entry.sparse) writeSparse(fd, entry.sparse, content);
      else writeContent(fd, content);
      const { uid, gid } = this.options.owner ?? entry;
      fchownSync(fd, uid, gid);
      fchmodSync(fd, entry.mode);
      if (entry.xattrs.size > 0) this.#setAttributes(bytesOf(path), entry); // after chown, which clears capabilities
      setTimes(fd, entry.mtime, entry.nanoseconds);
    } finally {
      closeSync(fd);
    }
  }
}

/** A name for a message: control characters must not reach a terminal. */
function shown(name: string): string {
  return bytesOf(name).toString("utf8").replace(/\p{C}/gu, "?");
}

function writeAll(fd: number, bytes: Buffer, position: number | null): void {
  for (let at = 0; at < bytes.length; )
    at += writeSync(fd, bytes, at, bytes.length - at, position === null ? null : position + at);
}

function writeContent(fd: number, content: ReadBytes): void {
  for (let part = content(CHUNK); part.length > 0; part = content(CHUNK)) writeAll(fd, part, null);
}

function writeSparse(
  fd: number,
  { pieces, size }: NonNullable<TarEntry["sparse"]>,
  content: ReadBytes,
): void {
  for (const { offset, length } of pieces) {
    for (let left = length; left > 0; ) {
      const part = content(Math.min(CHUNK, left));
      if (part.length === 0) throw new BayError("BAD_TAR", "a sparse file is shorter than its map");
      writeAll(fd, part, offset + length - left);
      left -= part.length;
    }
  }
  ftruncateSync(fd, size);
}
