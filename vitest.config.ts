import { defineConfig } from "vitest/config";

const packageCache = { globalSetup: ["test/support/package-cache.ts"] };
/** A test fails by what it sees, never by the speed of the machine: these only end one that hangs. */
const unit = { testTimeout: 300_000, hookTimeout: 300_000 };
const host = { testTimeout: 1_800_000, hookTimeout: 1_800_000 };

export default defineConfig({
  test: {
    pool: "forks",
    projects: [
      { extends: true, test: { name: "unit", include: ["test/unit/**/*.test.ts"], ...unit } },
      // one file at a time: they share the kernel's tables
      {
        extends: true,
        test: { name: "host", include: ["test/host/**/*.test.ts"], ...host, fileParallelism: false },
      },
      // beside each other: each test has a bay of its own
      {
        extends: true,
        test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], ...host, ...packageCache },
      },
    ],
  },
});
