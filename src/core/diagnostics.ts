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

/** The text of one problem: `file:line:column: error: message`, the line, a marker, the hint. */
export function formatDiagnostic(diagnostic: Diagnostic, sources: ReadonlyMap<string, string>): string {
  const { place, severity, message, hint } = diagnostic;
  const lines = [atPlace(place, `${severity}: ${message}`)];
  const source = place && sources.get(place.file)?.split("\n")[place.line - 1];
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
  const files = [...new Set(diagnostics.map(({ place }) => place?.file))];
  const order = ({ place }: Diagnostic) => [
    place ? files.indexOf(place.file) + 1 : 0,
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
