/** Patterns of the POSIX shell (2.13 Pattern Matching Notation) in ${name#pattern}: `*`, `?` and escapes. */
import { BayError } from "../../core/errors.ts";

export interface PatternOptions {
  /** `*` matches as much as possible. */
  greedy: boolean;
  anchor?: "start" | "both";
  flags: string;
}

/** Throws BAD_WORD if the pattern ends in an escape character. */
export function shellPattern(pattern: string, { greedy, anchor, flags }: PatternOptions): RegExp {
  let source = "";
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at]!;
    if (char === "*") source += greedy ? "[^]*" : "[^]*?";
    else if (char === "?") source += "[^]";
    else if (char === "\\") {
      at += 1;
      if (at === chars.length) throw new BayError("BAD_WORD", "the pattern ends with an escape character");
      source += literal(chars[at]!);
    } else source += literal(char);
  }
  return new RegExp(`${anchor ? "^" : ""}(?:${source})${anchor === "both" ? "$" : ""}`, flags);
}

const literal = (char: string) => char.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
