/** The lexer of Go's text/template: text, actions, and the tokens in an action. */
import { BayError } from "../../../core/errors.ts";

export type Piece = { text: string } | { action: Token[]; source: string };

export type Token =
  | { kind: "field"; name: string; isAttached: boolean }
  | { kind: "variable"; name: string }
  | { kind: "word"; name: string }
  | { kind: "literal"; value: string | number }
  | { kind: "sign"; name: "(" | ")" | "|" | "," | ":=" | "=" | "." };

export const badTemplate = (message: string, hint?: string): BayError =>
  new BayError("BAD_TEMPLATE", `--format: ${message}`, hint ? { hint } : {});

const LONGEST = 16_384;

/** Text and actions in order; `{{-` and `-}}` trim the adjacent text. Throws BAD_TEMPLATE. */
export function splitTemplate(source: string): Piece[] {
  if (source.length > LONGEST)
    throw badTemplate(`the template is longer than ${LONGEST} characters`, "shorten it");
  const pieces: Piece[] = [];
  let rest = source;
  let trimsNext = false;
  for (;;) {
    const start = rest.indexOf("{{");
    let text = start < 0 ? rest : rest.slice(0, start);
    if (trimsNext) text = text.trimStart();
    const trimsBefore = start >= 0 && /^\{\{-\s/.test(rest.slice(start, start + 4));
    if (trimsBefore) text = text.trimEnd();
    if (text !== "") pieces.push({ text });
    if (start < 0) return pieces;
    const begin = start + (trimsBefore ? 3 : 2);
    const end = endOfAction(rest, begin);
    let body = rest.slice(begin, end);
    trimsNext = /\s-$/.test(body);
    if (trimsNext) body = body.slice(0, -1);
    if (!/^\s*\/\*[\s\S]*\*\/\s*$/.test(body)) pieces.push({ action: tokensOf(body), source: body.trim() });
    rest = rest.slice(end + 2);
  }
}

/** The position of the `}}` that closes the action; one in a string does not count. */
function endOfAction(text: string, from: number): number {
  let quote = "";
  for (let at = from; at < text.length; at++) {
    const sign = text[at]!;
    if (quote !== "") {
      if (sign === "\\" && quote !== "`") at++;
      else if (sign === quote) quote = "";
    } else if (sign === '"' || sign === "`" || sign === "'") quote = sign;
    else if (sign === "}" && text[at + 1] === "}") return at;
  }
  throw badTemplate(`expected }} after {{${text.slice(from, from + 40)}`);
}

const RULES: [RegExp, (match: string, isAttached: boolean) => Token | undefined][] = [
  [/^\s+/, () => undefined],
  [/^"(?:[^"\\\n]|\\.)*"/, (text) => ({ kind: "literal", value: unquoted(text) })],
  [/^`[^`]*`/, (text) => ({ kind: "literal", value: text.slice(1, -1) })],
  [/^'(?:[^'\\\n]|\\.)'/u, (text) => ({ kind: "literal", value: runeOf(text) })],
  [/^[+-]?\d+(?:\.\d+)?/, (text) => ({ kind: "literal", value: Number(text) })],
  [/^\.[\p{L}_][\p{L}\d_]*/u, (text, isAttached) => ({ kind: "field", name: text.slice(1), isAttached })],
  [/^\$[\p{L}\d_]*/u, (text) => ({ kind: "variable", name: text })],
  [/^[\p{L}_][\p{L}\d_]*/u, (text) => ({ kind: "word", name: text })],
  [/^(?::=|[()|,=.])/, (text) => ({ kind: "sign", name: text as "(" })],
];

function tokensOf(body: string): Token[] {
  const tokens: Token[] = [];
  let rest = body;
  let isAttached = false;
  while (rest !== "") {
    const found = RULES.map(([pattern, make]) => ({ text: pattern.exec(rest)?.[0], make })).find(
      ({ text }) => text !== undefined,
    );
    if (!found) throw badTemplate(`unexpected ${JSON.stringify([...rest][0])} in {{${body}}}`);
    const token = found.make(found.text!, isAttached);
    if (token) tokens.push(token);
    isAttached = token !== undefined && !(token.kind === "sign" && token.name !== ")");
    rest = rest.slice(found.text!.length);
  }
  return tokens;
}

/** The code point of a quoted character. */
const runeOf = (text: string): number => unquoted(`"${text.slice(1, -1)}"`).codePointAt(0)!;

function unquoted(text: string): string {
  try {
    return JSON.parse(text.replace(/\\'/g, "'")) as string;
  } catch (cause) {
    throw new BayError("BAD_TEMPLATE", `--format: invalid string ${text}`, {
      cause,
      hint: 'the escapes are \\n, \\t, \\", \\\\ and \\uXXXX',
    });
  }
}
