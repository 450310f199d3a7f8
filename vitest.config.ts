import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

const packageCache = { globalSetup: ["test/support/package-cache.ts"] };
/** A test fails by what it sees, never by the speed of the machine: these only end one that hangs. */
const unit = { testTimeout: 300_000, hookTimeout: 300_000 };
const host = { testTimeout: 1_800_000, hookTimeout: 1_800_000 };

const files = readdirSync("test/e2e", { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => join("test/e2e", name));
/** Those that compare what is on the whole host before and after can have no other beside them. */
const looksAtHost = (file: string) => readFileSync(file, "utf8").includes("hostState");

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
      {
        extends: true,
        test: {
          name: "e2e-beside",
          include: files.filter((file) => !looksAtHost(file)),
          ...host,
          ...packageCache,
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: files.filter(looksAtHost),
          ...host,
          ...packageCache,
          fileParallelism: false,
        },
      },
    ],
  },
});
