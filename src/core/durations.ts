/** Durations such as `1m30s`, as in Compose files and in options of the command. */

const DURATION_UNITS: Record<string, number> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** A duration such as `1m30s` in milliseconds. A number other than 0 lacks a unit, so it is invalid. */
export function parseDuration(value: string | number): number | undefined {
  if (typeof value === "number") return value === 0 ? 0 : undefined;
  const text = value.trim();
  if (text === "0") return 0;
  if (!/^(\d+(\.\d+)?(us|ms|s|m|h|d|w))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, , unit] of text.matchAll(/(\d+(\.\d+)?)(us|ms|s|m|h|d|w)/g))
    total += Number(amount) * DURATION_UNITS[unit!]!;
  return total;
}

/** The inverse: 90000 is `1m30s`; fractions of a millisecond are in `us`. */
export function formatDuration(milliseconds: number): string;
export function formatDuration(milliseconds: number | undefined): string | undefined;
export function formatDuration(milliseconds: number | undefined): string | undefined {
  if (milliseconds === undefined) return undefined;
  let rest = Math.round(milliseconds * 1000);
  let text = "";
  for (const [unit, length] of [
    ["h", 3_600_000_000],
    ["m", 60_000_000],
    ["s", 1_000_000],
    ["ms", 1000],
    ["us", 1],
  ] as const) {
    const count = Math.floor(rest / length);
    if (count > 0) text += count + unit;
    rest -= count * length;
  }
  return text || "0s";
}
