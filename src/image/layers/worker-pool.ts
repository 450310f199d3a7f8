/** Worker threads of one kind: up to a limit, started when they are needed, terminated when they are idle. */
import type { Worker } from "node:worker_threads";
import { BayError } from "../../core/errors.ts";
import { receivedError } from "../../core/received-error.ts";
import { layerBounds } from "./bounds.ts";
import { startWorker } from "./worker-file.ts";

/** What a worker returns at the end of a task. */
export type WorkerAnswer =
  | { ok: true; result: string }
  | { ok: false; code: string; message: string; hint?: string | undefined };

interface Waiting<Task> {
  task: Task;
  resolve(result: string): void;
  reject(error: Error): void;
}

/** Content is read in pieces, so a worker needs little memory for data of any size. */
const LIMITS = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 128 };

export class WorkerPool<Task> {
  readonly #queue: Waiting<Task>[] = [];
  readonly #idle: Worker[] = [];
  readonly #timers = new Map<Worker, NodeJS.Timeout>();
  #count = 0;

  /** `file` is the worker's name among the built files; an idle worker ends after `idleTime` milliseconds. */
  constructor(
    readonly file: string,
    readonly size: number,
    readonly idleTime = 2000,
  ) {}

  /** Runs a task in a worker and returns its answer. Throws the worker's errors with their codes, and CONFINED_TASK. */
  run(task: Task): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ task, resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    if (this.#queue.length === 0) return;
    const worker = this.#idle.pop() ?? (this.#count < this.size ? this.#start() : undefined);
    if (worker) this.#give(worker, this.#queue.shift()!);
  }

  #start(): Worker {
    this.#count += 1;
    const worker = startWorker(this.file, {
      workerData: { bounds: layerBounds() },
      stdout: false,
      stderr: false,
      resourceLimits: LIMITS,
    });
    worker.on("error", () => {}); // the caller that waits for it gets the error, too
    worker.on("exit", () => {
      this.#count -= 1;
      this.#forget(worker);
      this.#next();
    });
    return worker;
  }

  /** Gives it no more tasks. */
  #forget(worker: Worker): void {
    clearTimeout(this.#timers.get(worker));
    this.#timers.delete(worker);
    const at = this.#idle.indexOf(worker);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  #give(worker: Worker, { task, resolve, reject }: Waiting<Task>): void {
    clearTimeout(this.#timers.get(worker));
    const done = () => {
      worker.off("message", onAnswer);
      worker.off("error", onError);
      worker.off("exit", onExit);
    };
    const onAnswer = (answer: WorkerAnswer) => {
      done();
      if (answer.ok) resolve(answer.result);
      else reject(receivedError(answer, "CONFINED_TASK"));
      this.#rest(worker);
    };
    // it ends after an error, and another one is started for waiting tasks
    const onError = (cause: Error) => {
      done();
      reject(new BayError("CONFINED_TASK", `the ${this.file} failed: ${cause.message}`, { cause }));
    };
    const onExit = () => {
      done();
      reject(new BayError("CONFINED_TASK", `the ${this.file} ended without an answer`));
    };
    worker.on("message", onAnswer);
    worker.on("error", onError);
    worker.on("exit", onExit);
    worker.ref();
    worker.postMessage(task);
  }

  #rest(worker: Worker): void {
    if (this.#queue.length > 0) return this.#give(worker, this.#queue.shift()!);
    worker.unref();
    this.#idle.push(worker);
    const timer = setTimeout(() => {
      this.#forget(worker); // first, so that no task is given to a worker that is ending
      void worker.terminate();
    }, this.idleTime);
    timer.unref();
    this.#timers.set(worker, timer);
  }
}
