/**
 * Filters of the Docker Engine API's queries: `{"label": ["a=b"], "status": ["running"]}`.
 *
 * Semantics for all list, prune and event routes: all keys must match. Of several values of one key one must match, but all
 * labels must. An unknown key is an error, because an ignored filter would show, or remove, objects that the client did not
 * mean.
 */

import { z } from "zod";
import { BayError } from "../../../core/errors.ts";
import { LIMITS } from "../../../core/limits.ts";
import { parseJson, parseWith } from "../request-body.ts";
import { NamePattern } from "./name-pattern.ts";

const MAX_VALUES = LIMITS.request.filterValues;
const value = z.string().max(4096);

/** The older form, a map of maps, is accepted, too. */
const schema = z.record(
  z.string().max(64),
  z.union([
    z.array(value).max(MAX_VALUES),
    z.record(value, z.boolean()).transform((map) => Object.keys(map).slice(0, MAX_VALUES)),
  ]),
);

export type Filters = ReadonlyMap<string, readonly string[]>;

/** Parses the query's filters; `known` are the keys of the route. Throws BAD_REQUEST. */
export function parseFilters(text: string | null, known: readonly string[]): Filters {
  if (!text) return new Map();
  const given = parseWith(schema, parseJson(Buffer.from(text), "filters"), "filters");
  for (const key of Object.keys(given))
    if (!known.includes(key))
      throw new BayError("BAD_REQUEST", `invalid filter '${key}'`, {
        hint: known.length > 0 ? `expected one of ${known.join(", ")}` : "the route has no filters",
      });
  return new Map(Object.entries(given).filter(([, values]) => values.length > 0));
}

/** Tests one object against a value of a filter. */
export type Test<T> = (object: T) => boolean;

/** For each key, the test for one of its values. Throws BAD_REQUEST for an invalid value. */
export type Meaning<T> = Readonly<Record<string, (value: string) => Test<T>>>;

/** For these keys all values must match. */
const ALL_VALUES = new Set(["label", "label!"]);

/** Keys whose values are patterns, and how many of them may be more than plain text. */
const PATTERNS = new Set(["id", "name", "reference"]);
const MAX_PATTERNS = LIMITS.request.patterns;

/** Combines all filters in one test. Values are checked even if no object exists. Throws BAD_REQUEST. */
export function compile<T>(filters: Filters, meaning: Meaning<T>): Test<T> {
  const keys = [...filters].map(([key, values]) => {
    if (PATTERNS.has(key) && values.filter((text) => !NamePattern.isPlain(text)).length > MAX_PATTERNS)
      throw new BayError("BAD_REQUEST", `the filter ${key} has more than ${MAX_PATTERNS} patterns`);
    const read = Object.hasOwn(meaning, key) ? meaning[key]! : undefined;
    if (!read) throw new BayError("BAD_REQUEST", `invalid filter '${key}'`);
    const tests = values.map((text) => read(text));
    return (object: T) =>
      ALL_VALUES.has(key) ? tests.every((test) => test(object)) : tests.some((test) => test(object));
  });
  return (object) => keys.every((holds) => holds(object));
}

// ---- what values mean

/** `KEY`, or `KEY=VALUE`. */
export function labelTest(text: string): Test<Readonly<Record<string, string>>> {
  const [key = "", wanted] = text.split(/=(.*)/s);
  return (labels) => Object.hasOwn(labels, key) && (wanted === undefined || labels[key] === wanted);
}

/** The semantics of `label` and `label!` for objects with labels. */
export function labelMeaning<T>(labelsOf: (object: T) => Readonly<Record<string, string>>): Meaning<T> {
  const has = (text: string): Test<T> => {
    const test = labelTest(text);
    return (object) => test(labelsOf(object));
  };
  return {
    label: has,
    "label!": (text) => {
      const test = has(text);
      return (object) => !test(object);
    },
  };
}

/** Tests for an exact name, or with a regular expression that matches a part of it. Throws BAD_REQUEST. */
export function nameTest(text: string): Test<string> {
  const pattern = new NamePattern(text);
  return (name) => name === text || pattern.test(name);
}

/** Tests for one of the given words. Throws BAD_REQUEST for others. */
export function wordTest(key: string, words: readonly string[]): (text: string) => Test<string> {
  return (text) => {
    if (words.includes(text)) return (word) => word === text;
    throw new BayError("BAD_REQUEST", `invalid filter '${key}=${text}'`, {
      hint: `expected one of ${words.join(", ")}`,
    });
  };
}

const [YES, NO] = [
  ["1", "t", "T", "true", "TRUE", "True"],
  ["0", "f", "F", "false", "FALSE", "False"],
];

/** Throws BAD_REQUEST. */
export function booleanOf(key: string, text: string): boolean {
  if (YES!.includes(text)) return true;
  if (NO!.includes(text)) return false;
  throw new BayError("BAD_REQUEST", `invalid filter '${key}=${text}'`, { hint: "expected true or false" });
}

/** A boolean filter; undefined if it is not given. Throws BAD_REQUEST. */
export function booleanFilter(filters: Filters, key: string): boolean | undefined {
  const values = new Set((filters.get(key) ?? []).map((text) => booleanOf(key, text)));
  if (values.size > 1)
    throw new BayError("BAD_REQUEST", `the filter ${key} is given both as true and as false`);
  return [...values][0];
}

/** The time of `until`; infinite if it is not given. Throws BAD_REQUEST. */
export function untilOf(filters: Filters): number {
  const values = filters.get("until") ?? [];
  if (values.length > 1) throw new BayError("BAD_REQUEST", "the filter until is given more than once");
  return values[0] === undefined ? Number.POSITIVE_INFINITY : momentOf("until", values[0]);
}

const SCALE: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?$/;

/**
 * Parses a time to milliseconds since 1970: `10m` (ago), seconds since 1970, or an RFC 3339 time, which may be only a date.
 * Throws BAD_REQUEST.
 */
export function momentOf(key: string, text: string): number {
  const parts = [...text.matchAll(/(\d{1,12}(?:\.\d{1,9})?)(h|ms|m|s)/g)];
  if (parts.length > 0 && parts.map(([whole]) => whole).join("") === text)
    return Date.now() - parts.reduce((sum, [, count, unit]) => sum + Number(count) * SCALE[unit!]!, 0);
  const moment = /^-?\d{1,12}(\.\d{1,9})?$/.test(text)
    ? Number(text) * 1000
    : TIME.test(text)
      ? Date.parse(text)
      : Number.NaN;
  if (Number.isNaN(moment))
    throw new BayError("BAD_REQUEST", `invalid time '${text}' of ${key}`, {
      hint: "expected a duration (10m, 1h30m), seconds since 1970, or a time of RFC 3339",
    });
  return moment;
}

/** The filters of prune routes for objects with an age and labels. */
export const AGE_AND_LABELS = ["until", "label", "label!"] as const;

/** Throws BAD_REQUEST. */
export function ageAndLabelTest(
  filters: Filters,
): Test<{ createdAt: string; labels: Readonly<Record<string, string>> }> {
  const until = untilOf(filters);
  const chosen = new Map([...filters].filter(([key]) => key.startsWith("label")));
  const labels = compile(
    chosen,
    labelMeaning<Readonly<Record<string, string>>>((own) => own),
  );
  return (object) => Date.parse(object.createdAt) < until && labels(object.labels);
}
