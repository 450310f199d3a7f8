import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { clearSettings } from "./test/support/clear-settings.ts";
import { LongestFirst } from "./test/support/longest-first.ts";

// the tests' processes inherit this environment
clearSettings(process.env);

/** Removes what killed runs left. */
const swept = { globalSetup: ["test/support/owned.ts"] };
const packageCache = { globalSetup: ["test/support/owned.ts", "test/support/package-cache.ts"] };
/** A test fails by what it sees, never by the speed of the machine: these only end one that hangs. */
const unit = { testTimeout: 300_000, hookTimeout: 300_000 };
const host = { testTimeout: 1_800_000, hookTimeout: 1_800_000 };
const processors = availableParallelism();
/** By default vitest leaves one processor free. Some unit tests wait, and the host and end-to-end tests half of their time. */
const calculating = { maxWorkers: processors + 1, sequence: { groupOrder: 0 } };
const waiting = { maxWorkers: 2 * processors, sequence: { groupOrder: 1 } };

export default defineConfig({
  test: {
    pool: "forks",
    sequence: { sequencer: LongestFirst },
    // workers of bayd and the programs that it starts are processes and threads of their own, and are not counted
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      reporter: ["text-summary", "json-summary", "html"],
    },
    projects: [
      // the files of a worker share its modules: to load them again for each took half of the time
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          setupFiles: ["test/support/property-runs.ts"],
          isolate: false,
          ...unit,
          ...calculating,
        },
      },
      // all beside each other: each file has a bay, namespaces or hosts of its own, and comparisons of the host's state leave out
      // what names another bay
      {
        extends: true,
        test: { name: "host", include: ["test/host/**/*.test.ts"], ...host, ...swept, ...waiting },
      },
      {
        extends: true,
        test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], ...host, ...packageCache, ...waiting },
      },
      {
        extends: true,
        test: { name: "hosts", include: ["test/hosts/**/*.test.ts"], ...host, ...swept, ...waiting },
      },
    ],
  },
});
