/** Durations as Go writes them: `1h2m3.5s`, `250ms`. */
import { BayError } from "../../core/errors.ts";

const NANOSECONDS: Record<string, number> = {
  h: 3600e9,
  m: 60e9,
  s: 1e9,
  ms: 1e6,
  us: 1e3,
  µs: 1e3,
  ns: 1,
};

/** Parses a duration to nanoseconds. Throws BAD_DOCKERFILE. */
export function parseDuration(text: string, what: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|ns|m|s)/g)];
  if (text === "0") return 0;
  if (parts.length === 0 || parts.map(([whole]) => whole).join("") !== text)
    throw new BayError("BAD_DOCKERFILE", `${what}: invalid duration ${JSON.stringify(text)}`, {
      hint: "for example 30s, 1m30s or 500ms",
    });
  return Math.round(parts.reduce((sum, [, value, unit]) => sum + Number(value) * NANOSECONDS[unit!]!, 0));
}
