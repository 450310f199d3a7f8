/** Applies file changes of a watch in containers, running or not. A worker for each container does it (sync-worker.ts). */
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { receivedError, type SentError } from "../../core/received-error.ts";
import { type SyncOperation, type SyncOwner, type SyncResult, startWorker } from "../../image/index.ts";
import { close } from "../../linux/index.ts";
import { accountOf } from "../lifecycle/start.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";
import { rootOf } from "./archive.ts";
import { mountTargets } from "./mount-targets.ts";
import type { SyncRule } from "./synced-paths.ts";
import { type SyncedPlaces, syncedPlaces } from "./synced-places.ts";

/** Milliseconds after which a worker without work ends: a thread costs memory, and starting one takes 20 ms. */
const IDLE = 5_000;
/** Milliseconds that a batch may take; a file system in the container may never answer. */
const LONGEST = LIMITS.watch.batchTime;
/** Workers at the same time. */
const MOST_WORKERS = LIMITS.watch.workers;
const STOPPED = "the worker ended before the batch was complete";

type Answer = { id: number; result: SyncResult } | { id: number; error: SentError };

class SyncWorker {
  readonly #worker = startWorker("sync-worker", {});
  #waiting: { resolve: (result: SyncResult) => void; reject: (error: Error) => void } | undefined;
  #next = 1;
  #idle: NodeJS.Timeout | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #isStopped = false;

  #synced: Promise<SyncedPlaces> | undefined;

  constructor(
    readonly id: string,
    readonly ended: () => void,
  ) {
    this.#worker.unref();
    this.#worker.on("message", (answer: Answer) => {
      if ("result" in answer) this.#waiting?.resolve(answer.result);
      else this.#waiting?.reject(receivedError(answer.error, "SYNC_FAILED"));
    });
    const fail = (cause?: Error) =>
      this.#waiting?.reject(new BayError("SYNC_FAILED", cause?.message ?? "the worker ended", { cause }));
    this.#worker.on("error", fail);
    this.#worker.on("exit", () => {
      fail();
      this.stop();
    });
  }

  /** Runs an action after those before it. */
  inTurn<T>(action: () => Promise<T>): Promise<T> {
    clearTimeout(this.#idle);
    this.#pending += 1;
    const done = this.#queue.then(action);
    this.#queue = done
      .catch(() => {})
      .then(() => {
        this.#pending -= 1;
        if (this.#pending === 0) this.#idle = setTimeout(() => this.stop(), IDLE).unref();
      });
    return done;
  }

  get isIdle(): boolean {
    return this.#pending === 0;
  }

  synced(host: Host, record: ContainerRecord): Promise<SyncedPlaces> {
    if (this.#isStopped) throw new BayError("SYNC_FAILED", STOPPED);
    if (this.#synced) return this.#synced;
    const opening = syncedPlaces(host, record);
    this.#synced = opening;
    // the next batch tries again
    opening.catch(() => {
      if (this.#synced === opening) this.#synced = undefined;
    });
    return opening;
  }

  async run(task: object): Promise<SyncResult> {
    if (this.#isStopped) throw new BayError("SYNC_FAILED", STOPPED);
    let late: NodeJS.Timeout | undefined;
    try {
      return await new Promise<SyncResult>((resolve, reject) => {
        this.#waiting = { resolve, reject };
        late = setTimeout(() => {
          reject(
            new BayError("SYNC_FAILED", `the file system did not answer within ${LONGEST / 1000} seconds`),
          );
          this.stop();
        }, LONGEST);
        this.#worker.postMessage({ id: this.#next++, ...task });
      });
    } finally {
      clearTimeout(late);
      this.#waiting = undefined;
    }
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#idle);
    this.ended();
    void this.#synced?.then(
      (synced) => synced.close(),
      () => {},
    );
    void this.#worker.terminate();
  }
}

const workers = new Map<string, SyncWorker>();

function workerOf(id: string): SyncWorker {
  const known = workers.get(id);
  if (known) return known;
  if (workers.size >= MOST_WORKERS) [...workers.values()].find(({ isIdle }) => isIdle)?.stop();
  if (workers.size >= MOST_WORKERS)
    throw new BayError("SYNC_FAILED", `files of ${MOST_WORKERS} containers are already being synchronised`);
  const worker: SyncWorker = new SyncWorker(id, () => {
    if (workers.get(id) === worker) workers.delete(id);
  });
  workers.set(id, worker);
  return worker;
}

/**
 * Applies a batch in a container's root, as it is when the turn of the batch comes: the process's own mounts, or the layers
 * and volumes of a container that does not run. Throws CONTAINER_NOT_FOUND, and SYNC_FAILED if nothing could be applied;
 * failures of single operations are in the result. The paths of a rule are recorded (syncedPaths).
 */
export function syncFiles(
  host: Host,
  id: string,
  rule: SyncRule | undefined,
  operations: SyncOperation[],
  bytes: Uint8Array,
): Promise<SyncResult> {
  const worker = workerOf(id);
  return worker.inTurn(() =>
    host.fileTurns.run(id, async () => {
      // it may have been removed, started or replaced by an update while the batch waited
      const record = host.records.get(id);
      const root = await rootOf(host, record);
      try {
        const owner = await ownerOf(host, record);
        const synced = rule && (await worker.synced(host, record));
        if (rule) synced?.before(rule, operations);
        const mounts = mountTargets(record.config);
        const result = await worker.run({ root, operations, bytes, owner, mounts });
        if (rule) synced?.after(rule, operations, result.failed);
        return result;
      } finally {
        if (root.kind === "process") close(root.pidfd);
      }
    }),
  );
}

/** The paths that a watch has synchronised by a rule, in this session or an earlier one. Throws CONTAINER_NOT_FOUND. */
export function syncedPaths(host: Host, id: string, rule: SyncRule): Promise<string[]> {
  const worker = workerOf(id);
  return worker.inTurn(async () => {
    const synced = await worker.synced(host, host.records.get(id));
    return synced.list(rule);
  });
}

/** The container's user, if it has one. */
async function ownerOf(host: Host, record: ContainerRecord): Promise<SyncOwner> {
  if (!record.config.user) return undefined;
  const { uid, gid } = accountOf(
    host,
    record,
    await host.images.get(record.config.image, record.config.imageId),
  );
  return { uid, gid };
}
