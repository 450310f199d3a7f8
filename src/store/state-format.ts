/**
 * The number of the state's format. The first row of a journal is `["format", {number, bay}]`: the format, and the
 * version of bay that wrote it first. This row stays readable for every bay, whatever later formats change. A bay
 * refuses a newer format before it changes anything, and brings an older one up to date (journal-store.ts).
 */
import { closeSync, openSync, readSync } from "node:fs";
import { BayError } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";

export const FORMAT_KEY = "format";

export interface FormatRow {
  number: number;
  /** The version of bay that made the state, or brought it to this format. */
  bay: string;
}

/** One step from a format to the next. It changes documents in memory; the store writes all of them at once. */
export interface Migration {
  /** The format after this step. */
  to: number;
  /** For messages, such as "number the format". */
  what: string;
  run: (documents: Map<string, unknown>) => void;
}

/** In order; each `to` is one more than the one before. Never change or remove one that was released. */
export const MIGRATIONS: readonly Migration[] = [
  { to: 1, what: "number the format of the state", run: () => {} }, // format 0 is the same without the number
];

const latest = (migrations: readonly Migration[]): number => migrations.at(-1)?.to ?? 0;

export const currentFormat = (migrations = MIGRATIONS): FormatRow => ({
  number: latest(migrations),
  bay: VERSION,
});

/** CRC32 in hex, a space, and the row; a version has at most 64 characters. */
const FIRST_ROW = /^[0-9a-f]{8} \[\["format",\{"number":(\d{1,9}),"bay":"([^"\\]{0,64})"\}\]/;
const HEAD = 256;

/** The format of a journal, read from its first bytes; 0 if it has no number. */
export function formatOf(head: Buffer): FormatRow {
  const [, number = "0", bay = ""] = FIRST_ROW.exec(head.toString("latin1", 0, HEAD)) ?? [];
  return { number: Number(number), bay };
}

/** Throws NEWER_STATE if a newer bay wrote the journal. */
export function requireKnownFormat(file: string, head: Buffer, migrations = MIGRATIONS): FormatRow {
  const format = formatOf(head);
  if (format.number <= latest(migrations)) return format;
  throw new BayError(
    "NEWER_STATE",
    `${file}: the state has format ${format.number}, written by bay ${format.bay}; bay ${VERSION} reads formats up to ${latest(migrations)}`,
    { hint: `install bay ${format.bay} or newer, or use another directory with --root` },
  );
}

/** Reads only the beginning of a journal. Throws NEWER_STATE. */
export function checkFormatOf(file: string): void {
  const head = Buffer.alloc(HEAD);
  const fd = openSync(file, "r");
  try {
    requireKnownFormat(file, head.subarray(0, readSync(fd, head, 0, HEAD, 0)));
  } finally {
    closeSync(fd);
  }
}

/**
 * Migrates documents from a format to the current one; the format's row comes first. The given documents are not
 * changed. Throws MIGRATION if a step fails.
 */
export function migrated(
  documents: ReadonlyMap<string, unknown>,
  from: number,
  migrations = MIGRATIONS,
): Map<string, unknown> {
  const result = new Map(structuredClone([...documents].filter(([key]) => key !== FORMAT_KEY)));
  for (const { to, what, run } of migrations) {
    if (to <= from) continue;
    try {
      run(result);
    } catch (cause) {
      throw new BayError("MIGRATION", `the state could not be migrated to format ${to} (${what})`, {
        cause,
        hint: "nothing was changed: the version of bay that wrote the state can still read it",
      });
    }
  }
  return new Map([[FORMAT_KEY, currentFormat(migrations)], ...result]);
}
