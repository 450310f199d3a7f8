import { defineConfig } from "vitest/config";

const slow = { testTimeout: 60_000, hookTimeout: 60_000 };

export default defineConfig({
  test: {
    pool: "forks",
    projects: [
      { extends: true, test: { name: "unit", include: ["test/unit/**/*.test.ts"] } },
      // one file at a time: they share the kernel's tables
      {
        extends: true,
        test: { name: "host", include: ["test/host/**/*.test.ts"], ...slow, fileParallelism: false },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          ...slow,
          testTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
