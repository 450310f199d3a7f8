/** A built program, and why it stopped. */
import { readSync, writeSync } from "node:fs";
import { SYS } from "./abi.ts";
import { errnoName } from "./libc.ts";
import { IGNORE, JUMP_IF_ERROR, type PlacedRow, RESULT, type Row } from "./program-format.ts";

const EACCES = 13;

/** Describes a record for the error message. */
export function aboutOf({ name, texts, operation }: Row): string {
  return operation.about ?? [name, ...texts.filter((argument) => typeof argument === "string")].join(" ");
}

export interface Failure {
  about: string;
  errno: number;
  /** The message if the error number alone is not clear. */
  message?: string | undefined;
}

/** Describes the failure of a record. */
function failureOf(row: Row, errno: number): Failure {
  const about = aboutOf(row);
  const { message, reasons } = row.operation;
  const reason = reasons?.[errno];
  return { about, errno, message: message ?? (reason === undefined ? undefined : `${about}: ${reason}`) };
}

/** A built program, with the data that explains how it ended. */
export class Program {
  constructor(
    readonly bytes: Buffer,
    readonly rows: readonly PlacedRow[],
  ) {}

  writeTo(fd: number): void {
    for (let at = 0; at < this.bytes.length; )
      at += writeSync(fd, this.bytes, at, this.bytes.length - at, at);
  }

  /** The record at which the program stopped, after it ran from this file; undefined if none failed. */
  failure(fd: number): Failure | undefined {
    const after = readAgain(fd, this.bytes.length);
    let firstExec: Failure | undefined;
    for (const { offset, row } of this.rows) {
      // a result is at least 0, not run, or a small negative number, whose upper half is all ones
      if (after.readInt32LE(offset + RESULT + 4) !== -1) continue;
      const errno = -after.readInt32LE(offset + RESULT);
      const flags = after.readUInt32LE(offset + 4);
      if ((flags & (IGNORE | JUMP_IF_ERROR)) === 0) return firstExec ?? failureOf(row, errno);
      // execvp(3): a file that cannot be executed takes precedence over later PATH entries where it does not exist
      if (after.readInt32LE(offset) === SYS.execve && errno === EACCES) firstExec ??= failureOf(row, errno);
    }
    return undefined;
  }
}

/** Shared by all programs: its content is used before anything else can run. */
let scratch = Buffer.alloc(0);

function readAgain(fd: number, length: number): Buffer {
  if (scratch.length < length) scratch = Buffer.alloc(length);
  let at = 0;
  for (let count = 1; count > 0 && at < length; at += count)
    count = readSync(fd, scratch, at, length - at, at);
  return scratch.fill(0, at, length);
}

/** One line for a failure: `mount /proc: EPERM`. */
export function describeFailure(failure: Failure): string {
  return failure.message ?? `${failure.about}: ${errnoName(failure.errno)}`;
}
