/**
 * statx(2) of a path, without following a symlink, for walks over many files: Node's lstat creates four dates for each file,
 * and takes three times as long until it is compiled. Paths are resolved in the calling thread's root.
 */
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "./abi.ts";
import { libc } from "./libc.ts";

const S_IFMT = 0o170000;
/** The requested fields: STATX_BASIC_STATS. */
const BASIC = 0x7ff;
const SIZE = 256;

const statxText = libc.func("statx", "int", ["int", "str", "int", "uint32", "void *"]);
const statxBytes = libc.func("statx", "int", ["int", "void *", "int", "uint32", "void *"]);
const bytes = Buffer.alloc(SIZE);
const fields = new DataView(bytes.buffer, bytes.byteOffset, SIZE);
const END = Buffer.alloc(1);
const NOT_ASCII = /[^\x01-\x7f]/;

const wide = (at: number) => fields.getUint32(at, true) + fields.getUint32(at + 4, true) * 2 ** 32;
/** Milliseconds since 1970 of a struct statx_timestamp. */
const momentAt = (at: number) =>
  Number(fields.getBigInt64(at, true)) * 1000 + fields.getUint32(at + 8, true) / 1e6;
/** The kernel's 64-bit dev_t from its major and minor numbers, if they fit (makedev(3)). */
const deviceAt = (at: number) => {
  const [major, minor] = [fields.getUint32(at, true), fields.getUint32(at + 4, true)];
  return (minor & 0xff) + (major & 0xfff) * 2 ** 8 + (minor >>> 8) * 2 ** 20 + (major >>> 12) * 2 ** 44;
};

/** The state of a file that copies and digests need; compatible with Node's Stats. */
export interface FileState {
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly dev: number;
  readonly ino: number;
  readonly size: number;
  readonly rdev: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  isFIFO(): boolean;
  isCharacterDevice(): boolean;
  isBlockDevice(): boolean;
}

/** The result of statx(2), with the offsets of struct statx in linux/stat.h. */
class Statx implements FileState {
  readonly nlink = fields.getUint32(16, true);
  readonly uid = fields.getUint32(20, true);
  readonly gid = fields.getUint32(24, true);
  readonly mode = fields.getUint16(28, true);
  readonly ino = wide(32);
  readonly size = wide(40);
  readonly ctimeMs = momentAt(96);
  readonly mtimeMs = momentAt(112);
  readonly rdev = deviceAt(128);
  readonly dev = deviceAt(136);

  isFile(): boolean {
    return (this.mode & S_IFMT) === 0o100000;
  }

  isDirectory(): boolean {
    return (this.mode & S_IFMT) === 0o040000;
  }

  isSymbolicLink(): boolean {
    return (this.mode & S_IFMT) === 0o120000;
  }

  isFIFO(): boolean {
    return (this.mode & S_IFMT) === 0o010000;
  }

  isCharacterDevice(): boolean {
    return (this.mode & S_IFMT) === 0o020000;
  }

  isBlockDevice(): boolean {
    return (this.mode & S_IFMT) === 0o060000;
  }
}

/**
 * The state of a path (a binary string), without following a symlink; undefined on failure, for which lstat gives the reason.
 */
export function stateOf(path: string): FileState | undefined {
  const isText = !NOT_ASCII.test(path);
  if (!isText && path.includes("\0")) return undefined;
  const result = !isText
    ? statxBytes(
        AT_FDCWD,
        Buffer.concat([Buffer.from(path, "latin1"), END]),
        AT_SYMLINK_NOFOLLOW,
        BASIC,
        bytes,
      )
    : statxText(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, BASIC, bytes);
  return result === 0 ? new Statx() : undefined;
}
