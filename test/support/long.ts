/**
 * What only `npm run test:long` runs. The ordinary run covers each behaviour once and takes minutes; with BAY_LONG=1, tests that
 * repeat a behaviour with other inputs, or at other moments, run all of them.
 */
export const isLong = process.env.BAY_LONG !== undefined;

/** All of a table's cases with BAY_LONG; otherwise `count` of them, evenly spread over the table. */
export function sampleOf<T>(cases: readonly T[], count: number): readonly T[] {
  if (isLong || cases.length <= count) return cases;
  return Array.from({ length: count }, (_, index) => cases[Math.floor((index * cases.length) / count)]!);
}

/** How many rounds a test runs: `long` with BAY_LONG, otherwise `usual`. */
export function rounds({ usual, long }: { usual: number; long: number }): number {
  return isLong ? long : usual;
}
