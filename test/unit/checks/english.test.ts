/** Turns of a private idiom that texts, comments, titles and the documentation must not use (docs/style.md). */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

/** The turn, and what to write in its place. */
const BANNED: readonly (readonly [RegExp, string])[] = [
  [/\bnobody\b/i, "name the process, or use the passive: unused, unknown"],
  [/\banew\b/i, "again"],
  [/\bbroken off\b|\bbreaks? off\b/i, "interrupted"],
  [/\bg(?:oes|o|one|oing) on with\b/i, "continues, resumes"],
  [/\bwhat is there\b/i, "existing, available"],
  [/\bwent away\b/i, "disconnected, stopped"],
  [/\bsays nothing\b/i, "is empty"],
  [/\bstands (?:twice|before|behind|below)\b/i, "is given twice, appears before, follows"],
  [/\blead to each other\b|\bin a circle\b/i, "circular"],
  [
    /["`}] is no (?:\w+ )?(?:size|time|port|mode|digest|signal|platform|number|name|address)\b/i,
    'invalid size "X"',
  ],
  [/(?:\s|^)(?:--?[a-z-]+|\$\{option\}) wants\b/, "expects"],
  [/\bgoes round\b/i, "too many levels of symbolic links"],
  [/\bfor its stop\b|\bfor its start\b/i, "while it stops, while it starts"],
  [/\bis itself the\b/i, "bay has its own X"],
  [/\bkeeps? in step\b|\bin step with\b/i, "synchronises"],
  [/\ban own \w+/i, "a private X, its own X"],
  [/\bfrom now on; default is\b/i, "the current context"],
  [/\bon the way[,;"`]/i, "in transit, between the hosts, in the path"],
  [/["`] has by now\b|\bas it stands\b|\bhas no such thing\b/i, "current"],
  [/["`]there is no (?!route)/i, '"X does not exist", "unknown X"'],
  [/\bchanges by hand\b/i, "manual changes"],
  [/["`}] of its own\b|\bhas no [\w ]+ of its own\b/, "its own X, a separate X"],
  [
    /\b(?:exists?|belongs?|connected|been|cluster) [^"`]*?\balready(?:["`,;]|\.\s*")/,
    "already exists: before the verb",
  ],
  [/\bgive exactly one\b/, "set exactly one"],
  [/\blet(?:s)? (?:only )?\w+ in\b/, "accepts"],
  [/\b(?:leads?|led) (?:nowhere|away)\b/, "points outside, is refused"],
  [/\bwritten down\b/, "saved, stored"],
  [/\bhas the rights of root\b|\bis root on this host\b/i, "has root access to the host"],
];

/** The page that shows the turns, and this test. */
const EXCEPT = new Set(["docs/style.md", "test/unit/checks/english.test.ts"]);

const filesBelow = (folder: string, ending: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))
    .filter((name) => !EXCEPT.has(name));

/** Titles of tests: the first argument of it() and describe(). */
const TITLE = /\b(?:it|describe|test)(?:\.\w+(?:\([^)]*\))?)*\(\s*(["'`])((?:\\.|(?!\1).)*)\1/gs;

function found(file: string, text: string, from = 1): string[] {
  return text
    .split("\n")
    .flatMap((line, index) =>
      BANNED.filter(([turn]) => turn.test(line)).map(
        ([, better]) => `${file}:${from + index}: ${line.trim().slice(0, 160)} (better: ${better})`,
      ),
    );
}

describe("the English", () => {
  it("of src has no banned turns", () => {
    const files = filesBelow("src", ".ts");
    expect(files.length).toBeGreaterThan(100);
    expect(files.flatMap((file) => found(file, readFileSync(file, "utf8")))).toEqual([]);
  });

  it("of README.md and docs has no banned turns", () => {
    const files = ["README.md", ...filesBelow("docs", ".md")];
    expect(files.flatMap((file) => found(file, readFileSync(file, "utf8")))).toEqual([]);
  });

  it("of test titles has no banned turns", () => {
    const titles = filesBelow("test", ".test.ts").flatMap((file) => {
      const text = readFileSync(file, "utf8");
      return [...text.matchAll(TITLE)].map(({ 2: title, index }) => ({
        file,
        title: title!,
        line: text.slice(0, index).split("\n").length,
      }));
    });
    expect(titles.length).toBeGreaterThan(500);
    expect(titles.flatMap(({ file, title, line }) => found(file, title, line))).toEqual([]);
  });

  it("of an error is checked by turns that match", () => {
    expect(found("a.ts", "`${JSON.stringify(text)} is no size`")).toHaveLength(1);
    expect(found("a.ts", "--scale wants SERVICE=COUNT")).toHaveLength(1);
    expect(found("a.ts", 'invalid size "X"')).toEqual([]);
  });
});
