/**
 * How often property tests run. BAY_FUZZ_RUNS is the number for a property of usual cost, 100 by default; others run
 * in proportion, so that one variable makes all of them longer or shorter. It is vitest's setup file of the unit tests.
 */
import fc from "fast-check";

const USUAL = 100;
const given = Number(process.env.BAY_FUZZ_RUNS ?? USUAL);

/** The runs of a property that runs `count` times where BAY_FUZZ_RUNS is not set. */
export function runs(count: number): { numRuns: number } {
  return { numRuns: Math.max(1, Math.round((count * given) / USUAL)) };
}

fc.configureGlobal(runs(USUAL));
