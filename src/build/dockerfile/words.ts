/**
 * Words of a Dockerfile: quotes, escapes and variables in the forms of the Dockerfile reference ("Environment
 * replacement"), which are those of the POSIX shell (2.6.2 Parameter Expansion) and bash's ${name/pattern/text}.
 */
import { BayError } from "../../core/errors.ts";
import { shellPattern } from "./shell-pattern.ts";

/** A variable's value; undefined if it is not set. */
export type Lookup = (name: string) => string | undefined;

export interface WordOptions {
  /** `\`, or the character of the escape directive. */
  escape?: string;
  /** Leave quotes in the result. */
  keepQuotes?: boolean;
  /** Leave escape characters in the result. */
  keepEscapes?: boolean;
  /** Leave unset variables unchanged. */
  keepUnset?: boolean;
}

export interface Expansion {
  /** The whole text, as one word. */
  text: string;
  /** Split at unquoted spaces, including those in variables' values. */
  words: string[];
  /** Names of unset variables that have no default. */
  unset: string[];
}

const SPACE = /\s/;
const SPECIAL = new Set("@*#?-$!0");
const isDigit = (char: string) => char >= "0" && char <= "9";
const bad = (message: string) => new BayError("BAD_WORD", message);

/** Throws BAD_WORD: an unterminated quote or brace, an unknown modifier, an unset variable that `?` requires. */
export function expand(source: string, lookup: Lookup, options: WordOptions = {}): Expansion {
  return new Expander(source, lookup, options).run();
}

/** The state while words are collected. */
class Words {
  readonly done: string[] = [];
  #word = "";
  #isOpen = false;

  /** Text that may hold separators. */
  add(text: string): void {
    for (const char of text) {
      if (!SPACE.test(char)) this.addRaw(char);
      else if (this.#isOpen && this.#word !== "") this.end();
    }
  }

  addRaw(text: string): void {
    this.#word += text;
    this.#isOpen = true;
  }

  end(): void {
    if (this.#word !== "") this.done.push(this.#word);
    this.#word = "";
    this.#isOpen = false;
  }
}

class Expander {
  readonly #chars: string[];
  #at = 0;
  readonly #escape: string;
  readonly #unset = new Set<string>();

  constructor(
    readonly source: string,
    readonly lookup: Lookup,
    readonly options: WordOptions,
  ) {
    this.#chars = [...source];
    this.#escape = options.escape ?? "\\";
  }

  run(): Expansion {
    const { text, words } = this.#until(undefined, this.options.keepEscapes ?? false);
    return { text, words, unset: [...this.#unset] };
  }

  #peek(): string | undefined {
    return this.#chars[this.#at];
  }

  #next(): string | undefined {
    return this.#chars[this.#at++];
  }

  /** Reads to a character that ends the text, and consumes it. */
  #until(stop: string | undefined, keepEscapes: boolean): { text: string; words: string[] } {
    const words = new Words();
    let text = "";
    for (let char = this.#peek(); char !== undefined; char = this.#peek()) {
      if (char === stop) {
        this.#at += 1;
        words.end();
        return { text, words: words.done };
      }
      if (char === "'" || char === '"') {
        const part = char === "'" ? this.#singleQuoted() : this.#doubleQuoted();
        text += part;
        words.addRaw(part);
      } else if (char === "$") {
        const part = this.#dollar();
        text += part;
        words.add(part);
      } else if (char === this.#escape) {
        this.#at += 1;
        const escaped = this.#next();
        const part = (keepEscapes ? char : "") + (escaped ?? "");
        text += part;
        if (escaped !== undefined || keepEscapes) words.addRaw(part);
      } else {
        this.#at += 1;
        text += char;
        words.add(char);
      }
    }
    if (stop !== undefined)
      throw bad(stop === "}" ? "syntax error: missing '}'" : `syntax error: missing '${stop}'`);
    words.end();
    return { text, words: words.done };
  }

  #singleQuoted(): string {
    this.#at += 1;
    const end = this.#chars.indexOf("'", this.#at);
    if (end === -1) throw bad("unexpected end of statement while looking for matching single-quote");
    const text = this.#chars.slice(this.#at, end).join("");
    this.#at = end + 1;
    return this.options.keepQuotes ? `'${text}'` : text;
  }

  /** In double quotes variables are replaced, and only `"`, `$` and the escape character itself can be escaped. */
  #doubleQuoted(): string {
    this.#at += 1;
    const { keepQuotes, keepEscapes } = this.options;
    let text = "";
    for (let char = this.#peek(); char !== undefined; char = this.#peek()) {
      if (char === '"') {
        this.#at += 1;
        return keepQuotes ? `"${text}"` : text;
      }
      if (char === "$") {
        text += this.#dollar();
        continue;
      }
      this.#at += 1;
      if (char !== this.#escape) {
        text += char;
        continue;
      }
      const escaped = this.#peek();
      if (escaped === '"' || escaped === "$" || escaped === this.#escape) {
        this.#at += 1;
        text += keepEscapes ? char + escaped : escaped;
      } else if (escaped !== undefined || keepEscapes) text += char;
    }
    throw bad("unexpected end of statement while looking for matching double-quote");
  }

  #dollar(): string {
    this.#at += 1;
    if (this.#peek() === "{") return this.#braced();
    const name = this.#name();
    if (name === "") return "$";
    const value = this.lookup(name);
    if (value === undefined && this.options.keepUnset) return `$${name}`;
    if (value === undefined) this.#unset.add(name);
    return value ?? "";
  }

  /** Letters, digits and underscores; a number; or one of the shell's special parameters. */
  #name(): string {
    const first = this.#peek();
    if (first === undefined) return "";
    if (SPECIAL.has(first) && !isDigit(first)) {
      this.#at += 1;
      return first;
    }
    const belongs = isDigit(first) ? isDigit : (char: string) => /[A-Za-z0-9_]/.test(char);
    let name = "";
    for (let char = this.#peek(); char !== undefined && belongs(char); char = this.#peek()) {
      name += char;
      this.#at += 1;
    }
    return name;
  }

  #braced(): string {
    this.#at += 1;
    const first = this.#peek();
    if (first === undefined) throw bad("syntax error: missing '}'");
    if ("{}:".includes(first)) throw bad("syntax error: bad substitution");
    const name = this.#name();
    const modifier = this.#next();
    if (modifier === undefined) throw bad("syntax error: missing '}'");
    if (modifier === "}") {
      const value = this.lookup(name);
      if (value === undefined && this.options.keepUnset) return `\${${name}}`;
      if (value === undefined) this.#unset.add(name);
      return value ?? "";
    }
    if (modifier === "/") return this.#replaced(name);
    const isEmptyUnset = modifier === ":";
    const operator = isEmptyUnset ? this.#next() : modifier;
    if (operator === undefined) throw bad("syntax error: missing '}'");
    const isTrim = operator === "#" || operator === "%";
    if (!"+-?#%".includes(operator) || (isTrim && isEmptyUnset))
      throw bad(`unsupported modifier (${isEmptyUnset ? ":" : ""}${operator}) in substitution`);
    const { text: word } = this.#until("}", isTrim);
    const value = this.lookup(name);
    const isSet = value !== undefined && !(isEmptyUnset && value === "");
    if (value === undefined && this.options.keepUnset)
      return `\${${name}${isEmptyUnset ? ":" : ""}${operator}${word}}`;
    switch (operator) {
      case "-":
        return isSet ? value : word;
      case "+":
        return isSet ? word : "";
      case "?":
        if (isSet) return value;
        throw bad(
          `${name}: ${word || (value === undefined ? "is not allowed to be unset" : "is not allowed to be empty")}`,
        );
      default:
        if (value === undefined) this.#unset.add(name);
        return trimmed(value ?? "", operator as "#" | "%", word);
    }
  }

  /** `${name/pattern/text}` the first match, `${name//pattern/text}` all of them. */
  #replaced(name: string): string {
    const isAll = this.#peek() === "/";
    if (isAll) this.#at += 1;
    const { text: pattern } = this.#until("/", true);
    const { text: replacement } = this.#until("}", true);
    const value = this.lookup(name);
    if (value === undefined && this.options.keepUnset)
      return `\${${name}/${isAll ? "/" : ""}${pattern}/${replacement}}`;
    if (value === undefined) this.#unset.add(name);
    const expression = shellPattern(pattern, { greedy: true, flags: isAll ? "gu" : "u" });
    return (value ?? "").replace(expression, () => replacement);
  }
}

/** `#` removes the shortest match from the front and `%` from the end; doubled, the longest. */
function trimmed(value: string, operator: "#" | "%", word: string): string {
  const isLongest = word.startsWith(operator);
  const pattern = isLongest ? word.slice(1) : word;
  if (operator === "#") {
    const expression = shellPattern(pattern, { greedy: isLongest, anchor: "start", flags: "u" });
    return value.replace(expression, "");
  }
  // a regular expression finds the leftmost match, so search backwards for the shortest at the end
  const expression = shellPattern(pattern, { greedy: true, anchor: "both", flags: "u" });
  const chars = [...value];
  const starts = Array.from({ length: chars.length + 1 }, (_, index) => index);
  for (const start of isLongest ? starts : starts.reverse())
    if (expression.test(chars.slice(start).join(""))) return chars.slice(0, start).join("");
  return value;
}
