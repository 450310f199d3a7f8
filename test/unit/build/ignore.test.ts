import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IgnorePatterns, ignoreLines } from "../../../src/build/ignore.ts";
import { messageOf } from "../../../src/core/errors.ts";
import { runs } from "../../support/property-runs.ts";

/** Pattern lines, a path, and whether it is ignored: as moby matches them. */
const ROWS: [lines: string, path: string, isIgnored: boolean][] = [
  ["*", "a", true],
  ["*", "a/b", true],
  ["*.log", "x.log", true],
  ["[&]", "&", true],
  ["[a-c]", "b", true],
  ["*.log", "a/x.log", false],
  ["**/*.log", "x.log", true],
  ["**/*.log", "a/b/x.log", true],
  ["**", "anything/at/all", true],
  ["a/**", "a", false],
  ["a/**", "a/b", true],
  ["a/**/b", "a/b", true],
  ["a/**/b", "a/x/y/b", true],
  ["a/**/b", "a/x/y/c", false],
  ["**/b", "b", true],
  ["**b", "a/b", true],
  ["node_modules", "node_modules/x/y", true],
  ["node_modules", "a/node_modules", false],
  ["/leading", "leading", true],
  ["trailing/", "trailing/x", true],
  ["./dot", "dot", true],
  ["a/../b", "b", true],
  ["?.txt", "a.txt", true],
  ["?.txt", "ab.txt", false],
  ["[a-c].txt", "b.txt", true],
  ["[^a-c].txt", "b.txt", false],
  ["[^a-c].txt", "d.txt", true],
  ["a\\*b", "a*b", true],
  ["a\\*b", "axb", false],
  ["a+b(c)|d{e}.$", "a+b(c)|d{e}.$", true],
  ["a.b", "axb", false],
  ["*.log\n!keep.log", "keep.log", false],
  ["*.log\n!keep.log", "x.log", true],
  ["!keep.log\n*.log", "keep.log", true],
  ["dir\n!dir/keep", "dir/keep", false],
  ["dir\n!dir/keep", "dir/other", true],
  ["# comment\n\n  spaced  ", "spaced", true],
  ["# comment", "# comment", false],
  ["! taken\n", "taken", false],
  ["Dockerfile*", "Dockerfile.dev", true],
  [".*", ".git/config", true],
  ["**/.git", "a/.git/config", true],
];

/** Of the characters that mean something. */
const PATTERNS = fc.string({ unit: fc.constantFrom(..."[]^-&za*?!\\ /#") });

describe("ignored files", () => {
  it.each(ROWS)("by %j: %s is %s", (lines, path, isIgnored) => {
    expect(new IgnorePatterns(ignoreLines(lines, ".dockerignore")).matches(path)).toBe(isIgnored);
  });

  it("may be looked for with any text, or are refused", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), PATTERNS), fc.string({ minLength: 1 }), (line, path) => {
        let patterns: IgnorePatterns;
        try {
          patterns = new IgnorePatterns(ignoreLines(line, ".dockerignore"));
        } catch (error) {
          expect(messageOf(error)).toMatch(
            /^\.dockerignore:1: (the bracket in .* is not closed|the range .-. is reversed)$/su,
          );
          return;
        }
        expect(typeof patterns.matches(path)).toBe("boolean");
      }),
      runs(500),
    );
  });
});
