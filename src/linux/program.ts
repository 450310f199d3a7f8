/**
 * The syscall program: what happens between fork and exec, as data.
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
import { readSync, writeSync } from "node:fs";
import { BayError } from "../core/errors.ts";
import { SYS, type SyscallName } from "./abi.ts";
import { cString, errnoName } from "./libc.ts";
import { SHIM_BASE, SHIM_MAPPING_SIZE } from "./shim-code.ts";

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
const MAGIC = 0x31594142; // "BAY1"
const PAGE = 4096;
const EACCES = 13;
const RECORD = 64;
/** The offset of the result in a record. */
const RESULT = 56;
/** The result of a record that has not run: -0x7fffffffffffffff, as halves. No error is as low. */
const NOT_RUN = { low: 1, high: -0x80000000 } as const;

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

interface Row {
  /** Labels in addition to the operation's own. */
  labels: string[];
  name: SyscallName;
  args: Word[];
  /** The arguments as given, for the error message. */
  texts: (Word | string | Buffer)[];
  operation: Operation;
}

interface PlacedRow {
  offset: number;
  row: Row;
}

type Section = "resident" | "transient";

/** Writes a 64-bit word at an offset, a multiple of 8. Writing two halves is much cheaper than a BigInt. */
type PutWord = (offset: number, word: Word) => void;

/** Builds a program file. The records of a section run in the order in which they were added. */
export class ProgramBuilder {
  readonly #rows: Record<Section, Row[]> = { resident: [], transient: [] };
  readonly #data: Record<Section, { bytes: Buffer; id: number; align: number }[]> = {
    resident: [],
    transient: [],
  };
  readonly #strings: Record<Section, Map<string, Word>> = { resident: new Map(), transient: new Map() };
  #section: Section = "transient";
  #entry: string | undefined;
  #mainPid = 0;
  #ttyRecord: string | undefined;
  #serial = 0;

  /** Sets the section of the records that follow. */
  section(section: Section): this {
    this.#section = section;
    return this;
  }

  entry(label: string): this {
    this.#entry = label;
    return this;
  }

  /** With an init: the main process's PID in the container. */
  mainPid(pid: number): this {
    this.#mainPid = pid;
    return this;
  }

  ttyRecord(label: string): this {
    this.#ttyRecord = label;
    return this;
  }

  /** Adds one record. Strings are placed in the program and passed by address. */
  call(name: SyscallName, args: (Word | string | Buffer)[], operation: Operation = {}): this {
    const words = args.map((argument) => {
      if (typeof argument === "string") return this.text(argument);
      if (Buffer.isBuffer(argument)) return this.data(argument);
      return argument;
    });
    this.#rows[this.#section].push({ name, args: words, texts: args, operation, labels: this.#marks });
    this.#marks = [];
    return this;
  }
  #marks: string[] = [];

  /** Creates a unique label, for a forward jump. */
  newLabel(): string {
    return `label${this.#serial++}`;
  }

  /** Gives the next record this label, too. */
  mark(label: string): this {
    this.#marks.push(label);
    return this;
  }

  /** Jumps to a label: a call that always returns zero, and a jump. */
  goto(label: string, operation: Operation = {}): this {
    return this.call("sched_yield", [], { ...operation, jumpIfZero: label });
  }

  /** Places bytes in the current section and returns their address. */
  data(bytes: Buffer, align = 8): Word {
    const id = this.#serial++;
    this.#data[this.#section].push({ bytes, id, align });
    return { data: id };
  }

  /** Places a NUL-terminated string; one copy per section. */
  text(text: string): Word {
    const strings = this.#strings[this.#section];
    let word = strings.get(text);
    if (!word) {
      word = this.data(cString(text), 1);
      strings.set(text, word);
    }
    return word;
  }

  /** Places an array of pointers to strings, ended by a null pointer. */
  texts(texts: readonly string[]): Word {
    return this.struct([...texts.map((text) => this.text(text)), 0]);
  }

  /** Places a struct of 64-bit words, some of which are addresses. */
  struct(words: Word[]): Word {
    const id = this.#serial++;
    this.#data[this.#section].push({ bytes: Buffer.alloc(words.length * 8), id, align: 8 });
    this.#pointerTables.push({ id, words });
    return { data: id };
  }
  readonly #pointerTables: { id: number; words: Word[] }[] = [];

  /** Places a struct of numbers that no call changes; one copy per section. */
  constant(words: readonly number[]): Word {
    const constants = this.#constants[this.#section];
    const key = words.join();
    let word = constants.get(key);
    if (!word) {
      word = this.struct([...words]);
      constants.set(key, word);
    }
    return word;
  }
  readonly #constants: Record<Section, Map<string, Word>> = { resident: new Map(), transient: new Map() };

  /** Space for what a call writes and the next ones read; all calls share it. At most 256 bytes. */
  room(): Word {
    this.#room ??= this.data(Buffer.alloc(256));
    return this.#room;
  }
  #room: Word | undefined;

  /** The address of a part of placed data. */
  offset(data: Word, bytes: number): Word {
    return { ...(data as { data: number }), plus: bytes };
  }

  /** The address of an argument of a labelled record. */
  argument(label: string, index: number): Word {
    return { label, plus: 8 + index * 8 };
  }

  /** The address of a field of the header. */
  header(field: keyof typeof HEADER): number {
    return SHIM_BASE + HEADER[field];
  }

  /** Lays everything out. Throws PROGRAM_TOO_LARGE if the resident part exceeds a page. */
  build(): Program {
    const labels = new Map<string, number>();
    const places: number[] = [];
    const rows: PlacedRow[] = [];
    const place = (section: Section, start: number): number => {
      let offset = start;
      for (const row of this.#rows[section]) {
        rows.push({ offset, row });
        for (const label of row.labels) labels.set(label, offset);
        if (row.operation.label) labels.set(row.operation.label, offset);
        offset += RECORD;
      }
      for (const { bytes, id, align } of this.#data[section]) {
        offset = Math.ceil(offset / align) * align;
        places[id] = offset;
        offset += bytes.length;
      }
      return offset;
    };
    if (place("resident", RECORD) > PAGE)
      throw new BayError("PROGRAM_TOO_LARGE", "the resident program exceeds a page");
    const end = place("transient", PAGE);
    if (end > SHIM_MAPPING_SIZE) {
      throw new BayError(
        "PROGRAM_TOO_LARGE",
        `the start program needs ${end} bytes; the maximum is ${SHIM_MAPPING_SIZE}`,
        {
          hint: "shorten the command or the environment",
        },
      );
    }
    const findLabel = (label: string | undefined) => {
      const offset = labels.get(label ?? "");
      if (offset === undefined) throw new Error(`program: no ${label}`);
      return offset;
    };
    const bytes = Buffer.alloc(Math.ceil(end / 8) * 8);
    const halves = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const put: PutWord = (at, word) => {
      if (typeof word === "bigint") return void bytes.writeBigInt64LE(BigInt.asIntN(64, word), at);
      const number =
        typeof word === "number"
          ? word
          : SHIM_BASE +
            ("label" in word ? word.plus + findLabel(word.label) : places[word.data]! + (word.plus ?? 0));
      halves[at / 4] = number % 2 ** 32;
      halves[at / 4 + 1] = Math.floor(number / 2 ** 32);
    };
    for (const section of ["resident", "transient"] as const) {
      for (const { bytes: content, id } of this.#data[section]) content.copy(bytes, places[id]!);
    }
    for (const { id, words } of this.#pointerTables) {
      words.forEach((word, index) => {
        put(places[id]! + index * 8, word);
      });
    }
    for (const { offset, row } of rows) {
      this.#encode(bytes, offset, row, put, findLabel);
      halves[(offset + RESULT) / 4] = NOT_RUN.low;
      halves[(offset + RESULT) / 4 + 1] = NOT_RUN.high;
    }
    bytes.writeUInt32LE(MAGIC, HEADER.magic);
    bytes.writeUInt32LE(findLabel(this.#entry), HEADER.entry);
    bytes.writeUInt32LE(STATUS_RUNNING, HEADER.status);
    bytes.writeUInt32LE(STATUS_RUNNING, HEADER.mainStatus);
    bytes.writeUInt32LE(this.#mainPid, HEADER.mainPid);
    if (this.#ttyRecord) bytes.writeUInt32LE(findLabel(this.#ttyRecord), HEADER.ttyRecord);
    return new Program(bytes, rows);
  }

  #encode(bytes: Buffer, offset: number, row: Row, put: PutWord, findLabel: (label: string) => number) {
    const { operation } = row;
    let flags = operation.ignore ? IGNORE : 0;
    let target: string | undefined;
    const aim = (flag: number, label: string | undefined) => {
      if (label === undefined) return;
      if (target !== undefined && target !== label)
        throw new Error(`program: two targets at ${aboutOf(row)}`);
      flags |= flag;
      target = label;
    };
    aim(CLONE, operation.clone);
    aim(JUMP_IF_ZERO, operation.jumpIfZero);
    aim(JUMP_IF_ERROR, operation.jumpIfError);
    if (operation.store) {
      aim(STORE, operation.store.record);
      flags |= operation.store.argument << 8;
    }
    if (target !== undefined) flags |= (findLabel(target) / RECORD) << 16;
    bytes.writeInt32LE(SYS[row.name], offset);
    bytes.writeUInt32LE(flags >>> 0, offset + 4);
    row.args.forEach((word, index) => {
      put(offset + 8 + index * 8, word);
    });
  }
}

/** Describes a record for the error message. */
function aboutOf({ name, texts, operation }: Row): string {
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

/** The state in a program file's header; the file may have been truncated to its first page. */
export interface ProgramState {
  childPid: number;
  shimPid: number;
  childStart: number;
  shimStart: number;
  /** The wait status of the container's main process, or undefined while it runs. */
  status: number | undefined;
  /** Milliseconds since the epoch; undefined while it runs. */
  endedAt: number | undefined;
  /** With an init: the main process's PID in the container's PID namespace. */
  mainPid: number | undefined;
  /** The shim's descriptor of the pty master. */
  ttyFd: number | undefined;
}

/** Parses the first page of a program file, as hostile input. Throws BAD_PROGRAM if it is not one. */
export function readProgramState(page: Buffer): ProgramState {
  if (page.length < RECORD || page.readUInt32LE(HEADER.magic) !== MAGIC) {
    throw new BayError("BAD_PROGRAM", "not a program file of bay");
  }
  const status = page.readUInt32LE(HEADER.status);
  const mainStatus = page.readUInt32LE(HEADER.mainStatus);
  const mainPid = page.readUInt32LE(HEADER.mainPid);
  const ttyRecord = page.readUInt32LE(HEADER.ttyRecord);
  const known = (value: number) => (value === STATUS_RUNNING ? undefined : value);
  // an init ends by itself after it has sent its main process's status; a killed one has not
  const isInitsEnd = mainPid !== 0 && (status & 0x7f) === 0;
  const wholeStatus = known(isInitsEnd ? mainStatus : status);
  const ended = wholeStatus !== undefined;
  const tty =
    ttyRecord >= RECORD && ttyRecord + RECORD <= page.length ? page.readBigInt64LE(ttyRecord + 56) : -1n;
  return {
    childPid: page.readUInt32LE(HEADER.childPid),
    shimPid: page.readUInt32LE(HEADER.shimPid),
    childStart: Number(page.readBigUInt64LE(HEADER.childStart)),
    shimStart: Number(page.readBigUInt64LE(HEADER.shimStart)),
    status: wholeStatus,
    endedAt: ended
      ? Number(page.readBigInt64LE(HEADER.endedAt)) * 1000 +
        Math.floor(Number(page.readBigInt64LE(HEADER.endedAt + 8)) / 1e6)
      : undefined,
    mainPid: mainPid === 0 ? undefined : mainPid,
    ttyFd: tty >= 0n && tty < 1_000_000n ? Number(tty) : undefined,
  };
}

/** One line for a failure: `mount /proc: EPERM`. */
export function describeFailure(failure: Failure): string {
  return failure.message ?? `${failure.about}: ${errnoName(failure.errno)}`;
}
