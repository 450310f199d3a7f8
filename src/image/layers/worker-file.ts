/** The path of a worker thread's code. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The built worker file: beside the bundle, or in dist/ when run from source (tests). */
export function workerFile(name: string): string {
  const beside = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  return existsSync(beside) ? beside : fileURLToPath(new URL(`../../../dist/${name}.js`, import.meta.url));
}
