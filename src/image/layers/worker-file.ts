/** Worker threads, from the built files. */
import { existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";

/** Open files of workers' code, by path. */
const kept = new Map<string, number>();

/** The built worker file: beside the bundle, or in dist/ when run from source (tests). */
function workerFile(name: string): string {
  const beside = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  return kept.has(beside) || existsSync(beside)
    ? beside
    : fileURLToPath(new URL(`../../../dist/${name}.js`, import.meta.url));
}

/**
 * Keeps the code of all workers open. An upgrade of bay replaces its files while bayd runs, and bayd must not start workers of
 * another version, or fail because a file does not exist for a moment.
 */
export function keepWorkerFiles(): void {
  const directory = dirname(workerFile("layer-worker"));
  for (const name of readdirSync(directory).filter((entry) => entry.endsWith("-worker.js"))) {
    const path = join(directory, name);
    if (!kept.has(path)) kept.set(path, openSync(path, "r"));
  }
}

/** Starts a worker thread: `name` is the name of its file in dist/, without the extension. */
export function startWorker(name: string, options: WorkerOptions): Worker {
  const path = workerFile(name);
  const fd = kept.get(path);
  // through /proc, each reader has a position of its own
  const code = readFileSync(fd === undefined ? path : `/proc/self/fd/${fd}`, "utf8");
  // a worker without a file would find modules from the current directory
  const given = `require("module").createRequire(${JSON.stringify(path)}),${JSON.stringify(path)}`;
  return new Worker(`(function(require,__filename){${code}\n})(${given})`, {
    ...options,
    eval: true,
    name: basename(path),
  });
}
