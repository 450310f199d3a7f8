/**
 * Paths that a container chooses (its image, the stack file, a client). Each is resolved below the container's root, and
 * never through a magic link of /proc (proc(5): /proc/PID/fd, root, cwd, exe, ns), which could lead outside. See openat2(2),
 * RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS.
 *
 * The working directory is the container's root while these records run.
 */
import { posix } from "node:path";
import * as abi from "../abi.ts";
import type { ProgramBuilder } from "../program.ts";
import type { Word } from "../program-format.ts";
import { IN_ROOT, NO_LINKS } from "../safe-path.ts";
import { SPARE_PAGE } from "../shim-code.ts";
import { closePassing, NEXT_PASSING, PASSING } from "./descriptors.ts";

const ELOOP = 40;
const FUTEX_CMP_REQUEUE_PRIVATE = 4 | 128;
const PATH_MAX = 4096;
const STATX_TYPE = 1;
/** The offset of stx_rdev_major; stx_rdev_minor follows. */
const STATX_MAJOR = 128;

/** Kernel file systems (statfs(2), f_type), over which only bay itself may mount. */
const KERNEL_FILE_SYSTEMS = {
  proc: 0x9fa0,
  sysfs: 0x62656572,
  cgroup: 0x27e0eb,
  cgroup2: 0x63677270,
} as const;

export const FILE_SYSTEMS = { ...KERNEL_FILE_SYSTEMS, devpts: 0x1cd1 } as const;

export interface Resolution {
  /** The path must not contain symlinks. */
  noSymlinks?: boolean;
  /** The directory in which the path begins; the container's root by default. */
  directory?: Word;
  about?: string;
}

/** Opens a path as the passing descriptor (see descriptors.ts). Fails with ELOOP at a magic link. */
export function openInContainer(
  program: ProgramBuilder,
  path: string,
  flags: number,
  { noSymlinks, directory = abi.AT_FDCWD, about = `open ${path}` }: Resolution = {},
): void {
  const how = program.constant([flags | abi.O_CLOEXEC, 0, noSymlinks ? NO_LINKS : IN_ROOT]);
  const reason = noSymlinks ? "the path has a symbolic link" : "the path goes through a magic link of /proc";
  program.call("openat2", [directory, path, how, 24], { about, reasons: { [ELOOP]: reason } });
}

/** The directories that a program has already created. */
const madeBy = new WeakMap<ProgramBuilder, Set<string>>();

/** Creates the directories of a path that do not exist. */
export function makeDirectories(program: ProgramBuilder, path: string, about: string): void {
  const made = madeBy.get(program) ?? new Set();
  madeBy.set(program, made);
  const parts = posix.normalize(path).split("/").filter(Boolean);
  parts.forEach((name, index) => {
    const directory = parts.slice(0, index + 1).join("/");
    if (made.has(directory)) return;
    made.add(directory);
    makeIn(program, parts.slice(0, index), about, (parent) => {
      program.call("mkdirat", [parent, name, 0o755], { ignore: true });
    });
  });
}

/** Creates a mount point: a directory, or an empty file. An existing one is kept. */
export function makeMountPoint(program: ProgramBuilder, path: string, isFile: boolean, about: string): void {
  if (!isFile) return makeDirectories(program, path, about);
  const parts = posix.normalize(path).split("/").filter(Boolean);
  const name = parts.pop() ?? "";
  makeDirectories(program, parts.join("/"), about);
  makeIn(program, parts, about, (parent) => {
    program.call("mknodat", [parent, name, abi.S_IFREG | 0o644, 0], { ignore: true });
  });
}

/** Called when a path is mounted over: the directories that were created below it are hidden. */
export function coverDirectories(program: ProgramBuilder, path: string): void {
  const made = madeBy.get(program) ?? new Set();
  const below = `${posix.normalize(path).slice(1)}/`;
  for (const directory of made) if (directory.startsWith(below)) made.delete(directory);
}

/** Creates a file or directory in a directory; its path contains no symbolic link. */
function makeIn(
  program: ProgramBuilder,
  parent: readonly string[],
  about: string,
  make: (directory: number) => void,
): void {
  if (parent.length === 0) return make(abi.AT_FDCWD);
  openInContainer(program, parent.join("/"), abi.O_PATH | abi.O_DIRECTORY, { about });
  make(PASSING);
  closePassing(program);
}

/** Attaches a detached mount to the path of the passing descriptor, and closes both unless they have fixed numbers. */
export function attach(program: ProgramBuilder, mount: number, place: number, about: string): void {
  const flags = abi.MOVE_MOUNT_F_EMPTY_PATH | abi.MOVE_MOUNT_T_EMPTY_PATH;
  program.call("move_mount", [mount, "", place, "", flags], { about });
  program.call("close_range", [PASSING, NEXT_PASSING, 0]);
}

/** Stops the program if the passing descriptor is on a kernel file system. */
export function refuseKernelFileSystems(program: ProgramBuilder, about: string): void {
  const type = fileSystemType(program, about);
  const magics = Object.values(KERNEL_FILE_SYSTEMS);
  stopAt(program, magics, type, `${about}: the target is on a file system of the kernel`);
}

/** Stops the program if the passing descriptor is not on this file system. */
export function requireFileSystem(
  program: ProgramBuilder,
  type: keyof typeof FILE_SYSTEMS,
  about: string,
): void {
  const found = fileSystemType(program, about);
  requireWord(program, found, FILE_SYSTEMS[type], `${about}: it is not on a file system of the type ${type}`);
}

/** Stops the program if the passing descriptor is not the device with this number (statx(2)). */
export function requireDevice(program: ProgramBuilder, major: number, minor: number, about: string): void {
  const status = program.room();
  const [majorAt, minorAt] = [program.offset(status, STATX_MAJOR), program.offset(status, STATX_MAJOR + 4)];
  const flags = abi.AT_EMPTY_PATH | abi.AT_SYMLINK_NOFOLLOW;
  program.call("statx", [PASSING, "", flags, STATX_TYPE, status], { about });
  const message = `${about}: it is not the device ${major}:${minor}`;
  requireWord(program, majorAt, major, message);
  requireWord(program, minorAt, minor, message);
}

/** The address of f_type. */
function fileSystemType(program: ProgramBuilder, about: string): Word {
  const buffer = program.room();
  program.call("fstatfs", [PASSING, buffer], { about });
  return buffer;
}

/** Changes to a directory, and checks that it is below the container's root. */
export function enterDirectory(program: ProgramBuilder, path: string): void {
  const about = `change to the working directory ${path}`;
  openInContainer(program, path, abi.O_PATH | abi.O_DIRECTORY, { about });
  program.call("fchdir", [PASSING], { about });
  closePassing(program);
  requireBelowRoot(program, about);
}

/**
 * Stops the program if the working directory is not below the root: getcwd(2) then returns a path that begins with
 * "(unreachable)".
 */
export function requireBelowRoot(program: ProgramBuilder, about: string): void {
  const access = abi.PROT_READ | abi.PROT_WRITE;
  program.call("mmap", [SPARE_PAGE, PATH_MAX, access, abi.MAP_ANONYMOUS_HERE, -1, 0], { about });
  program.call("getcwd", [SPARE_PAGE, PATH_MAX], { about });
  const unreachable = Buffer.from("(unr").readUInt32LE();
  stopAt(program, [unreachable], SPARE_PAGE, `${about}: it is not below the root of the container`);
}

/** Stops the program if the 32-bit word at an address is one of these. */
function stopAt(program: ProgramBuilder, words: readonly number[], address: Word, message: string): void {
  const [found, passed] = [program.newLabel(), program.newLabel()];
  for (const word of words.slice(0, -1))
    program.call("futex", compare(address, word), { ignore: true, jumpIfZero: found });
  program.call("futex", compare(address, words.at(-1)!), { jumpIfError: passed });
  program.mark(found);
  stop(program, message);
  program.mark(passed);
}

/** Stops the program if the 32-bit word at an address is different. */
function requireWord(program: ProgramBuilder, address: Word, word: number, message: string): void {
  const equal = program.newLabel();
  program.call("futex", compare(address, word), { ignore: true, jumpIfZero: equal });
  stop(program, message);
  program.mark(equal);
}

/** A record that always fails, with this message. */
function stop(program: ProgramBuilder, message: string): void {
  program.call("close", [-1], { message });
}

/**
 * futex(2), FUTEX_CMP_REQUEUE without a thread to wake: returns zero if the word at the address is equal, and EAGAIN
 * otherwise. The launch machine has no compare operation.
 */
function compare(address: Word, word: number): Word[] {
  return [address, FUTEX_CMP_REQUEUE_PRIVATE, 0, 0, address, word];
}
