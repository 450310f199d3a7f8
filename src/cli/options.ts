/** Options that several commands parse in the same way. */
import { BayError } from "../core/errors.ts";

/** Parses `["web=3"]` to `{web: 3}`. Throws BAD_OPTION. */
export function parseScale(entries: readonly string[] = []): Record<string, number> {
  return Object.fromEntries(
    entries.map((entry) => {
      const match = /^(.+)=(\d+)$/.exec(entry);
      if (!match) throw new BayError("BAD_OPTION", `invalid --scale ${entry}: expected SERVICE=COUNT`);
      return [match[1]!, Number(match[2])];
    }),
  );
}

/** `--rerun` is true for all services, or lists some. */
export const parseRerun = (given: true | string[] | undefined): { rerun?: string[] } =>
  given === undefined ? {} : { rerun: given === true ? [] : given };

/** A time for the daemon: RFC 3339 as it is, seconds since the epoch as they are, `10m` as that long ago. */
export function parseTime(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const units: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400 };
  if (match) return String(Date.now() / 1000 - Number(match[1]) * units[match[2]!]!);
  if (/^\d+(\.\d+)?$/.test(text) || !Number.isNaN(Date.parse(text))) return text;
  throw new BayError("BAD_OPTION", `invalid time ${text}`, {
    hint: "write 10m, 2026-01-31T12:00:00Z, or seconds since 1970",
  });
}

/** `--tail 20` or `all`. Throws BAD_OPTION. */
export function parseTail(text: string): string {
  if (text === "all" || /^\d+$/.test(text)) return text;
  throw new BayError("BAD_OPTION", `--tail expects a number of lines or all, got ${text}`);
}

/** `-e NAME=value`, or `-e NAME` with the value from this environment. Throws BAD_OPTION. */
export function withValues(entries: readonly string[] = []): string[] {
  return entries.flatMap((entry) => {
    const name = entry.split("=", 1)[0]!;
    if (!/^[^\s=]+$/.test(name))
      throw new BayError("BAD_OPTION", `-e expects NAME=value or NAME, got ${entry}`);
    if (entry.includes("=")) return [entry];
    const value = process.env[name];
    return value === undefined ? [] : [`${name}=${value}`];
  });
}

/** `["a=1", "b"]`, where a name without a value has an empty one, as in docker run. Throws BAD_OPTION. */
export function namedValues(option: string, entries: readonly string[] = []): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const [name = "", value = ""] = entry.split(/=(.*)/s);
      if (name === "") throw new BayError("BAD_OPTION", `${option}: expected NAME=VALUE, got ${entry}`);
      return [name, value];
    }),
  );
}

export const milliseconds = (seconds: number | undefined) =>
  seconds === undefined ? undefined : seconds * 1000;
