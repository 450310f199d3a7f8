/** Builds syscall programs (program-format.ts). */
import { BayError } from "../core/errors.ts";
import { SYS, type SyscallName } from "./abi.ts";
import { aboutOf, Program } from "./built-program.ts";
import { cString } from "./libc.ts";
import {
  CLONE,
  HEADER,
  IGNORE,
  JUMP_IF_ERROR,
  JUMP_IF_ZERO,
  MAGIC,
  NOT_RUN,
  type Operation,
  PAGE,
  type PlacedRow,
  RECORD,
  RESULT,
  type Row,
  STATUS_RUNNING,
  STORE,
  type Word,
} from "./program-format.ts";
import { SHIM_BASE, SHIM_MAPPING_SIZE } from "./shim-code.ts";

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
