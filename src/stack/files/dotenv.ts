/** .env and env_file, by Compose's rules: quotes, escapes in double quotes, `export`, comments, interpolation. */
import { interpolate, type Variables } from "./interpolate.ts";

/**
 * Parses a file. Throws Error naming the malformed line, or the line with a required variable that is not set. `lookup`
 * resolves variables that the file does not set.
 */
export function parseDotenv(
  text: string,
  lookup: Variables,
  warn: (message: string) => void = () => {},
): Map<string, string> {
  const values = new Map<string, string>();
  const variables: Variables = (name) => lookup(name) ?? values.get(name);
  const expand = (value: string, at: number) =>
    interpolate(value, variables, ({ kind, message }) => {
      if (kind === "error") throw new Error(`line ${at}: ${message}`);
      warn(`line ${at}: ${message}`);
    });
  const source = text.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n");
  const pattern = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*(?:[=:][ \t]*)?/;
  let rest = source;
  let line = 1;
  const advance = (count: number) => {
    line += rest.slice(0, count).split("\n").length - 1;
    rest = rest.slice(count);
  };
  while (rest.length > 0) {
    const blank = /^[ \t]*(#[^\n]*)?(\n|$)/.exec(rest);
    if (blank && blank[0].length > 0) {
      advance(blank[0].length);
      continue;
    }
    const key = pattern.exec(rest);
    if (!key) throw new Error(`line ${line}: expected NAME=value`);
    const hasValue = /[=:]/.test(key[0].slice(key[0].indexOf(key[1]!) + key[1]!.length));
    const first = line;
    advance(key[0].length);
    const quote = hasValue ? rest[0] : undefined;
    if (quote === '"' || quote === "'") {
      const quoted = (quote === '"' ? /^"((?:\\.|[^"\\])*)"/s : /^'((?:\\'|[^'])*)'/s).exec(rest);
      if (!quoted) throw new Error(`line ${line}: the value of ${key[1]} is not closed`);
      advance(quoted[0].length);
      const tail = /^[^\n]*(\n|$)/.exec(rest)![0];
      if (!/^[ \t]*(#.*)?\n?$/.test(tail))
        throw new Error(
          `line ${line}: unexpected ${JSON.stringify(tail.trim())} after the value of ${key[1]}`,
        );
      advance(tail.length);
      values.set(
        key[1]!,
        quote === '"' ? expand(unescapeDouble(quoted[1]!), first) : quoted[1]!.replaceAll("\\'", "'"),
      );
    } else {
      const raw = /^[^\n]*(\n|$)/.exec(rest)![0];
      advance(raw.length);
      // a # begins a comment only after white space, which may have been read with the name
      const comment = /[ \t]$/.test(key[0]) ? /(^|[ \t])#.*$/s : /[ \t]#.*$/s;
      const value = raw.replace(comment, "").trim();
      if (hasValue) values.set(key[1]!, expand(value, first));
      else if (value !== "")
        throw new Error(
          `line ${first}: unexpected ${JSON.stringify(value)} after ${key[1]}; expected NAME=value, and a name has no spaces`,
        );
      else {
        const inherited = lookup(key[1]!);
        if (inherited !== undefined) values.set(key[1]!, inherited);
      }
    }
  }
  return values;
}

const ESCAPES: Record<string, string> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  '"': '"',
  "\\": "\\",
};

function unescapeDouble(text: string): string {
  return text.replace(/\\(0[0-7]{1,3}|.)/gs, (whole, escaped: string) => {
    if (escaped === "$") return "$$";
    if (/^0[0-7]/.test(escaped)) return String.fromCharCode(Number.parseInt(escaped, 8) & 0xff);
    return ESCAPES[escaped] ?? whole;
  });
}

/** An env file with `format: raw`: each line is taken literally as NAME=value, without quotes, variables or escapes. */
export function parseRawEnv(text: string, lookup: Variables): Map<string, string> {
  const values = new Map<string, string>();
  for (const [index, line] of text.replaceAll("\r\n", "\n").split("\n").entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, name, value] = /^\s*([^=\s]+)(?:=(.*))?$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`line ${index + 1}: expected NAME=value`);
    const given = value ?? lookup(name);
    if (given !== undefined) values.set(name, given);
  }
  return values;
}

/** The parser for a format of env files. */
export const envParser = (format: unknown) => (format === "raw" ? parseRawEnv : parseDotenv);
