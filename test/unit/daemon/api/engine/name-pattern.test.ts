/** Patterns that clients send: the same answers as a regular expression, in linear time. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NamePattern } from "../../../../../src/daemon/api/engine/name-pattern.ts";
import { runs } from "../../../../support/property-runs.ts";

const atom = fc.constantFrom("a", "b", "-", ".", "[ab]", "[^a]", "\\d", "\\.", "[a-c_]", "\\w");
const repeat = fc.constantFrom("", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?");
const pattern = fc.letrec<{ part: string; group: string; whole: string }>((tie) => ({
  part: fc.tuple(fc.oneof({ maxDepth: 2 }, atom, tie("group")), repeat).map((both) => both.join("")),
  group: fc.array(tie("part"), { minLength: 1, maxLength: 3 }).map((parts) => `(${parts.join("")}|b)`),
  whole: fc
    .tuple(fc.constantFrom("", "^"), fc.array(tie("part"), { maxLength: 3 }), fc.constantFrom("", "$"))
    .map(([start, parts, end]) => `${start}${parts.join("")}${end}`),
})).whole;
/** Short: the regular expressions that are the model try everything again, and that doubles with each character. */
const text = fc.string({ unit: fc.constantFrom("a", "b", "c", "-", ".", "1", "_"), maxLength: 7 });

describe("patterns of names", () => {
  it("match like regular expressions", () => {
    fc.assert(
      fc.property(pattern, text, (expression, name) => {
        let ours: NamePattern;
        try {
          ours = new NamePattern(expression);
        } catch {
          return; // larger than is taken
        }
        expect(ours.test(name), expression).toBe(new RegExp(expression, "u").test(name));
      }),
      runs(1000),
    );
  });

  it("never backtrack: a backtracking matcher would not end", () => {
    for (const expression of ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(x+x+)+y", "^((a{1,5}){1,5})*$"])
      expect(new NamePattern(expression).test(`${"a".repeat(2000)}!`)).toBe(false);
  });

  it.each([
    ["("],
    [")"],
    ["["],
    ["*"],
    ["a**"],
    ["(a)\\1"],
    ["(?=a)"],
    ["(?<n>a)"],
    ["a{999}"],
    ["[b-a]"],
    ["\\"],
    ["((a{50}){50}){50}"],
    ["(".repeat(60) + ")".repeat(60)],
    ["a".repeat(600)],
  ])("refuse %s", (expression) => {
    expect(() => new NamePattern(expression)).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
  });

  it("throw no other error than a rejection", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), (expression, name) => {
        try {
          new NamePattern(expression).test(name);
        } catch (error) {
          expect((error as { code?: string }).code).toBe("BAD_REQUEST");
        }
      }),
    );
  });
});
