/**
 * Joins a Dockerfile's lines to instructions (Dockerfile reference, "Format"): parser directives, comments,
 * continuation lines, here-documents.
 */
import type { Diagnostic, SourcePosition } from "../../core/diagnostics.ts";
import { type Heredoc, heredocsOf } from "./heredoc.ts";

/** One instruction as text, its lines joined. */
export interface LogicalLine {
  text: string;
  place: SourcePosition;
  endLine: number;
  heredocs: Heredoc[];
}

export interface Directives {
  /** An image of a frontend, which bay only records. */
  syntax: string | undefined;
  escape: "\\" | "`";
  check: string | undefined;
}

export interface Lines {
  directives: Directives;
  lines: LogicalLine[];
  /** Instructions that contain an empty line. */
  emptyContinuations: SourcePosition[];
}

type Say = (diagnostic: Diagnostic) => void;

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const CONTINUED = { "\\": /(^|[^\\])\\[ \t]*$/, "`": /(^|[^`])`[ \t]*$/ };
const MAY_HAVE_HEREDOC = /^\s*(?:onbuild\s+)?(?:run|copy|add)\s/i;

/** Lines with their line breaks; only the last may lack one. */
function physicalLines(source: string): string[] {
  return source.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

const withoutEnd = (line: string) => line.replace(/\r?\n$/, "");

/** Reports BAD_DOCKERFILE for every problem. */
export function readLines(source: string, file: string, say: Say): Lines {
  const all = physicalLines(source.replace(/^\uFEFF/, ""));
  const directives = readDirectives(all, file, say);
  const lines: LogicalLine[] = [];
  const emptyContinuations: SourcePosition[] = [];
  const isContinued = CONTINUED[directives.escape];
  const takeEscape = (line: string): [text: string, more: boolean] =>
    isContinued.test(line) ? [line.replace(isContinued, "$1"), true] : [line, false];
  for (let at = 0; at < all.length; at++) {
    const first = withoutEnd(all[at]!);
    const begun = first.trimStart();
    if (begun === "" || begun.startsWith("#")) continue;
    const place: SourcePosition = {
      file,
      line: at + 1,
      column: first.length - begun.length + 1,
      length: begun.trimEnd().length,
    };
    let [text, more] = takeEscape(begun);
    let hasEmpty = false;
    while (more && at + 1 < all.length) {
      at += 1;
      const next = withoutEnd(all[at]!);
      if (next.trimStart().startsWith("#")) continue;
      if (next.trim() === "") {
        hasEmpty = true;
        continue;
      }
      const [part, goesOn] = takeEscape(next);
      text += part;
      more = goesOn;
    }
    const line: LogicalLine = { text, place, endLine: at + 1, heredocs: [] };
    if (hasEmpty) emptyContinuations.push(place);
    if (MAY_HAVE_HEREDOC.test(text) && text.includes("<<")) at = readHeredocs(all, at, line, say);
    line.endLine = at + 1;
    lines.push(line);
  }
  return { directives, lines, emptyContinuations };
}

/** Reads the here-documents of an instruction; returns the index of the last line. */
function readHeredocs(all: readonly string[], from: number, line: LogicalLine, say: Say): number {
  let at = from;
  for (const heredoc of heredocsOf(line.text)) {
    let isEnded = false;
    while (!isEnded && at + 1 < all.length) {
      at += 1;
      const next = all[at]!;
      const word = heredoc.chomp ? withoutEnd(next).replace(/^\t+/, "") : withoutEnd(next);
      if (word === heredoc.name) isEnded = true;
      else heredoc.content += heredoc.chomp ? next.replace(/^\t+/, "") : next;
    }
    if (!isEnded)
      say({
        severity: "error",
        code: "BAD_DOCKERFILE",
        message: `the here-document ${heredoc.name} is not terminated`,
        hint: `end it with a line that contains only ${heredoc.name}`,
        place: line.place,
      });
    line.heredocs.push(heredoc);
  }
  return at;
}

/** Directives come before everything else, each at most once. */
function readDirectives(all: readonly string[], file: string, say: Say): Directives {
  const directives: Directives = { syntax: undefined, escape: "\\", check: undefined };
  const seen = new Set<string>();
  for (const [index, line] of all.entries()) {
    const match = DIRECTIVE.exec(withoutEnd(line));
    if (!match) break;
    const [, name = "", value = ""] = match;
    const key = name.toLowerCase();
    if (key !== "syntax" && key !== "escape" && key !== "check") continue;
    const problem = (message: string) =>
      say({
        severity: "error",
        code: "BAD_DOCKERFILE",
        message,
        place: { file, line: index + 1, column: 1, length: withoutEnd(line).length },
      });
    if (seen.has(key)) problem(`the parser directive ${key} is given twice`);
    seen.add(key);
    if (key === "escape") {
      if (value === "\\" || value === "`") directives.escape = value;
      else problem(`the escape character ${JSON.stringify(value)} is neither \` nor \\`);
    } else directives[key] = value;
  }
  return directives;
}
