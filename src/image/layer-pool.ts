/**
 * Workers that move and unpack layers (layer-worker.ts): as many at once as there are cores, started when they are
 * needed and ended a moment after their last task.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { BayError } from "../errors.ts";
import { workerFile } from "./confined.ts";

/** Bytes of a file: a blob, or a part of an archive. */
export interface Piece {
  file: string;
  offset: number;
  size: number;
  /** For a file that is still written, from its beginning on (growth.ts). */
  growth?: SharedArrayBuffer | undefined;
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
  /** Decompresses a piece to a new file. Answers with the digest of the plain content. */
  | { kind: "decompress"; piece: Piece; target: string }
  /** Packs a container's writable layer into a new file. Answers with its digest. */
  | { kind: "pack"; directory: string; target: string }
  /** Lists what is in a container's writable layer. Answers with a JSON array of ListedChange. */
  | { kind: "list"; directory: string }
  /** Answers with the bytes that a directory takes on the disk, what is linked twice counted once. */
  | { kind: "measure"; directory: string }
  /** Answers with the digest of a piece. */
  | { kind: "hash"; piece: Piece };

export interface ListedChange {
  /** Absolute in the container; what is no UTF-8 in it is replaced. */
  path: string;
  isWhiteout: boolean;
  isDirectory: boolean;
}

export type LayerAnswer = { ok: true; result: string } | { ok: false; code: string; message: string };

interface Waiting {
  task: LayerTask;
  resolve(result: string): void;
  reject(error: Error): void;
}

/** Some wait for what is still being downloaded, so there are two more than cores. */
const MAX_WORKERS = Math.min(6, availableParallelism() + 2);
const IDLE_TIME = 2000;
/** A layer is read piece by piece, so a worker needs little, whatever the layer's size. */
const LIMITS = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 128 };

/** A growing file keeps its worker for as long as it takes to come; so many are left for everything else. */
const KEPT_FREE = 2;

const queue: Waiting[] = [];
const idle: Worker[] = [];
const timers = new Map<Worker, NodeJS.Timeout>();
let count = 0;
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
    return await new Promise((resolve, reject) => {
      queue.push({ task, resolve, reject });
      next();
    });
  } finally {
    if (grows) growing -= 1;
  }
}

function next(): void {
  if (queue.length === 0) return;
  const worker = idle.pop() ?? (count < MAX_WORKERS ? startWorker() : undefined);
  if (worker) give(worker, queue.shift()!);
}

function startWorker(): Worker {
  count += 1;
  const worker = new Worker(workerFile("layer-worker"), {
    stdout: false,
    stderr: false,
    resourceLimits: LIMITS,
  });
  worker.on("error", () => {}); // whoever waits for it hears of it too
  worker.on("exit", () => {
    count -= 1;
    forget(worker);
    next();
  });
  return worker;
}

/** It gets nothing more to do. */
function forget(worker: Worker): void {
  clearTimeout(timers.get(worker));
  timers.delete(worker);
  const at = idle.indexOf(worker);
  if (at !== -1) idle.splice(at, 1);
}

function give(worker: Worker, { task, resolve, reject }: Waiting): void {
  clearTimeout(timers.get(worker));
  const done = () => {
    worker.off("message", onAnswer);
    worker.off("error", onError);
    worker.off("exit", onExit);
  };
  const onAnswer = (answer: LayerAnswer) => {
    done();
    if (answer.ok) resolve(answer.result);
    else reject(new BayError(answer.code, answer.message));
    rest(worker);
  };
  // it ends after an error, and another is started for what waits
  const onError = (cause: Error) => {
    done();
    reject(new BayError("CONFINED_TASK", `the layer worker failed: ${cause.message}`, { cause }));
  };
  const onExit = () => {
    done();
    reject(new BayError("CONFINED_TASK", "the layer worker ended without an answer"));
  };
  worker.on("message", onAnswer);
  worker.on("error", onError);
  worker.on("exit", onExit);
  worker.ref();
  worker.postMessage(task);
}

function rest(worker: Worker): void {
  if (queue.length > 0) return give(worker, queue.shift()!);
  worker.unref();
  idle.push(worker);
  const timer = setTimeout(() => {
    forget(worker); // first, so that nothing is given to one that is ending
    void worker.terminate();
  }, IDLE_TIME);
  timer.unref();
  timers.set(worker, timer);
}
