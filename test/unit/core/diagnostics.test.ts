/** Problems of files as texts: in the order of their places, and a limited number of them. */
import { describe, expect, it } from "vitest";
import { type Diagnostic, formatDiagnostics, MAX_PROBLEMS } from "../../../src/core/diagnostics.ts";

const problem = (line: number, severity: Diagnostic["severity"] = "error"): Diagnostic => ({
  severity,
  code: "BAD_VALUE",
  message: `wrong ${line}`,
  place: { file: "bay.yaml", line, column: 1, length: 4 },
});
const sources = (lines: number) =>
  new Map([["bay.yaml", Array.from({ length: lines }, (_, index) => `line ${index + 1}`).join("\n")]]);

describe("problems", () => {
  it("are shown in the order of their places, each with its line", () => {
    expect(formatDiagnostics([problem(3), problem(1, "warning")], sources(3))).toEqual([
      "bay.yaml:1:1: warning: wrong 1\n  1 | line 1\n    | ^^^^",
      "bay.yaml:3:1: error: wrong 3\n  3 | line 3\n    | ^^^^",
    ]);
  });

  it("are counted beyond a limit, and warnings make room for errors", () => {
    const warnings = Array.from({ length: MAX_PROBLEMS }, (_, index) => problem(index + 1, "warning"));
    const errors = [problem(500), problem(501)];
    const texts = formatDiagnostics([...warnings, ...errors], sources(600));
    expect(texts.length).toBe(MAX_PROBLEMS + 1);
    expect(texts.slice(-3, -1).join()).toMatch(/error: wrong 500[\s\S]*error: wrong 501/);
    expect(texts.at(-1)).toBe("and 2 more problems");
    expect(formatDiagnostics([...warnings, problem(500)], sources(600)).at(-1)).toBe("and 1 more problem");
  });

  it("split a file once, however many there are", () => {
    let splits = 0;
    const text = sources(20_000).get("bay.yaml")!;
    const counted = new Map([["bay.yaml", Object.assign(Object(text) as string, { split: count })]]);
    function count(separator: string) {
      splits += 1;
      return text.split(separator);
    }
    const many = Array.from({ length: 20_000 }, (_, index) => problem(index + 1));
    expect(formatDiagnostics(many, counted).length).toBe(MAX_PROBLEMS + 1);
    expect(splits).toBe(1);
  });
});
