/** Workers that move and unpack layers (layer-worker.ts). */
import { availableParallelism } from "node:os";
import { WorkerPool } from "./worker-pool.ts";

/** Bytes of a file: a blob, or a part of an archive. */
export interface Piece {
  file: string;
  offset: number;
  size: number;
  /** For a file that is still written, from its beginning on (growing-file.ts). */
  growth?: SharedArrayBuffer | undefined;
  /** What it may still unpack to, with the other layers of its image (bounds.ts). */
  budget?: SharedArrayBuffer | undefined;
}

export type LayerTask =
  /** Unpacks a tar, plain or compressed, into a directory. Answers with the digest of its plain content. */
  | {
      kind: "unpack";
      piece: Piece;
      directory: string;
      /** The piece's own digest, where it is known: a plain tar is then not hashed again. */
      digest: string | undefined;
    }
  /** Copies a piece to a new file. Answers with its digest. */
  | { kind: "copy"; piece: Piece; target: string }
  /** Copies a piece into a file that this process has open, at an offset of it. Answers with nothing. */
  | { kind: "append"; piece: Piece; fd: number; at: number }
  /** Decompresses a piece to a new file. Answers with the digest of the plain content. */
  | { kind: "decompress"; piece: Piece; target: string }
  /** Packs a writable layer into a new file; what is newer than `newest` (seconds since 1970) becomes that old. Answers with its digest. */
  | { kind: "pack"; directory: string; target: string; newest: number | undefined }
  /** Lists what is in a container's writable layer. Answers with a JSON array of ListedChange. */
  | { kind: "list"; directory: string }
  /** Answers with the bytes that a directory takes on the disk, what is linked twice counted once. */
  | { kind: "measure"; directory: string }
  /** Answers with the digest of a piece. */
  | { kind: "hash"; piece: Piece };

export interface ListedChange {
  /** Absolute in the container; invalid UTF-8 is replaced. */
  path: string;
  isWhiteout: boolean;
  isDirectory: boolean;
}

/** Some wait for what is still being downloaded, so there are two more than cores. */
const MAX_WORKERS = Math.min(6, availableParallelism() + 2);
/** A growing file keeps its worker for as long as it takes to come; so many are left for everything else. */
const KEPT_FREE = 2;

const pool = new WorkerPool<LayerTask>("layer-worker", MAX_WORKERS);
let growing = 0;

/** True where a file that still grows may have a worker. */
export function canFollowGrowth(): boolean {
  return growing < MAX_WORKERS - KEPT_FREE;
}

/** Does a task in a worker and gives its answer, a digest mostly. Throws BAD_TAR, BAD_LAYER, and what the system says (ENOSPC). */
export async function runLayerTask(task: LayerTask): Promise<string> {
  const grows = "piece" in task && task.piece.growth !== undefined;
  if (grows) growing += 1;
  try {
    return await pool.run(task);
  } finally {
    if (grows) growing -= 1;
  }
}
