import { describe, expect, it } from "vitest";
import { shownPair } from "../../../src/core/shown-values.ts";

describe("values that differ", () => {
  it("are shown whole where they are short, in one line", () => {
    expect(shownPair("a\nb", "c")).toEqual(["a\\nb", "c"]);
  });
  it("are cut to where they differ", () => {
    const long = "x".repeat(100);
    expect(shownPair(`${long}one`, `${long}two`)).toEqual([`…${"x".repeat(15)}one`, `…${"x".repeat(15)}two`]);
    expect(shownPair(`a${long}`, "b")).toEqual([`a${"x".repeat(58)}…`, "b"]);
    const [from, to] = shownPair(`${long}one${long}`, `${long}two${long}`);
    expect(from).toHaveLength(60);
    expect(from).not.toBe(to);
  });
});
