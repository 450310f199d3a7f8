/**
 * Patterns of .dockerignore and --exclude, as moby's patternmatcher reads them: `*`, `?`, `[…]`, `**` over any number
 * of directories, `!` re-includes, the last match wins, and everything below a matching path matches too.
 */
import { posix } from "node:path";
import { BayError, messageOf } from "../core/errors.ts";
import { normalPath } from "../core/normal-path.ts";

interface Pattern {
  expression: RegExp;
  isNegative: boolean;
}

/** The patterns of a .dockerignore: a line each, without comments. Throws BAD_IGNORE_FILE with `file` and the line. */
export function ignoreLines(text: string, file: string): string[] {
  const lines = text.replace(/^\uFEFF/, "").split("\n");
  return lines.flatMap((whole, index) => {
    const line = whole.trim();
    if (whole.startsWith("#") || line === "") return [];
    const isNegative = line.startsWith("!");
    const pattern = clean(isNegative ? line.slice(1).trim() : line);
    try {
      toExpression(pattern);
    } catch (cause) {
      throw new BayError("BAD_IGNORE_FILE", `${file}:${index + 1}: ${messageOf(cause)}`, {
        hint: "write a backslash before [ to match the character",
      });
    }
    return [(isNegative ? "!" : "") + pattern];
  });
}

/**
 * The patterns of a build: those of its Dockerfile's own ignore file, or else those of the context's. `read` returns the text of a
 * file, or undefined if it does not exist. Throws BAD_IGNORE_FILE.
 */
export function readIgnore(
  context: string,
  dockerfile: string | undefined,
  read: (file: string) => string | undefined,
): string[] {
  const own = dockerfile === undefined ? [] : [`${dockerfile}.dockerignore`];
  for (const file of [...own, posix.join(context, ".dockerignore")]) {
    const text = read(file);
    if (text !== undefined) return ignoreLines(text, file);
  }
  return [];
}

/** Removes slashes at both ends, and dot components. */
function clean(pattern: string): string {
  if (pattern === "") return "";
  const normal = normalPath(pattern);
  return normal.length > 1 && normal.startsWith("/") ? normal.slice(1) : normal;
}

export class IgnorePatterns {
  readonly #patterns: Pattern[];

  /** `lines` as `ignoreLines` returns them, or the words of --exclude. Throws a SyntaxError for an invalid `[…]`. */
  constructor(lines: readonly string[]) {
    this.#patterns = lines.flatMap((line) => {
      const isNegative = line.startsWith("!");
      const pattern = clean((isNegative ? line.slice(1) : line).trim());
      return pattern === "" || pattern === "." ? [] : [{ expression: toExpression(pattern), isNegative }];
    });
  }

  get isEmpty(): boolean {
    return this.#patterns.length === 0;
  }

  /** Something below an ignored directory may be included again, so the directory has to be read. */
  get mayTakeBack(): boolean {
    return this.#patterns.some(({ isNegative }) => isNegative);
  }

  /** Whether a relative path with slashes is ignored, by itself or through a parent directory. */
  matches(path: string): boolean {
    const parts = path.split("/");
    const all = parts.map((_, index) => parts.slice(0, index + 1).join("/"));
    let isIgnored = false;
    for (const { expression, isNegative } of this.#patterns)
      if (isIgnored === isNegative && all.some((part) => expression.test(part))) isIgnored = !isNegative;
    return isIgnored;
  }
}

/** Throws a SyntaxError for an invalid `[…]`. */
export function toExpression(pattern: string): RegExp {
  let source = "^";
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at]!;
    if (char === "*" && chars[at + 1] === "*") {
      at += 1;
      if (chars[at + 1] === "/") at += 1;
      source += at + 1 >= chars.length ? "[^]*" : "(?:[^]*/)?";
    } else if (char === "*") source += "[^/]*";
    else if (char === "?") source += "[^/]";
    else if (char === "\\" && at + 1 < chars.length) source += escaped(chars[++at]!);
    else if (char === "[") {
      const end = chars.indexOf("]", at + 2);
      if (end === -1) throw new SyntaxError(`the bracket in ${JSON.stringify(pattern)} is not closed`);
      source += bracket(chars.slice(at + 1, end));
      at = end;
    } else source += escaped(char);
  }
  return new RegExp(`${source}$`, "u");
}

const escaped = (char: string) => char.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");

/** The inside of `[…]`, in which `^` negates, and `-` is a range. */
function bracket(inside: readonly string[]): string {
  const isNot = inside[0] === "^";
  const given = inside.slice(isNot ? 1 : 0);
  for (let at = 0; at + 2 < given.length; at++) {
    if (given[at + 1] !== "-") continue;
    const [first, last] = [given[at]!, given[at + 2]!];
    if (first.codePointAt(0)! > last.codePointAt(0)!)
      throw new SyntaxError(`the range ${first}-${last} is reversed`);
    at += 2; // the next part starts here
  }
  const rest = given.map((char) => (/[\\\]^[]/.test(char) ? `\\${char}` : char));
  return `[${isNot ? "^" : ""}${rest.join("")}]`;
}
