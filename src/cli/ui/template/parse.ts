/** The parser of Go's text/template: actions become a tree, by the grammar in Go's documentation. */
import { badTemplate, type Piece, splitTemplate, type Token } from "./lex.ts";

export type Node =
  | { kind: "text"; text: string }
  | { kind: "show"; pipeline: Pipeline }
  | { kind: "if" | "with" | "range"; pipeline: Pipeline; body: Node[]; otherwise: Node[] }
  | { kind: "break" | "continue" };

export interface Pipeline {
  /** Variables that receive the value; two are the index and the element of a range. */
  declare: string[];
  isAssignment: boolean;
  commands: Operand[][];
}

export type Operand =
  | { kind: "dot" }
  | { kind: "nil" }
  | { kind: "literal"; value: string | number | boolean }
  | { kind: "variable"; name: string; fields: string[] }
  | { kind: "fields"; fields: string[] }
  | { kind: "function"; name: string }
  | { kind: "pipeline"; pipeline: Pipeline; fields: string[] };

const DEEPEST = 50;
const CONTROL = ["if", "with", "range"] as const;

/** Parses a template. Throws BAD_TEMPLATE. */
export function parseTemplate(source: string): Node[] {
  const pieces = splitTemplate(source);
  const { nodes, at } = parseBlock(pieces, 0, 0, false);
  if (at < pieces.length) throw badTemplate(`unexpected {{${(pieces[at] as { source: string }).source}}}`);
  return nodes;
}

const firstWord = (tokens: readonly Token[]): string | undefined =>
  tokens[0]?.kind === "word" ? tokens[0].name : undefined;

function parseBlock(
  pieces: Piece[],
  from: number,
  depth: number,
  inRange: boolean,
): { nodes: Node[]; at: number } {
  if (depth > DEEPEST) throw badTemplate(`blocks are nested deeper than ${DEEPEST}`);
  const nodes: Node[] = [];
  let at = from;
  while (at < pieces.length) {
    const piece = pieces[at]!;
    if ("text" in piece) {
      nodes.push({ kind: "text", text: piece.text });
      at += 1;
      continue;
    }
    const word = firstWord(piece.action);
    if (word === "end" || word === "else") break;
    if (word === "break" || word === "continue") {
      if (!inRange) throw badTemplate(`{{${word}}} is outside of a range`);
      nodes.push({ kind: word });
      at += 1;
    } else if (CONTROL.some((name) => name === word)) {
      const parsed = parseControl(pieces, at, piece.action, depth, inRange);
      nodes.push(parsed.node);
      at = parsed.at;
    } else if (word === "define" || word === "template" || word === "block")
      throw badTemplate(`{{${word}}} is not supported`);
    else {
      nodes.push({ kind: "show", pipeline: parsePipeline(piece.action, depth) });
      at += 1;
    }
  }
  return { nodes, at };
}

/** Parses from `if`, `with`, `range` or an `else if` to the matching `end`. */
function parseControl(
  pieces: Piece[],
  from: number,
  tokens: Token[],
  depth: number,
  inRange: boolean,
): { node: Node; at: number } {
  const kind = firstWord(tokens) as (typeof CONTROL)[number];
  const pipeline = parsePipeline(tokens.slice(1), depth);
  if (pipeline.declare.length > 1 && kind !== "range") throw badTemplate(`{{${kind}}} takes one variable`);
  const inside = inRange || kind === "range";
  const body = parseBlock(pieces, from + 1, depth + 1, inside);
  const closing = pieces[body.at];
  if (!closing || "text" in closing) throw badTemplate(`{{${kind}}} has no {{end}}`);
  if (firstWord(closing.action) === "end") {
    if (closing.action.length > 1) throw badTemplate("unexpected words after end");
    return { node: { kind, pipeline, body: body.nodes, otherwise: [] }, at: body.at + 1 };
  }
  const more = closing.action.slice(1);
  if (more.length > 0) {
    if (firstWord(more) !== kind || kind === "range") throw badTemplate(`unexpected {{${closing.source}}}`);
    const chained = parseControl(pieces, body.at, more, depth + 1, inRange);
    return { node: { kind, pipeline, body: body.nodes, otherwise: [chained.node] }, at: chained.at };
  }
  const otherwise = parseBlock(pieces, body.at + 1, depth + 1, inRange);
  const end = pieces[otherwise.at];
  if (!end || "text" in end || firstWord(end.action) !== "end")
    throw badTemplate(`{{${kind}}} has no {{end}}`);
  return { node: { kind, pipeline, body: body.nodes, otherwise: otherwise.nodes }, at: otherwise.at + 1 };
}

const isSign = (token: Token | undefined, name: string): boolean =>
  token?.kind === "sign" && token.name === name;

function parsePipeline(tokens: readonly Token[], depth: number): Pipeline {
  const { declare, isAssignment, rest } = declaration(tokens);
  const reader = { tokens: rest, at: 0 };
  const commands = parseCommands(reader, depth);
  if (reader.at < rest.length) throw badTemplate("unexpected ) in an action");
  return { declare, isAssignment, commands };
}

/** `$x := `, `$x = ` or `$i, $x := ` at the beginning. */
function declaration(tokens: readonly Token[]): {
  declare: string[];
  isAssignment: boolean;
  rest: readonly Token[];
} {
  const at = tokens.findIndex((token) => isSign(token, ":=") || isSign(token, "="));
  if (at < 0) return { declare: [], isAssignment: false, rest: tokens };
  const declare = tokens.slice(0, at).flatMap((token) => (token.kind === "variable" ? [token.name] : []));
  const isWellFormed =
    (at === 1 && declare.length === 1) || (at === 3 && declare.length === 2 && isSign(tokens[1], ","));
  if (!isWellFormed) throw badTemplate("expected one or two variables before :=");
  return { declare, isAssignment: isSign(tokens[at], "="), rest: tokens.slice(at + 1) };
}

interface Reader {
  tokens: readonly Token[];
  at: number;
}

function parseCommands(reader: Reader, depth: number): Operand[][] {
  if (depth > DEEPEST) throw badTemplate(`parentheses are nested deeper than ${DEEPEST}`);
  const commands: Operand[][] = [];
  for (;;) {
    const operands: Operand[] = [];
    while (reader.at < reader.tokens.length) {
      const token = reader.tokens[reader.at]!;
      if (isSign(token, "|") || isSign(token, ")")) break;
      operands.push(parseOperand(reader, depth));
    }
    if (operands.length === 0) throw badTemplate("an action or a part of a pipeline is empty");
    commands.push(operands);
    if (!isSign(reader.tokens[reader.at], "|")) return commands;
    reader.at += 1;
  }
}

function parseOperand(reader: Reader, depth: number): Operand {
  const token = reader.tokens[reader.at++]!;
  switch (token.kind) {
    case "literal":
      return { kind: "literal", value: token.value };
    case "variable":
      return { kind: "variable", name: token.name, fields: attached(reader) };
    case "field":
      return { kind: "fields", fields: [token.name, ...attached(reader)] };
    case "word":
      if (token.name === "true" || token.name === "false")
        return { kind: "literal", value: token.name === "true" };
      return token.name === "nil" ? { kind: "nil" } : { kind: "function", name: token.name };
    default:
  }
  if (token.name === ".") return { kind: "dot" };
  if (token.name !== "(") throw badTemplate(`unexpected ${token.name} in an action`);
  const commands = parseCommands(reader, depth + 1);
  if (!isSign(reader.tokens[reader.at], ")")) throw badTemplate("expected )");
  reader.at += 1;
  const pipeline = { declare: [], isAssignment: false, commands };
  return { kind: "pipeline", pipeline, fields: attached(reader) };
}

/** The fields of a chain: `.A.B` is one operand, `.A .B` are two. */
function attached(reader: Reader): string[] {
  const fields: string[] = [];
  for (;;) {
    const token = reader.tokens[reader.at];
    if (token?.kind !== "field" || !token.isAttached) return fields;
    fields.push(token.name);
    reader.at += 1;
  }
}
