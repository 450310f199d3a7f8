import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatRate, parseRate } from "../../../src/core/rates.ts";

describe("rates", () => {
  it.each([
    ["10mbit", 10_000_000],
    ["1.5 Mbit", 1_500_000],
    ["512kbit", 512_000],
    ["1gbit", 1_000_000_000],
    ["1tbit", 1_000_000_000_000],
    ["64kibit", 65_536],
    ["12000bit", 12_000],
  ])("%s", (text, rate) => {
    expect(parseRate(text)).toBe(rate);
  });

  it.each([
    ["", "expected a rate such as 10mbit"],
    ["10", "expected a rate such as 10mbit"],
    ["mbit", "expected a rate"],
    ["-1mbit", "expected a rate"],
    ["10m", "expected a rate"],
    ["10mbps", "bps means bytes in tc(8)"],
    ["11kbit", "expected 12kbit to 1tbit"],
    ["2tbit", "expected 12kbit to 1tbit"],
    ["0bit", "expected 12kbit to 1tbit"],
    ["10ibit", "expected a rate"],
  ])("%s is an error", (text, message) => {
    expect(parseRate(text)).toContain(message);
  });

  it("are written as they are read", () => {
    fc.assert(
      fc.property(fc.integer({ min: 12_000, max: 1e12 }), (rate) => {
        expect(parseRate(formatRate(rate))).toBe(rate);
      }),
    );
  });
});
