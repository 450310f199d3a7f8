/** Parameters of the Engine API's queries by their schemas; what is wrong is told with its name. */
import { z } from "zod";
import { BayError } from "../../errors.ts";
import { issueText } from "../request-body.ts";
import { momentOf } from "./filters.ts";

/** Making a schema takes longer than most requests, so that each is made once. */
function once<A extends readonly unknown[], S>(make: (...given: A) => S): (...given: A) => S {
  const made = new Map<string, S>();
  return (...given) => {
    const key = given.join(" ");
    const known = made.get(key) ?? make(...given);
    made.set(key, known);
    return known;
  };
}

/** As Docker reads them: everything but these is true. */
const FALSE = ["", "0", "no", "false", "none"];

/** A truth value; `fallback` where it is not given. */
export const flag = once((fallback: boolean = false) =>
  z
    .string()
    .max(16)
    .optional()
    .transform((text) => (text === undefined ? fallback : !FALSE.includes(text.trim().toLowerCase()))),
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
        message: `expected a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`,
      });
      return z.NEVER;
    }),
);

export const text = once((longest: number = 4096) => z.string().max(longest).optional());

/** Parameters that `shape` names; the first of several values counts, others are not read. Throws BAD_REQUEST. */
export function readQuery<S extends z.ZodRawShape>(
  query: URLSearchParams,
  shape: S,
): z.output<z.ZodObject<S>> {
  const values: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(shape)) {
    const parsed = (schema as z.ZodType).safeParse(query.get(key) ?? undefined);
    if (!parsed.success)
      throw new BayError(
        "BAD_REQUEST",
        issueText(parsed.error.issues.map((issue) => ({ ...issue, path: [key] }))),
      );
    values[key] = parsed.data;
  }
  return values as z.output<z.ZodObject<S>>;
}

/** `since` and `until` of logs and events; empty and 0 count as not given. Throws BAD_REQUEST. */
export function momentIn(query: URLSearchParams, key: string): number | undefined {
  const given = query.get(key);
  return given === null || given === "" || given === "0" ? undefined : momentOf(key, given);
}

/** Seconds of grace before a container is killed: Docker's -1 waits without end. */
const LONGEST_GRACE = 2_000_000;

/** The `t` of stop and restart in milliseconds. Throws BAD_REQUEST. */
export function graceOf(query: URLSearchParams): number | undefined {
  const { t } = readQuery(query, { t: integer(-1, LONGEST_GRACE) });
  if (t === undefined) return undefined;
  return (t === -1 ? LONGEST_GRACE : t) * 1000;
}

/** Rows and columns of a terminal. Throws BAD_REQUEST. */
export function terminalSize(query: URLSearchParams): { rows: number; columns: number } {
  const { h, w } = readQuery(query, { h: integer(0, 65535), w: integer(0, 65535) });
  if (h === undefined || w === undefined)
    throw new BayError("BAD_REQUEST", "the query needs h and w, the rows and columns of the terminal");
  return { rows: h, columns: w };
}

const NAME = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}$/;

/** A container's name by Docker's rule, without its leading slash. Throws BAD_REQUEST. */
export function containerName(given: string | null | undefined): string {
  if (!given) throw new BayError("BAD_REQUEST", "the name of a container cannot be empty");
  if (NAME.test(given)) return given.replace(/^\//, "");
  throw new BayError("BAD_REQUEST", `invalid container name (${given.slice(0, 300)})`, {
    hint: "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, with 2 to 255 characters",
  });
}
