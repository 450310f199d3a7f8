/**
 * The order of test files: those that take longest first, so that no worker is left with one of them at the end while
 * the others have nothing to do. The times are those of an earlier run, in seconds; a file that is not in the list
 * counts by its size. Those that use the base of apt: images come after the one that makes it.
 */
import { statSync } from "node:fs";
import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const SECONDS: Readonly<Record<string, number>> = {
  "e2e/apt-images": 105,
  "e2e/registry": 100,
  "e2e/commands": 98,
  "host/forwarding": 90,
  "e2e/remote": 62,
  "e2e/compare/compare": 60,
  "e2e/web-db": 58,
  "e2e/images": 50,
  "e2e/gitops": 50,
  "e2e/volume-backup": 50,
  "e2e/build-real": 49,
  "e2e/build-sources": 43,
  "e2e/moves": 40,
  "e2e/build": 40,
  "e2e/watch-edits": 39,
  "e2e/compose-commands": 36,
  "host/networks": 36,
  "e2e/crash": 32,
  "e2e/watch": 30,
  "e2e/rollout": 29,
  "host/isolation": 27,
  "host/escapes-start": 27,
  "e2e/build-cache": 27,
  "e2e/user": 26,
  "e2e/leaks": 25,
  "unit/container/forwarding": 40,
  "unit/stack/fuzz": 39,
  "unit/reconcile/properties": 38,
  "unit/daemon/api/connections": 37,
  "hosts/faults": 25,
  "e2e/shared-processes": 23,
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
