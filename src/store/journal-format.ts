/**
 * The journal's format: one line per transaction, `CRC32-in-hex SP JSON LF`, where the JSON is an array of
 * [key, value] and [key] (deleted). A line that is cut or damaged ends the journal: it is the last, half-written
 * transaction of a process that was killed.
 */
import { crc32 } from "node:zlib";
import type { Change } from "./store.ts";

export function encodeTransaction(changes: readonly Change[]): Buffer {
  const rows = changes.map((change) => ("deleted" in change ? [change.key] : [change.key, change.value]));
  const json = JSON.stringify(rows);
  return Buffer.from(`${crc32(json).toString(16).padStart(8, "0")} ${json}\n`);
}

/** Replays a journal into `documents`; returns the length of its valid part in bytes. */
export function replay(bytes: Buffer, documents: Map<string, unknown>): number {
  let at = 0;
  for (;;) {
    const end = bytes.indexOf(0x0a, at);
    if (end === -1) return at;
    const json = bytes.toString("utf8", at + 9, end);
    if (bytes.toString("latin1", at, at + 8) !== crc32(json).toString(16).padStart(8, "0")) return at;
    for (const row of JSON.parse(json) as [string, unknown?][]) {
      if (row.length === 1) documents.delete(row[0]);
      else documents.set(row[0], row[1]);
    }
    at = end + 1;
  }
}
