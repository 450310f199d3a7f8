/** Splits a Dockerfile into instructions with flags and arguments; instructions.ts interprets them. */
import { type Diagnostic, nearest, type SourcePosition } from "../../core/diagnostics.ts";
import { BayError } from "../../core/errors.ts";
import type { Heredoc } from "./heredoc.ts";
import { type Directives, readLines } from "./lines.ts";
import {
  byWhitespace,
  healthCheck,
  jsonOrWhole,
  jsonOrWords,
  keyValues,
  quotedWords,
  type Split,
  splitOnce,
  takeFlags,
  whole,
} from "./split.ts";

/** One instruction. */
export interface Node {
  /** In lower case. */
  name: string;
  /** As written. */
  written: string;
  flags: string[];
  /** For ENV and LABEL: key, value and separator of each pair, flat. */
  args: string[];
  /** The arguments are a JSON array: the exec form. */
  isJson: boolean;
  heredocs: Heredoc[];
  /** The instruction after ONBUILD. */
  trigger: Node | undefined;
  /** The instruction's text, its lines joined. */
  text: string;
  place: SourcePosition;
  endLine: number;
}

export interface ParsedFile {
  directives: Directives;
  /** Instructions that contain an empty line. */
  emptyContinuations: SourcePosition[];
  nodes: Node[];
}

type Splitter = (rest: string, escapeChar: string) => Split;

const pairs =
  (instruction: string): Splitter =>
  (rest, escapeChar) => ({ args: keyValues(rest, escapeChar, instruction), isJson: false });

const SPLITTERS: Record<string, Splitter> = {
  add: jsonOrWords,
  arg: (rest, escapeChar) => ({ args: quotedWords(rest, escapeChar), isJson: false }),
  cmd: jsonOrWhole,
  copy: jsonOrWords,
  entrypoint: jsonOrWhole,
  env: pairs("ENV"),
  expose: byWhitespace,
  from: byWhitespace,
  healthcheck: healthCheck,
  label: pairs("LABEL"),
  maintainer: whole,
  onbuild: whole,
  run: jsonOrWhole,
  shell: jsonOrWhole,
  stopsignal: whole,
  user: whole,
  volume: jsonOrWords,
  workdir: whole,
};

/** Reports BAD_DOCKERFILE for every invalid instruction, and continues with the next. */
export function parseDockerfile(
  source: string,
  file: string,
  say: (diagnostic: Diagnostic) => void,
): ParsedFile {
  const { directives, lines, emptyContinuations } = readLines(source, file, say);
  const nodes = lines.flatMap(({ text, place, endLine, heredocs }) => {
    try {
      return [{ ...parseInstruction(text, directives.escape, place), heredocs, endLine }];
    } catch (error) {
      if (!(error instanceof BayError)) throw error;
      const { code, message, hint } = error;
      say({ severity: "error", code, message, ...(hint ? { hint } : {}), place });
      return [];
    }
  });
  if (lines.length === 0)
    say({
      severity: "error",
      code: "BAD_DOCKERFILE",
      message: "the Dockerfile has no instructions",
      place: { file, line: 1, column: 1, length: 1 },
    });
  return { directives, emptyContinuations, nodes };
}

/** Parses one instruction on one line. Throws BAD_DOCKERFILE. */
export function parseInstruction(text: string, escapeChar: string, place: SourcePosition): Node {
  const [written = "", behind = ""] = splitOnce(text.trim());
  const name = written.toLowerCase();
  const split = SPLITTERS[name];
  if (!split || !Object.hasOwn(SPLITTERS, name)) throw unknownInstruction(written);
  const { flags, rest } = takeFlags(behind);
  const { args, isJson } = split(rest.trim(), escapeChar);
  return {
    name,
    written,
    flags,
    args,
    isJson,
    heredocs: [],
    trigger:
      name === "onbuild" && args.length > 0 ? parseInstruction(args[0]!, escapeChar, place) : undefined,
    text: text.trim(),
    place,
    endLine: place.line,
  };
}

function unknownInstruction(written: string): BayError {
  const known = nearest(written, Object.keys(SPLITTERS));
  return new BayError("BAD_DOCKERFILE", `unknown instruction ${JSON.stringify(written)}`, {
    ...(known ? { hint: `did you mean ${known.toUpperCase()}?` } : {}),
  });
}
