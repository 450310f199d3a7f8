/** Starts the shim: a sealed memfd run by posix_spawn(3), which does not copy bayd's page tables as fork does. */
import { BayError } from "../core/errors.ts";
import { addressOf, close, cString, errnoName, libc, syscall, trySyscall } from "./libc.ts";
import { duplicateAbove } from "./pipe.ts";
import { type ShimArch, shimElf } from "./shim-code.ts";

const posixSpawn = libc.func("posix_spawn", "int", ["void *", "str", "void *", "void *", "void *", "void *"]);
const actionsInit = libc.func("posix_spawn_file_actions_init", "int", ["void *"]);
const actionsDestroy = libc.func("posix_spawn_file_actions_destroy", "int", ["void *"]);
const actionsDup2 = libc.func("posix_spawn_file_actions_adddup2", "int", ["void *", "int", "int"]);
const attrInit = libc.func("posix_spawnattr_init", "int", ["void *"]);
const attrFlags = libc.func("posix_spawnattr_setflags", "int", ["void *", "int16"]);
const attrDefault = libc.func("posix_spawnattr_setsigdefault", "int", ["void *", "void *"]);

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_EXEC = 0x10;
const F_ADD_SEALS = 1033;
const ALL_SEALS = 0x1 | 0x2 | 0x4 | 0x8;
const POSIX_SPAWN_SETSIGDEF = 4;
/** The descriptor at which the shim's code finds its program. */
const PROGRAM = 3;

let shimFd: number | undefined;

/** The sealed executable, which cannot be changed, not even through /proc/PID/exe. */
function shimFile(): number {
  if (shimFd !== undefined) return shimFd;
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  let fd = trySyscall("memfd_create", "bay-shim", flags | MFD_EXEC);
  if (fd < 0) fd = syscall("memfd_create", ["bay-shim", flags]); // before Linux 6.3 every memfd is executable
  const elf = shimElf(process.arch as ShimArch);
  syscall("write", [fd, elf, elf.length]);
  syscall("fcntl", [fd, F_ADD_SEALS, ALL_SEALS]);
  shimFd = fd;
  return fd;
}

/** The signals' default dispositions: Node ignores SIGPIPE, and ignored signals would be inherited. */
function spawnAttributes(): Buffer {
  const attributes = Buffer.alloc(512);
  attrInit(attributes);
  attrFlags(attributes, POSIX_SPAWN_SETSIGDEF);
  attrDefault(attributes, Buffer.alloc(128, 0xff));
  return attributes;
}
let attributes: Buffer | undefined;

/**
 * Spawns the shim with a program file, which becomes descriptor 3. `others` become `first`, `first` + 1, and so on; undefined
 * leaves a number free. Returns the PID of the first process, which forks the shim itself and ends; `reapFirst` waits for
 * that. Throws SHIM_START.
 */
export function spawnShim(
  name: string,
  programFd: number,
  others: readonly (number | undefined)[] = [],
  first = PROGRAM + 1,
): number {
  attributes ??= spawnAttributes();
  const actions = Buffer.alloc(256);
  const copies: number[] = [];
  // copies above all target numbers, so that none of them is overwritten
  const copyOf = (fd: number): number => {
    const copy = duplicateAbove(fd, first + others.length);
    copies.push(copy);
    return copy;
  };
  const give = (fd: number | undefined, place: number) => {
    if (fd === undefined) return;
    const copy = copyOf(fd);
    if (actionsDup2(actions, copy, place) !== 0) throw new BayError("SHIM_START", "out of memory");
  };
  actionsInit(actions);
  try {
    // the standard streams are bayd's, or closed: a program expects these numbers to be in use
    for (const place of [0, 1, 2, PROGRAM]) give(programFd, place);
    others.forEach((fd, index) => {
      give(fd, first + index);
    });
    const argument = cString(name);
    const argv = Buffer.alloc(16);
    argv.writeBigUInt64LE(addressOf(argument));
    const pid = Buffer.alloc(4);
    const shim = `/proc/self/fd/${copyOf(shimFile())}`;
    const result = posixSpawn(pid, shim, actions, attributes, argv, Buffer.alloc(8));
    if (result !== 0) throw new BayError("SHIM_START", `the shim could not be started: ${errnoName(result)}`);
    return pid.readInt32LE();
  } finally {
    actionsDestroy(actions);
    for (const copy of copies) close(copy);
  }
}

/** Waits until the first process has ended: then its child, the shim itself, belongs to init. Throws SHIM_START. */
export function reapFirst(pid: number): void {
  const status = Buffer.alloc(4);
  syscall("wait4", [pid, status, 0, null]);
  if (status.readUInt32LE() !== 0) {
    throw new BayError("SHIM_START", `the shim could not fork (status ${status.readUInt32LE()})`);
  }
}
