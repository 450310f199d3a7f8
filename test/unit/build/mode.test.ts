import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseMode } from "../../../src/build/tree/mode.ts";
import { runs } from "../../support/property-runs.ts";

describe("modes of --chmod", () => {
  it("are what chmod(1) makes of them", () => {
    const folder = mkdtempSync(join(tmpdir(), "mode-"));
    const file = join(folder, "file");
    const directory = join(folder, "directory");
    writeFileSync(file, "");
    mkdirSync(directory);
    const clause = fc
      .tuple(
        fc.subarray(["u", "g", "o"], { minLength: 1 }),
        fc.constantFrom("+", "-", "="),
        fc.oneof(
          fc.subarray(["r", "w", "x", "X", "s"]).map((all) => all.join("")),
          fc.constantFrom("u", "g", "o"),
        ),
      )
      .map(([who, operator, letters]) => who.join("") + operator + letters);
    try {
      fc.assert(
        fc.property(
          fc.array(clause, { minLength: 1, maxLength: 3 }),
          fc.integer({ min: 0, max: 0o777 }),
          fc.boolean(),
          (clauses, before, isDirectory) => {
            const path = isDirectory ? directory : file;
            chmodSync(path, before);
            execFileSync("chmod", ["--", clauses.join(","), path]);
            expect(parseMode(clauses.join(","))(before, isDirectory).toString(8)).toBe(
              (statSync(path).mode & 0o7777).toString(8),
            );
          },
        ),
        runs(150),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("are octal too, and nothing else", () => {
    expect(parseMode("4750")(0, false)).toBe(0o4750);
    expect(parseMode("a=r,+t")(0, false)).toBe(0o1444);
    for (const wrong of ["888", "u=q", "rwx", "", "u=rw,", "77777", "u~r"])
      expect(() => parseMode(wrong)).toThrow(/invalid mode/);
  });
});
