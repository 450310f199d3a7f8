/**
 * The order of test files: those that take longest first, so that no worker is left with one of them at the end while
 * the others have nothing to do. The times are those of an earlier run, in seconds; a file that is not in the list
 * counts by its size.
 */
import { statSync } from "node:fs";
import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const SECONDS: Readonly<Record<string, number>> = {
  "e2e/registry": 109,
  "e2e/volume-backup": 101,
  "e2e/commands": 98,
  "e2e/web-db": 90,
  "e2e/crash": 88,
  "e2e/build-real": 78,
  "e2e/build": 77,
  "e2e/apt-images": 73,
  "e2e/build-example": 70,
  "e2e/compare/compare": 69,
  "host/forwarding": 68,
  "host/networks": 48,
  "e2e/images": 46,
  "e2e/live-changes": 44,
  "e2e/build-sources": 41,
  "e2e/moves": 39,
  "e2e/shared-processes": 39,
  "e2e/rollout": 39,
  "e2e/build-cache": 37,
  "e2e/user": 37,
  "e2e/leaks": 35,
  "host/escapes": 35,
  "e2e/compose-commands": 34,
  "e2e/build-crash": 33,
  "host/escapes-start": 27,
};
/** Bytes of a test file that take about a second. */
const BYTES_PER_SECOND = 1000;

const secondsOf = (path: string): number => {
  const name = relative("test", path).replace(/\.test\.ts$/, "");
  return SECONDS[name] ?? Math.min(25, statSync(path).size / BYTES_PER_SECOND);
};

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return [...files].sort((a, b) => secondsOf(b.moduleId) - secondsOf(a.moduleId));
  }
}
