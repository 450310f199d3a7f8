/** Workers that move and unpack layers (layer-worker.ts). */
import { availableParallelism } from "node:os";
import { WorkerPool } from "./worker-pool.ts";

/** Bytes of a file: a blob, or a part of an archive. */
export interface Piece {
  file: string;
  offset: number;
  size: number;
  /** For a file that is still being written from its beginning (growing-file.ts). */
  growth?: SharedArrayBuffer | undefined;
  /** The bytes that it may still unpack to, with the other layers of its image (bounds.ts). */
  budget?: SharedArrayBuffer | undefined;
}

export type LayerTask =
  /** Unpacks a tar, plain or compressed, into a directory. Returns the digest of its plain content. */
  | {
      kind: "unpack";
      piece: Piece;
      directory: string;
      /** The piece's own digest, if known: a plain tar is then not hashed again. */
      digest: string | undefined;
    }
  /** Copies a piece to a new file. Returns its digest. */
  | { kind: "copy"; piece: Piece; target: string }
  /** Copies a piece into a file that this process has open, at an offset. Returns an empty string. */
  | { kind: "append"; piece: Piece; fd: number; at: number }
  /** Decompresses a piece to a new file. Returns the digest of the plain content. */
  | { kind: "decompress"; piece: Piece; target: string }
  /**
   * Packs a writable layer into a new file; times later than `newest` (seconds since 1970) become `newest`. Returns its
   * digest.
   */
  | { kind: "pack"; directory: string; target: string; newest: number | undefined }
  /** Lists the changes in a container's writable layer. Returns a JSON array of ListedChange. */
  | { kind: "list"; directory: string }
  /** Returns the bytes that a directory uses on the disk; hard links are counted once. */
  | { kind: "measure"; directory: string }
  /** Returns the digest of a piece. */
  | { kind: "hash"; piece: Piece };

export interface ListedChange {
  /** Absolute in the container; invalid UTF-8 is replaced. */
  path: string;
  isWhiteout: boolean;
  isDirectory: boolean;
}

/** Some workers wait for downloads, so there are two more than cores. */
const MAX_WORKERS = Math.min(6, availableParallelism() + 2);
/** A growing file occupies its worker for the whole download; this many are left for other tasks. */
const KEPT_FREE = 2;

const pool = new WorkerPool<LayerTask>("layer-worker", MAX_WORKERS);
let growing = 0;

/** True if another growing file may occupy a worker. */
export function canFollowGrowth(): boolean {
  return growing < MAX_WORKERS - KEPT_FREE;
}

/**
 * Runs a task in a worker and returns its result, in most cases a digest. Throws BAD_TAR, BAD_LAYER, and system errors
 * (ENOSPC).
 */
export async function runLayerTask(task: LayerTask): Promise<string> {
  const grows = "piece" in task && task.piece.growth !== undefined;
  if (grows) growing += 1;
  try {
    return await pool.run(task);
  } finally {
    if (grows) growing -= 1;
  }
}
