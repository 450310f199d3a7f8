/**
 * System calls from TypeScript: libc's `syscall(2)` through koffi, with buffers passed by address.
 * Every call is synchronous; nothing here may block for long on the event loop.
 */
import { constants } from "node:os";
import koffi, { type LibraryHandle } from "koffi";
import type { ErrnoName } from "../core/error-codes/table.ts";
import { BayError } from "../core/errors.ts";
import { SYS, type SyscallName } from "./abi.ts";

const libc = koffi.load("libc.so.6");
const rawSyscall = libc.func("syscall", "int64", [
  "int64",
  "int64",
  "int64",
  "int64",
  "int64",
  "int64",
  "int64",
]);

/** An argument of a system call: a number, a string (passed NUL-terminated) or a buffer (by address). */
export type Argument = number | bigint | string | Uint8Array | null;

const ERRNO_NAMES = new Map(
  Object.entries(constants.errno).map(([name, number]) => [number, name as ErrnoName]),
);

/** The name of an errno, `ENOENT` for 2. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

/** A system call that failed. `code` is the errno's name, or SYSCALL if it has none. */
export class SyscallError extends BayError {
  readonly errno: number;
  constructor(call: string, errno: number, about: string) {
    super(ERRNO_NAMES.get(errno) ?? "SYSCALL", `${call}${about ? ` ${about}` : ""}: ${errnoName(errno)}`);
    this.name = "SyscallError";
    this.errno = errno;
  }
}

/** The address of a buffer's first byte. The caller keeps the buffer alive while the kernel may use it. */
export function addressOf(buffer: Uint8Array): bigint {
  return koffi.address(buffer) as bigint;
}

/** A NUL-terminated copy of a string. Throws EINVAL if the string contains a NUL. */
export function cString(text: string): Buffer {
  if (text.includes("\0")) throw new BayError("EINVAL", `a NUL byte in ${JSON.stringify(text.slice(0, 80))}`);
  return Buffer.from(`${text}\0`);
}

/** Makes the call and returns its result, or the negative errno. */
export function trySyscall(name: SyscallName, ...args: Argument[]): number {
  const kept: Uint8Array[] = [];
  const words = args.map((argument) => {
    if (argument === null) return 0;
    if (typeof argument === "string") {
      const text = cString(argument);
      kept.push(text);
      return addressOf(text);
    }
    return typeof argument === "object" ? addressOf(argument) : argument;
  });
  while (words.length < 6) words.push(0);
  const result = Number(rawSyscall(SYS[name], ...words));
  return result === -1 ? -koffi.errno() : result;
}

/** Makes the call and returns its result. Throws `SyscallError`; `about` names the object in its message. */
export function syscall(name: SyscallName, args: Argument[], about = ""): number {
  const result = trySyscall(name, ...args);
  if (result < 0)
    throw new SyscallError(name, -result, about || args.filter((a) => typeof a === "string").join(" "));
  return result;
}

/**
 * Closes a descriptor that a system call opened; ignores one that is not open. In a worker thread, do not pass a descriptor
 * that Node's fs opened: at the end of the worker Node would close the same number again, which may be another file by then.
 */
export function close(fd: number): void {
  trySyscall("close", fd);
}

/**
 * Loads a shared library of a Debian package, with an error that names the package if it is missing. The library uses its own
 * functions first (RTLD_DEEPBIND): node exports its own zlib with another inflate_state, and a mix of both wrote past the end
 * of the heap.
 */
export function loadLibrary(file: string, debianPackage: string): LibraryHandle {
  try {
    return koffi.load(file, { deep: true });
  } catch (cause) {
    throw new BayError("MISSING_LIBRARY", `${file} is not installed`, {
      hint: `apt-get install ${debianPackage}`,
      cause,
    });
  }
}

export { koffi, libc };
