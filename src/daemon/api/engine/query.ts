/** Parses parameters of the Engine API's queries by schemas; errors name the parameter. */

import { z } from "zod";
import { BayError } from "../../../core/errors.ts";
import { LIMITS } from "../../../core/limits.ts";
import { signalNumber } from "../../../core/signals.ts";
import { parsePlatform, parseReference } from "../../../image/index.ts";
import { issueText, parseJson } from "../request-body.ts";
import { momentOf, parseFilters } from "./filters.ts";

/** Creating a schema takes longer than most requests, so each is created only once. */
function once<A extends readonly unknown[], S>(make: (...given: A) => S): (...given: A) => S {
  const made = new Map<string, S>();
  return (...given) => {
    const key = given.join(" ");
    const known = made.get(key) ?? make(...given);
    made.set(key, known);
    return known;
  };
}

/** Boolean values of Docker's clients. A value that Docker accepts as true only because it does not mean false is an error. */
const WORDS: Readonly<Record<string, boolean>> = {
  "": false,
  "0": false,
  no: false,
  false: false,
  none: false,
  "1": true,
  yes: true,
  true: true,
  t: true,
};

/** A boolean; `fallback` if it is not given. */
export const flag = once((fallback: boolean = false) =>
  z
    .string()
    .max(16)
    .optional()
    .transform((text, context) => {
      if (text === undefined) return fallback;
      const word = text.trim().toLowerCase();
      if (Object.hasOwn(WORDS, word)) return WORDS[word]!;
      context.addIssue({ code: "custom", message: `expected true or false, got ${JSON.stringify(text)}` });
      return z.NEVER;
    }),
);

/** A whole number in a range; empty counts as not given. */
export const integer = once((least: number, most: number) =>
  z
    .string()
    .max(32)
    .optional()
    .transform((text, context) => {
      if (text === undefined || text === "") return undefined;
      const number = /^[+-]?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
      if (number >= least && number <= most) return number;
      context.addIssue({
        code: "custom",
        message: `expected a whole number from ${least} to ${most}, got ${JSON.stringify(text)}`,
      });
      return z.NEVER;
    }),
);

export const text = once((longest: number = 4096) => z.string().max(longest).optional());

/** All values of a parameter that may be given more than once; empty ones are ignored. */
export const texts = once((most: number, longest: number = 4096) =>
  z
    .array(z.string().max(longest))
    .max(most)
    .transform((all) => all.filter((text) => text !== "")),
);

/** One of the given words; empty counts as not given. */
export const oneOf = <W extends string>(...words: W[]) =>
  z
    .enum(["", ...words], { error: `expected one of ${words.join(", ")}` })
    .optional()
    .transform((word) => (word === "" ? undefined : (word as W | undefined)));

/** A parameter that bay does not support: only values that request nothing are accepted. */
export const never = once((...harmless: string[]) =>
  z
    .string()
    // Python's clients write False
    .transform((text) => text.toLowerCase())
    .pipe(z.enum(["", ...harmless], { error: "it is not supported" }))
    .optional()
    .transform(() => undefined),
);

/** The result of a parser; empty counts as not given. The parser throws its own errors. */
const parsed = <T>(parse: (text: string) => T, longest = 4096) =>
  z
    .string()
    .max(longest)
    .optional()
    .transform((text) => (text ? parse(text) : undefined));

/** JSON by its schema. Throws BAD_REQUEST. */
export const json = <T>(name: string, schema: z.ZodType<T>) =>
  parsed((text): T => {
    const result = schema.safeParse(parseJson(Buffer.from(text), name));
    if (result.success) return result.data;
    throw new BayError("BAD_REQUEST", issueText(result.error.issues, name));
  }, LIMITS.request.headers);

/** Filters; `known` are the keys of the route. Throws BAD_REQUEST. */
export const filters = (known: readonly string[]) =>
  z
    .string()
    .max(LIMITS.request.headers)
    .optional()
    .transform((text) => parseFilters(text ?? null, known));

/** A time in milliseconds since 1970; empty and 0 count as not given. Throws BAD_REQUEST. */
export const moment = (key: string) => parsed((text) => (text === "0" ? undefined : momentOf(key, text)), 64);

/** A time in milliseconds; 0 is the beginning of 1970. Throws BAD_REQUEST. */
export const beginning = (key: string) => parsed((text) => momentOf(key, text), 64);

/** A signal by name or number. Throws BAD_REQUEST. */
export const signal = once(() =>
  parsed((text) => {
    const number = signalNumber(text);
    if (number === undefined || number < 1) throw new BayError("BAD_REQUEST", `invalid signal: ${text}`);
    return number;
  }, 32),
);

/** An image reference. Throws BAD_REFERENCE. */
export const referenceText = once(() =>
  parsed((text) => {
    parseReference(text);
    return text;
  }),
);

/** A tag or a digest. Throws BAD_REFERENCE. */
export const tag = once(() =>
  parsed((text) => {
    parseReference(withTag("name", text));
    return text;
  }, 256),
);

/** `NAME:TAG`, or `NAME@DIGEST`. */
export const withTag = (name: string, tag: string | undefined): string =>
  tag ? `${name}${tag.startsWith("sha256:") ? "@" : ":"}${tag}` : name;

/** A platform such as `linux/arm64`. Throws BAD_PLATFORM. */
export const platform = once(() =>
  parsed((text) => {
    parsePlatform(text);
    return text;
  }, 256),
);

/** Whether a schema takes all values of its parameter. */
const takesAll = (schema: z.ZodType): boolean =>
  schema instanceof z.ZodArray || (schema instanceof z.ZodPipe && takesAll(schema.def.in as z.ZodType));

/** Parses the parameters in `shape`, and ignores others. Throws BAD_REQUEST and errors of the values' parsers. */
export function readQuery<S extends z.ZodRawShape>(
  query: URLSearchParams,
  shape: S,
): z.output<z.ZodObject<S>> {
  const values: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(shape)) {
    const all = query.getAll(key);
    const isList = takesAll(schema as z.ZodType);
    if (!isList && new Set(all).size > 1)
      throw new BayError("BAD_REQUEST", `the parameter ${key} is given more than once`);
    const result = (schema as z.ZodType).safeParse(isList ? all : all[0]);
    if (!result.success)
      throw new BayError(
        "BAD_REQUEST",
        issueText(result.error.issues.map((issue) => ({ ...issue, path: [key] }))),
      );
    values[key] = result.data;
  }
  return values as z.output<z.ZodObject<S>>;
}

/** Docker's -1 waits without a limit. */
const NO_END = 2_000_000;

/** Converts `t` of stop and restart to milliseconds. */
export const graceOf = (t: number | undefined): number | undefined =>
  t === undefined ? undefined : (t === -1 ? NO_END : t) * 1000;

/** Returns rows and columns of a terminal. Throws BAD_REQUEST. */
export function terminalSize({ h, w }: { h?: number | undefined; w?: number | undefined }): {
  rows: number;
  columns: number;
} {
  if (h === undefined || w === undefined)
    throw new BayError(
      "BAD_REQUEST",
      "the parameters h and w (the rows and columns of the terminal) are required",
    );
  return { rows: h, columns: w };
}

const NAME = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}$/;

/** Checks a container's name by Docker's rule, and removes a leading slash. Throws BAD_REQUEST. */
export function containerName(given: string | null | undefined): string {
  if (!given) throw new BayError("BAD_REQUEST", "the name of a container cannot be empty");
  if (NAME.test(given)) return given.replace(/^\//, "");
  throw new BayError("BAD_REQUEST", `invalid container name (${given.slice(0, 300)})`, {
    hint: "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, with 2 to 255 characters",
  });
}

/** The name of a container, if one is given. Throws BAD_REQUEST. */
export const containerNameText = once(() => parsed(containerName));
