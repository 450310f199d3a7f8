/** The functions of Go's text/template and those that Docker's formats add to them. */
import { badTemplate } from "./lex.ts";

export type Value = unknown;
export type TemplateFunction = (...values: Value[]) => Value;

/** The bound of widths and repetitions: the result is held in memory. */
const WIDEST = 10_000;

/** Prints like Go's fmt with %v. */
export function showValue(value: Value): string {
  if (value === undefined || value === null) return "<no value>";
  if (Array.isArray(value)) return `[${value.map(showValue).join(" ")}]`;
  if (typeof value === "function") throw badTemplate("a column with an argument needs the argument");
  if (typeof value !== "object") return String(value);
  const entries = Object.entries(value).filter(([, entry]) => typeof entry !== "function");
  return `map[${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, entry]) => `${key}:${showValue(entry)}`)
    .join(" ")}]`;
}

/** Go's rule of truth: false, 0, nil and empty values are false. */
export function isTrue(value: Value): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

const text = (name: string, value: Value): string => {
  if (typeof value === "string") return value;
  throw badTemplate(`${name}: expected text, got ${showValue(value)}`);
};

const whole = (name: string, value: Value): number => {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= WIDEST) return value;
  throw badTemplate(`${name}: expected a whole number from 0 to ${WIDEST}, got ${showValue(value)}`);
};

function compare(name: string, left: Value, right: Value): number {
  if (typeof left !== typeof right || (typeof left !== "number" && typeof left !== "string"))
    throw badTemplate(`${name}: ${showValue(left)} and ${showValue(right)} cannot be compared`);
  return left < (right as typeof left) ? -1 : left > (right as typeof left) ? 1 : 0;
}

function equal(left: Value, right: Value): boolean {
  const isSimple = (value: Value) => typeof value !== "object" || value === null;
  if (isSimple(left) && isSimple(right) && (typeof left === typeof right || left == null || right == null))
    return (left ?? null) === (right ?? null);
  throw badTemplate(`eq: ${showValue(left)} and ${showValue(right)} cannot be compared`);
}

function indexed(value: Value, key: Value): Value {
  if (Array.isArray(value) || typeof value === "string") {
    const at = typeof key === "number" ? key : Number.NaN;
    if (!Number.isInteger(at) || at < 0 || at >= value.length)
      throw badTemplate(`index: ${showValue(key)} is outside of a list of ${value.length}`);
    return typeof value === "string" ? Buffer.from(value)[at] : value[at];
  }
  if (typeof value === "object" && value !== null)
    return Object.hasOwn(value, String(key)) ? (value as Record<string, Value>)[String(key)] : "";
  throw badTemplate(`index: expected a list or a map, got ${showValue(value)}`);
}

const lengthOf = (value: Value): number => {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (typeof value === "object" && value !== null) return Object.keys(value).length;
  throw badTemplate(`len: expected text, a list or a map, got ${showValue(value)}`);
};

/** Go's fmt.Sprintf for %v %s %q %d %f %x %t and %%, with widths. */
function format(pattern: string, values: Value[]): string {
  let next = 0;
  const result = pattern.replace(
    /%([-0+]*)(\d*)(?:\.(\d+))?(.?)/gsu,
    (_whole, flags: string, width: string, digits: string | undefined, verb: string) => {
      if (verb === "%") return "%";
      if (!"vsqdfxt".includes(verb) || verb === "") throw badTemplate(`printf: unknown verb %${verb}`);
      if (next >= values.length) throw badTemplate(`printf: there is no value for %${verb}`);
      if (Math.max(Number(width), Number(digits ?? 0)) > WIDEST)
        throw badTemplate(`printf: the width is over ${WIDEST}`);
      const shown = oneValue(verb, values[next++], digits === undefined ? undefined : Number(digits));
      if (flags.includes("-")) return shown.padEnd(Number(width));
      return shown.padStart(Number(width), flags.includes("0") && verb !== "s" ? "0" : " ");
    },
  );
  if (next < values.length) throw badTemplate(`printf: ${values.length - next} values have no verb`);
  return result;
}

function oneValue(verb: string, value: Value, digits: number | undefined): string {
  const number = () => {
    if (typeof value === "number") return value;
    throw badTemplate(`printf: %${verb} expects a number, got ${showValue(value)}`);
  };
  if (verb === "q") return JSON.stringify(showValue(value));
  if (verb === "d") return String(Math.trunc(number()));
  if (verb === "f") return number().toFixed(Math.min(digits ?? 6, 100));
  if (verb === "x")
    return typeof value === "number" ? value.toString(16) : Buffer.from(showValue(value)).toString("hex");
  const shown = showValue(value);
  return digits === undefined ? shown : [...shown].slice(0, digits).join("");
}

/** fmt.Sprint: a space between two values of which neither is text. */
const sprint = (values: Value[]): string =>
  values.reduce<string>((all, value, at) => {
    const before = values[at - 1];
    const space = at > 0 && typeof before !== "string" && typeof value !== "string" ? " " : "";
    return all + space + showValue(value);
  }, "");

const cut = (value: string, length: number) => [...value].slice(0, length).join("");

/** `and` and `or` are in the evaluator, because they evaluate only the arguments that they need. */
export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  json: (value) => JSON.stringify(value ?? null),
  split: (value, separator) => text("split", value).split(text("split", separator)),
  join: (list, separator) => {
    if (!Array.isArray(list)) throw badTemplate(`join: expected a list, got ${showValue(list)}`);
    return list.map(showValue).join(text("join", separator));
  },
  title: (value) => text("title", value).replace(/(^|\s)\p{L}/gu, (first) => first.toUpperCase()),
  lower: (value) => text("lower", value).toLowerCase(),
  upper: (value) => text("upper", value).toUpperCase(),
  pad: (value, before, after) => {
    const given = text("pad", value);
    return given === "" ? "" : " ".repeat(whole("pad", before)) + given + " ".repeat(whole("pad", after));
  },
  truncate: (value, length) => cut(text("truncate", value), whole("truncate", length)),
  print: (...values) => sprint(values),
  println: (...values) => `${values.map(showValue).join(" ")}\n`,
  printf: (pattern, ...values) => format(text("printf", pattern), values),
  len: lengthOf,
  index: (value, ...keys) => keys.reduce(indexed, value),
  slice: (value, from = 0, to = undefined) => {
    const length = lengthOf(value);
    const [start, end] = [whole("slice", from), to === undefined ? length : whole("slice", to)];
    if (start > end || end > length) throw badTemplate(`slice: ${start} to ${end} is outside of ${length}`);
    if (Array.isArray(value)) return value.slice(start, end);
    return Buffer.from(text("slice", value)).subarray(start, end).toString();
  },
  not: (value) => !isTrue(value),
  eq: (first, ...others) => {
    if (others.length === 0) throw badTemplate("eq: expected two values or more");
    return others.some((other) => equal(first, other));
  },
  ne: (left, right) => !equal(left, right),
  lt: (left, right) => compare("lt", left, right) < 0,
  le: (left, right) => compare("le", left, right) <= 0,
  gt: (left, right) => compare("gt", left, right) > 0,
  ge: (left, right) => compare("ge", left, right) >= 0,
};

const yes = () => true;
const heading = (...values: Value[]) => values.find((value) => typeof value === "string") ?? "";

/** For the heading line the functions return the heading unchanged, and all comparisons are true. */
export const HEADING_FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  ...FUNCTIONS,
  ...Object.fromEntries(
    ["json", "split", "join", "title", "lower", "upper", "pad", "truncate", "slice", "index", "len"].map(
      (name) => [name, heading],
    ),
  ),
  ...Object.fromEntries(["eq", "ne", "lt", "le", "gt", "ge", "not"].map((name) => [name, yes])),
  printf: (_pattern, ...values) => heading(...values),
};
