/** Filters of the Docker Engine API's queries. */
import { z } from "zod";
import { BayError } from "../../errors.ts";
import { parseJson } from "../http.ts";

const schema = z.record(
  z.string(),
  z.union([z.array(z.string()), z.record(z.string(), z.boolean()).transform((map) => Object.keys(map))]),
);

/**
 * The filters parameter: `{"label": ["a=b"], "status": ["running"]}`, also in the older form of a map of maps.
 * Throws BAD_REQUEST.
 */
export function parseFilters(text: string | null): Map<string, string[]> {
  if (!text) return new Map();
  const parsed = schema.safeParse(parseJson(Buffer.from(text)));
  if (!parsed.success) throw new BayError("BAD_REQUEST", "the filters are no map of names to lists");
  return new Map(Object.entries(parsed.data));
}

export type Filters = ReadonlyMap<string, string[]>;

/** A moment before which things were made, as `until=10m`, a date, or seconds since 1970. Throws BAD_REQUEST. */
export function untilOf(filters: Filters): number {
  const [text] = filters.get("until") ?? [];
  if (text === undefined) return Number.POSITIVE_INFINITY;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)];
  const scale = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as Record<string, number>;
  if (parts.length > 0 && parts.map(([whole]) => whole).join("") === text)
    return Date.now() - parts.reduce((sum, [, value, unit]) => sum + Number(value) * scale[unit!]!, 0);
  const moment = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (Number.isNaN(moment))
    throw new BayError("BAD_REQUEST", `until: ${JSON.stringify(text)} is neither a duration nor a time`);
  return moment;
}

/** Throws BAD_REQUEST for a filter that pruning does not have. */
export function checkFilters(filters: Filters, known: readonly string[]): void {
  for (const name of filters.keys())
    if (!known.includes(name)) throw new BayError("BAD_REQUEST", `there is no filter ${name} here`);
}

/** `label=…` and `label!=…`. */
export function matchesLabels(labels: Record<string, string>, filters: Filters): boolean {
  const has = (text: string) => {
    const [key = "", value] = text.split(/=(.*)/s);
    return key in labels && (value === undefined || labels[key] === value);
  };
  return (filters.get("label") ?? []).every(has) && !(filters.get("label!") ?? []).some(has);
}
