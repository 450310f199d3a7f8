/**
 * What `bay watch` and bayd say to each other: the lines of a session, and batches of file changes.
 *
 * The body of a sync request has the length of the operations' JSON as u32 big endian, that JSON, and the contents of the
 * files, one after the other in the order of the operations.
 */
import { LIMITS } from "../../core/limits.ts";
import type { SyncOperation } from "../../image/index.ts";

/** Bytes of a batch, and its operations. Larger files are sent in parts. */
export const MOST_BYTES = LIMITS.watch.batchBytes;
export const MOST_OPERATIONS = LIMITS.watch.operations;

/** A line of a session for the client. */
export type SessionNews =
  | { session: string }
  /** A container is about to start; the client answers with `ready`. */
  | { ask: Ask };

/** A container whose file systems are mounted, and which waits for its files. */
export interface Ask {
  container: string;
  name: string;
  service: string;
  /** Paths at which it has a new tmpfs, which is empty. */
  emptied: string[];
}

/** Writes a batch. */
export function writeBatch(list: readonly SyncOperation[], contents: readonly Uint8Array[]): Buffer {
  const json = Buffer.from(JSON.stringify(list));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(json.length);
  return Buffer.concat([head, json, ...contents]);
}
