/**
 * How often property tests run. BAY_FUZZ_RUNS is the number for a property of usual cost, 40 by default; others run in
 * proportion, so that one variable makes all of them longer or shorter. It is vitest's setup file of the unit tests.
 */
import fc from "fast-check";

/** The number in which the counts of properties are given. */
const USUAL = 100;
const given = Number(process.env.BAY_FUZZ_RUNS ?? 40);

/** The runs of a property that runs `count` times where BAY_FUZZ_RUNS is 100. */
export function runs(count: number): { numRuns: number } {
  return { numRuns: Math.max(1, Math.round((count * given) / USUAL)) };
}

fc.configureGlobal(runs(USUAL));
