/** Splits the arguments of each kind of instruction: words, JSON arrays, KEY=VALUE pairs, the rest of the line. */
import { BayError } from "../../core/errors.ts";

export interface Split {
  args: string[];
  isJson: boolean;
}

const SPACE = /\s/;
const SPACES = /[\t\v\f\r ]+/;
const bad = (message: string, hint?: string) => new BayError("BAD_DOCKERFILE", message, hint ? { hint } : {});

/** Flags before the arguments, `--name=value`; `--` alone ends them. */
export function takeFlags(line: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && SPACE.test(line[at]!)) at += 1;
    if (!line.startsWith("--", at)) return { flags, rest: line.slice(at) };
    let word = "";
    let isBlankWord = false;
    let quote = "";
    for (; at < line.length; at++) {
      let char = line[at]!;
      if (!quote && SPACE.test(char)) break;
      if (!quote && (char === "'" || char === '"')) {
        quote = char;
        isBlankWord = true;
        continue;
      }
      if (char === quote) {
        quote = "";
        continue;
      }
      if (char === "\\") {
        if (at + 1 === line.length) continue;
        at += 1;
        char = line[at]!;
      }
      word += char;
    }
    if (word === "--") return { flags, rest: line.slice(at) };
    if (word !== "" || isBlankWord) flags.push(word);
  }
}

/** Words of KEY=VALUE lines, with their quotes and escapes, which are resolved with the variables. */
export function quotedWords(text: string, escapeChar: string): string[] {
  const words: string[] = [];
  let word = "";
  let isOpen = false;
  let quote = "";
  const end = () => {
    if (isOpen) words.push(word);
    word = "";
    isOpen = false;
  };
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (!quote && SPACE.test(char)) {
      end();
      continue;
    }
    isOpen = true;
    if (char === quote) quote = "";
    else if (!quote && (char === "'" || char === '"')) quote = char;
    else if (char === escapeChar && quote !== "'") {
      if (at + 1 === text.length) break; // at the end of the text an escape character has no effect
      word += char;
      at += 1;
      word += text[at]!;
      continue;
    }
    word += char;
  }
  if (isOpen && word !== "") words.push(word);
  return words;
}

/** KEY=VALUE pairs, or the old form KEY VALUE: key, value and separator of each, flat. */
export function keyValues(text: string, escapeChar: string, instruction: string): string[] {
  const words = quotedWords(text, escapeChar);
  if (words.length === 0) return [];
  if (!words[0]!.includes("=")) {
    const [key = "", value] = splitOnce(text);
    if (value === undefined) throw bad(`${instruction} must have two arguments`, `${instruction} NAME=VALUE`);
    return [key, value, ""];
  }
  return words.flatMap((word) => {
    const at = word.indexOf("=");
    if (at === -1)
      throw bad(
        `${instruction}: ${JSON.stringify(word)} has no =`,
        "write NAME=VALUE, with quotes around spaces",
      );
    return [word.slice(0, at), word.slice(at + 1), "="];
  });
}

export function splitOnce(text: string): [string, string?] {
  const match = SPACES.exec(text);
  return match ? [text.slice(0, match.index), text.slice(match.index + match[0].length)] : [text];
}

/** The strings of a JSON array; undefined if the text is not an array. Throws BAD_DOCKERFILE if other values are in it. */
export function jsonStrings(text: string): string[] | undefined {
  if (!text.trimStart().startsWith("[")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  if (!value.every((item) => typeof item === "string"))
    throw bad("an array must contain strings only", 'for example ["sleep", "10"]');
  return value;
}

export const byWhitespace = (text: string): Split => ({
  args: text === "" ? [] : text.split(SPACES),
  isJson: false,
});

const whole = (text: string): Split => ({ args: text === "" ? [] : [text], isJson: false });

function jsonOr(otherwise: (text: string) => Split): (text: string) => Split {
  return (text) => {
    const strings = jsonStrings(text);
    return strings ? { args: strings, isJson: true } : otherwise(text);
  };
}

export const jsonOrWhole = jsonOr(whole);
export const jsonOrWords = jsonOr(byWhitespace);
export { whole };

/** `HEALTHCHECK NONE`, or `HEALTHCHECK CMD …`. */
export function healthCheck(text: string): Split {
  const [kind = "", rest] = splitOnce(text);
  if (kind === "") return { args: [], isJson: false };
  const { args, isJson } = jsonOrWhole(rest ?? "");
  return { args: [kind, ...args], isJson };
}
