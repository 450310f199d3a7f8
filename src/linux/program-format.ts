/**
 * The format of a syscall program: what happens between fork and exec, as data.
 *
 * Layout of the program file (little endian; offsets in bytes):
 *
 *     0   header, 64 bytes (HEADER below)
 *     64  resident records and data: all that the shim needs after the child's exec; at most one page
 *     4096  transient records and data: set-up of the parent, the whole child, environment, seccomp filter
 *
 * A record is 64 bytes: {i32 syscall number, u32 flags, i64 args[6], i64 result}. Flags: bits 0-7 the
 * operation, 8-15 an argument's index, 16-31 the target record's index (its offset divided by 64).
 */
import type { SyscallName } from "./abi.ts";

export const IGNORE = 1;
export const CLONE = 2;
export const STORE = 4;
export const JUMP_IF_ZERO = 8;
export const JUMP_IF_ERROR = 16;

export const HEADER = {
  magic: 0,
  entry: 4,
  /** The PID of the container's first process, in bayd's PID namespace (CLONE_PARENT_SETTID). */
  childPid: 8,
  /** Its wait status (wait(2)); STATUS_RUNNING until it ends. */
  status: 12,
  /** When it ended: struct timespec, CLOCK_REALTIME. */
  endedAt: 16,
  /** With an init: the main process's PID in the container, and its wait status. */
  mainPid: 32,
  mainStatus: 36,
  shimPid: 40,
  /** The offset of the record whose result is the shim's descriptor of the pty master; 0 for none. */
  ttyRecord: 44,
  /** The shim's start time in clock ticks since boot, written by bayd once it is known. */
  childStart: 48,
  shimStart: 56,
} as const;

export const STATUS_RUNNING = 0xffffffff;
export const MAGIC = 0x31594142; // "BAY1"
export const PAGE = 4096;
export const RECORD = 64;
/** The offset of the result in a record. */
export const RESULT = 56;
/** The result of a record that has not run: -0x7fffffffffffffff, as halves. No error is as low. */
export const NOT_RUN = { low: 1, high: -0x80000000 } as const;

export interface Operation {
  /** The result may be an error, which is ignored. */
  ignore?: boolean;
  /** A clone call: the child continues at this label. */
  clone?: string;
  /** Store the result as this argument of the labelled record. */
  store?: { record: string; argument: number };
  jumpIfZero?: string;
  jumpIfError?: string;
  label?: string | undefined;
  /** The operation, for the error message: `mount /proc`. */
  about?: string;
  /** What an error number means here, for the error message. */
  reasons?: Readonly<Record<number, string>>;
  /** The whole error message, instead of the above. */
  message?: string;
}

export type Word = number | bigint | { label: string; plus: number } | { data: number; plus?: number };

/** A record before it is encoded. */
export interface Row {
  /** Labels in addition to the operation's own. */
  labels: string[];
  name: SyscallName;
  args: Word[];
  /** The arguments as given, for the error message. */
  texts: (Word | string | Buffer)[];
  operation: Operation;
}

export interface PlacedRow {
  offset: number;
  row: Row;
}
