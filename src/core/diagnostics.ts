/** Problems of files that people write: collected, placed in their files, and shown together with a code frame. */
import { passwordsMasked } from "./redaction.ts";

export interface SourcePosition {
  file: string;
  /** From 1. */
  line: number;
  column: number;
  /** The length of the wrong part, within its line. */
  length: number;
}

export interface Diagnostic {
  severity: "error" | "warning";
  code: string;
  message: string;
  hint?: string;
  place?: SourcePosition;
  /** Places of the values that this one overrides, by merging or extending; the nearest first. */
  over?: SourcePosition[];
}

const MAX_SHOWN = 160;

/** A text with its place before it, if there is one: `file:line:column: text`. */
export const atPlace = (place: SourcePosition | undefined, text: string): string =>
  place ? `${place.file}:${place.line}:${place.column}: ${text}` : text;

/** How many problems of one kind of text are shown together; a file of any size can have as many problems as lines. */
export const MAX_PROBLEMS = 100;

/** The text of one problem: `file:line:column: error: message`, the line, a marker, the hint. */
export const formatDiagnostic = (diagnostic: Diagnostic, sources: ReadonlyMap<string, string>): string =>
  formatAt(diagnostic, ({ file, line }) => sources.get(file)?.split("\n")[line - 1]);

/**
 * The texts of problems in the order of their places: at most `MAX_PROBLEMS`, errors before warnings, and then a text that says
 * how many more there are.
 */
export function formatDiagnostics(
  diagnostics: readonly Diagnostic[],
  sources: ReadonlyMap<string, string>,
): string[] {
  const bySeverity = (wanted: Diagnostic["severity"]) =>
    inFileOrder(diagnostics.filter(({ severity }) => severity === wanted));
  const chosen = [...bySeverity("error"), ...bySeverity("warning")].slice(0, MAX_PROBLEMS);
  const lineOf = lineReader(sources);
  const texts = inFileOrder(chosen).map((each) => formatAt(each, lineOf));
  const left = diagnostics.length - chosen.length;
  return left === 0 ? texts : [...texts, `and ${left} more ${left === 1 ? "problem" : "problems"}`];
}

/** Splits each file once, and only if one of its lines is asked for. */
function lineReader(sources: ReadonlyMap<string, string>): (place: SourcePosition) => string | undefined {
  const split = new Map<string, readonly string[] | undefined>();
  return ({ file, line }) => {
    if (!split.has(file)) split.set(file, sources.get(file)?.split("\n"));
    return split.get(file)?.[line - 1];
  };
}

function formatAt(diagnostic: Diagnostic, lineOf: (place: SourcePosition) => string | undefined): string {
  const { place, severity, message, hint } = diagnostic;
  const lines = [atPlace(place, `${severity}: ${message}`)];
  const source = place && lineOf(place);
  if (place && source !== undefined) {
    const number = String(place.line);
    // show only the part of a long line around the problem
    const start = place.column <= MAX_SHOWN - 20 ? 0 : place.column - 40;
    const shown = passwordsMasked(source).slice(start, start + MAX_SHOWN);
    lines.push(`  ${number} | ${start > 0 ? "…" : ""}${shown}`);
    const column = place.column - start + (start > 0 ? 1 : 0);
    const width = Math.max(1, Math.min(place.length, shown.length - column + 2));
    lines.push(`  ${" ".repeat(number.length)} | ${" ".repeat(column - 1)}${"^".repeat(width)}`);
  }
  if (diagnostic.over?.length)
    lines.push(
      `  over ${diagnostic.over.map(({ file, line, column: at }) => `${file}:${line}:${at}`).join(", ")}`,
    );
  if (hint) lines.push(`  ${hint}`);
  return lines.join("\n");
}

/** Sorts problems by their places in the files; those without a place come first. */
export function inFileOrder(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const files = new Map(
    [...new Set(diagnostics.map(({ place }) => place?.file))].map((file, at) => [file, at]),
  );
  const order = ({ place }: Diagnostic) => [
    place ? files.get(place.file)! + 1 : 0,
    place?.line ?? 0,
    place?.column ?? 0,
  ];
  return [...diagnostics].sort((a, b) => {
    const [left, right] = [order(a), order(b)];
    const at = left.findIndex((number, index) => number !== right[index]);
    return at === -1 ? 0 : left[at]! - right[at]!;
  });
}

/** The known word that is nearest to a mistyped one, if it is near enough (optimal string alignment distance). */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  // in a short word, one wrong character; `web` is not a misspelled `db`
  let bestDistance = Math.min(Math.max(2, Math.floor(word.length / 3)), Math.ceil(word.length / 2)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** The edit distance: insertions, removals, replacements, and swaps of neighbouring characters. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? before[j - 2]! + 1 : Number.POSITIVE_INFINITY;
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, changed, swapped));
    }
    [before, row] = [row, next];
  }
  return row[b.length]!;
}
