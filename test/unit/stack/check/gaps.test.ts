/** What is left out of a wrong stack file, and what is near it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nearTo, withoutPaths } from "../../../../src/stack/check/gaps.ts";

const step = fc.oneof(fc.constantFrom("a", "b", "services"), fc.nat(2));
const path = fc.array(step, { maxLength: 4 });

describe("parts that are left out", () => {
  it("are near the paths into them and the paths to what holds them", () => {
    fc.assert(
      fc.property(fc.array(path), path, (gaps, asked) => {
        const expected = gaps.some((gap) => {
          const at = gap.findIndex((one) => typeof one === "number");
          const whole = at === -1 ? gap : gap.slice(0, at);
          return whole.every((one, index) => index >= asked.length || asked[index] === one);
        });
        expect(nearTo(gaps)(asked)).toBe(expected);
      }),
    );
  });

  it("are taken from a copy, several of one list too", () => {
    const value = { a: [0, 1, 2, 3], b: { c: { d: 1, e: 2 }, f: 3 }, g: 4 };
    const paths = [["a", 0], ["a", 2], ["b", "c", "d"], ["g"], ["nothing", "here"]];
    const before = structuredClone(value);
    expect(withoutPaths(value, paths)).toEqual({ a: [1, 3], b: { c: { e: 2 }, f: 3 } });
    expect(value).toEqual(before);
    expect(withoutPaths(value, [[]])).toEqual({});
    expect(withoutPaths(value, [])).toBe(value);
  });

  // one copy of the mapping for each gap would be 10,000,000,000 steps
  it("are taken from large mappings", () => {
    const names = Array.from({ length: 100_000 }, (_, index) => `k${index}`);
    const large = Object.fromEntries(names.map((name) => [name, 1]));
    expect(
      withoutPaths(
        { large },
        names.map((name) => ["large", name]),
      ),
    ).toEqual({ large: {} });
  });
});
