/** The main thread's side of the log worker: whose output is collected, and when output arrived. */
import { EventEmitter } from "node:events";
import { writeSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import { BayError } from "../../core/errors.ts";
import { startWorker } from "../../image/index.ts";
import { close, createPipe } from "../../linux/index.ts";
import { LogReaders } from "./log-readers.ts";
import type { LogCommand, LogFiles, LogNews } from "./protocol.ts";

type Request = LogCommand extends infer C
  ? C extends { serial: number }
    ? Omit<C, "serial">
    : never
  : never;

/** Emits `grew:ID`, and `grew` with the ID, when output arrived. */
export class LogCollector extends EventEmitter {
  readonly readers = new LogReaders();
  readonly #wake = createPipe();
  readonly #waiting = new Map<number, (news: Extract<LogNews, { kind: "done" }>) => void>();
  readonly #open = new Set<string>();
  readonly #closing = new Map<string, Promise<void>>();
  #worker: Worker | undefined;
  #serial = 0;

  #start(): Worker {
    if (this.#worker) return this.#worker;
    const worker = startWorker("log-worker", {
      workerData: { wakeFd: this.#wake.read },
      resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 },
    });
    this.setMaxListeners(0);
    worker.on("message", (news: LogNews) => {
      if (news.kind === "grew") {
        this.emit(`grew:${news.id}`);
        this.emit("grew", news.id);
      } else if (news.kind === "done") {
        this.#waiting.get(news.serial)?.(news);
        this.#waiting.delete(news.serial);
      } else this.emit("failed", news.id, news.errno);
    });
    worker.on("error", (error) => this.emit("broken", error));
    this.#worker = worker;
    return worker;
  }

  #ask(request: Request): Promise<void> {
    const worker = this.#start();
    const serial = ++this.#serial;
    return new Promise((resolve, reject) => {
      this.#waiting.set(serial, ({ error }) => (error ? reject(new BayError("LOGS", error)) : resolve()));
      worker.postMessage({ ...request, serial });
      writeSync(this.#wake.write, "x");
    });
  }

  /** Starts to collect. The FIFOs exist; resolves when the worker has opened them. */
  open(options: LogFiles): Promise<void> {
    this.#open.add(options.id);
    return this.#ask({ kind: "open", ...options });
  }

  /** Collects the remaining output and stops; resolves when everything is in the files. */
  close(id: string): Promise<void> {
    if (!this.#open.delete(id)) return this.#closing.get(id) ?? Promise.resolve();
    const closing = this.#ask({ kind: "close", id }).finally(() => this.#closing.delete(id));
    this.#closing.set(id, closing);
    return closing;
  }

  async stop(): Promise<void> {
    if (!this.#worker) return;
    const ended = new Promise((resolve) => this.#worker!.once("exit", resolve));
    this.#worker.postMessage({ kind: "stop" } satisfies LogCommand);
    writeSync(this.#wake.write, "x");
    await ended;
    close(this.#wake.read);
    close(this.#wake.write);
  }
}
