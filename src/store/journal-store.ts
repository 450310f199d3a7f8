/**
 * The embedded backend: all documents in memory, every change appended to a journal, and a snapshot when the
 * journal has grown. Files are `journal.N`, each beginning with a snapshot; a new one appears by rename. The first row
 * is the format's number (state-format.ts).
 */
import {
  appendFileSync,
  closeSync,
  fdatasync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { BayError, hasCode } from "../core/errors.ts";
import { encodeTransaction, replay } from "./journal-format.ts";
import { replaceFile } from "./replace-file.ts";
import {
  checkFormatOf,
  currentFormat,
  FORMAT_KEY,
  MIGRATIONS,
  migrated,
  requireKnownFormat,
} from "./state-format.ts";
import type { Change, Store, StoreReader } from "./store.ts";

const COMPACT_AT = 4 << 20;
/** Bytes on the disk that are reserved for the journal; a change takes a few kilobytes. */
const RESERVE = 1 << 20;
/** Bytes: so much of it is freed at once. */
const RESERVE_STEP = 16 << 10;

class Documents implements StoreReader {
  protected documents = new Map<string, unknown>();

  get<T>(key: string): T | undefined {
    return this.documents.get(key) as T | undefined;
  }

  list<T>(prefix: string): T[] {
    return [...this.documents.entries()]
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, value]) => value as T);
  }
}

/** The number of the newest journal; 0 if there is none. */
function newest(directory: string): number {
  let names: string[] = [];
  try {
    names = readdirSync(directory);
  } catch {
    // the directory does not exist yet: the state is empty
  }
  return Math.max(0, ...names.map((name) => Number(/^journal\.(\d+)$/.exec(name)?.[1] ?? 0)));
}

interface ReadJournal {
  documents: Map<string, unknown>;
  /** The length of the journal's valid part in bytes. */
  size: number;
  format: number;
  bytes: Buffer;
}

/** Throws NEWER_STATE, and BAD_STATE if the first line is not whole: a killed process never leaves a whole bad line. */
function readJournal(file: string, migrations = MIGRATIONS): ReadJournal {
  const bytes = readFileSync(file);
  const { number: format } = requireKnownFormat(file, bytes, migrations);
  const documents = new Map<string, unknown>();
  const size = replay(bytes, documents);
  if (size === 0 && bytes.includes(0x0a))
    throw new BayError("BAD_STATE", `${file}: the state is damaged in its first line`, {
      hint: "restore the directory from a backup, or move it away to start with an empty state",
    });
  return { documents, size, format, bytes };
}

/**
 * Reads the current state without a lock and without changing anything; an older format is migrated in memory only.
 * Throws NEWER_STATE, BAD_STATE, MIGRATION.
 */
export function readState(directory: string): StoreReader {
  return new (class extends Documents {
    constructor() {
      super();
      const number = newest(directory);
      if (number === 0) return;
      const { documents, format } = readJournal(join(directory, `journal.${number}`));
      this.documents = format < currentFormat().number ? migrated(documents, format) : documents;
    }
  })();
}

/** Throws NEWER_STATE if this bay cannot open the state; reads only the beginning of the journal. */
export function checkStateFormat(directory: string): void {
  const number = newest(directory);
  if (number > 0) checkFormatOf(join(directory, `journal.${number}`));
}

export class JournalStore extends Documents implements Store {
  #number: number;
  #fd: number;
  #size = 0;
  #baseSize: number;

  /**
   * Opens or creates the state in a directory and migrates an older format. Only one process at a time may do this:
   * the caller holds a lock. Throws NEWER_STATE, BAD_STATE, MIGRATION before it changes anything.
   */
  constructor(
    readonly directory: string,
    migrations = MIGRATIONS,
  ) {
    super();
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#number = newest(directory);
    const isNew = this.#number === 0;
    const read = isNew ? undefined : readJournal(this.#file(this.#number), migrations);
    const current = currentFormat(migrations);
    if (!read || read.size === 0) {
      this.documents.set(FORMAT_KEY, current);
      this.#writeSnapshot(isNew ? 1 : this.#number);
    } else if (read.format < current.number) {
      this.documents = migrated(read.documents, read.format, migrations);
      // kept so that the user can return to the earlier bay; the rename alone changes the journal
      replaceFile(
        join(directory, `before-format-${current.number}`),
        read.bytes.subarray(0, read.size),
        0o600,
      );
      this.#writeSnapshot(this.#number + 1);
      this.migratedFrom = read.format;
    } else {
      this.documents = read.documents;
      this.#size = read.size;
    }
    this.#fd = openSync(this.#file(this.#number), "a", 0o600);
    ftruncateSync(this.#fd, this.#size);
    this.#baseSize = this.#size;
    this.#removeOlder();
  }

  /** The format that the state had before it was migrated; undefined if it was current. */
  readonly migratedFrom: number | undefined;

  #file(number: number): string {
    return join(this.directory, `journal.${number}`);
  }

  /** Writes all documents as a new journal, which takes effect when it is renamed. */
  #writeSnapshot(number: number): void {
    const snapshot = encodeTransaction([...this.documents].map(([key, value]) => ({ key, value })));
    replaceFile(this.#file(number), snapshot, 0o600);
    this.#number = number;
    this.#size = snapshot.length;
  }

  write(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    this.#append(encodeTransaction(changes));
    for (const change of changes) {
      if ("deleted" in change) this.documents.delete(change.key);
      // a copy, so that callers cannot change the state without writing it
      else this.documents.set(change.key, structuredClone(change.value));
    }
    if (this.#size - this.#baseSize > COMPACT_AT) this.#compactIfRoom();
  }

  /** On a full disk the journal may use the reserve, because changes that free space must be recorded too. */
  #append(line: Buffer): void {
    for (;;)
      try {
        this.#appendOnce(line);
        this.#size += line.length;
        return;
      } catch (error) {
        if (!hasCode(error, "ENOSPC", "EDQUOT") || !this.#releaseReserve(line.length)) throw error;
      }
  }

  #appendOnce(line: Buffer): void {
    const written = writeSync(this.#fd, line);
    if (written === line.length) return;
    ftruncateSync(this.#fd, this.#size);
    throw Object.assign(new Error("ENOSPC: a part of the state was written"), { code: "ENOSPC" });
  }

  /** Reserves disk space for the journal, as much as there is room for. Call it from time to time. */
  keepReserve(): void {
    const size = statSync(this.#reserveFile, { throwIfNoEntry: false })?.size ?? 0;
    if (size >= RESERVE) return;
    try {
      appendFileSync(this.#reserveFile, Buffer.alloc(RESERVE - size), { mode: 0o600 });
    } catch (error) {
      if (!hasCode(error, "ENOSPC", "EDQUOT")) throw error;
    }
  }

  /**
   * Frees as much of the reserve as a write needs: a container that fills the disk takes what is free at once. Returns false if
   * there was no reserve.
   */
  #releaseReserve(needed: number): boolean {
    const size = statSync(this.#reserveFile, { throwIfNoEntry: false })?.size ?? 0;
    if (size === 0) return false;
    truncateSync(this.#reserveFile, Math.max(0, size - Math.max(RESERVE_STEP, needed)));
    return true;
  }

  get #reserveFile(): string {
    return join(this.directory, "reserve");
  }

  /** The change is written already, so if the disk has no room for a snapshot, it is made later. */
  #compactIfRoom(): void {
    try {
      this.#compact();
    } catch (error) {
      if (!hasCode(error, "ENOSPC", "EDQUOT")) throw error;
      rmSync(join(this.directory, `journal.${this.#number + 1}.new`), { force: true });
      this.#baseSize = this.#size;
    }
  }

  put(key: string, value: unknown): void {
    this.write([{ key, value }]);
  }

  delete(key: string): void {
    if (this.documents.has(key)) this.write([{ key, deleted: true }]);
  }

  flush(): Promise<void> {
    return new Promise((resolve, reject) =>
      fdatasync(this.#fd, (error) => (error ? reject(error) : resolve())),
    );
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Writes a snapshot as the next journal; the old one stays valid until the rename. */
  #compact(): void {
    const before = this.#fd;
    this.#writeSnapshot(this.#number + 1);
    this.#fd = openSync(this.#file(this.#number), "a", 0o600);
    closeSync(before);
    this.#baseSize = this.#size;
    this.#removeOlder();
  }

  #removeOlder(): void {
    for (const name of readdirSync(this.directory)) {
      if (name.startsWith("journal.") && name !== `journal.${this.#number}`)
        unlinkSync(join(this.directory, name));
    }
  }
}
