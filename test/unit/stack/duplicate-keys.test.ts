/** Keys that a mapping has twice, what aliases repeat, and that neither costs more than the file is long. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { walkDocument } from "../../../src/stack/files/document-walk.ts";
import { Origins } from "../../../src/stack/files/origins.ts";
import { SourceFile } from "../../../src/stack/files/source.ts";

function read(text: string): { value: unknown; problems: string[] } {
  const problems: string[] = [];
  const file = new SourceFile("bay.yaml", text, ({ code, message, place }) =>
    problems.push(`${place?.line}:${place?.column}: ${code}: ${message}`),
  );
  return { value: file.hasSyntaxErrors ? undefined : file.toValue(new Origins()), problems };
}

const TWICE = "DUPLICATE_KEY: Map keys must be unique";

describe("keys of stack files", () => {
  it.each([
    ["block", "a: 1\nb: 2\na: 3\n", "3:1"],
    ["nested block", "x:\n  a: 1\n  a: 2\n", "3:3"],
    ["flow", "{a: 1, b: 2, a: 3}\n", "1:14"],
    ["nested flow", "x: {y: {a: 1, a: 2}}\n", "1:15"],
    ["flow in a sequence", "- [{a: 1, a: 2}]\n", "1:11"],
    ["block in a sequence", "- b\n- a: 1\n  a: 2\n", "3:3"],
    ["quoted", "a: 1\n'a': 2\n", "2:1"],
    ["number and text", "1: a\n'1': b\n", "2:1"],
    ["behind an anchor", "a: 1\n&x a: 2\n", "2:4"],
    ["explicit key", "? a\n: 1\n? a\n: 2\n", "3:3"],
    ["empty key", ": 1\n: 2\n", "2:1"],
    ["alias", "x: &k a\ny:\n  a: 1\n  *k : 2\n", "4:3"],
    ["merge key", "x: &k {a: 1}\ny:\n  <<: *k\n  <<: *k\n", "4:3"],
    ["second document", "a: 1\n---\na: 1\na: 2\n", "4:1"],
    ["before another error", "a: 1\na: 2\nb: [\n", "2:1"],
    ["deep before shallow", "a: {b: 1, b: 2}\na: 3\n", "1:11"],
  ])("are refused twice: %s", (_, text, place) => {
    expect(read(text).problems).toEqual([`${place}: ${TWICE}`]);
  });

  it.each([
    ["other mappings", "a: {k: 1}\nb: {k: 2}\n", { a: { k: 1 }, b: { k: 2 } }],
    ["a merged key", "x: &k {a: 1}\ny:\n  <<: *k\n  a: 2\n", { x: { a: 1 }, y: { a: 2 } }],
    ["an alias as a key", "x: &k a\ny: {*k : 1, b: 2}\n", { x: "a", y: { a: 1, b: 2 } }],
    ["an anchor that is set again", "a: &k 1\nb: *k\nc: &k 2\nd: *k\n", { a: 1, b: 1, c: 2, d: 2 }],
    ["names of Object", "constructor: 1\ntoString: 2\n", { constructor: 1, toString: 2 }],
  ])("are accepted: %s", (_, text, value) => {
    expect(read(text)).toEqual({ value, problems: [] });
  });

  it("are found twice where the library finds them", () => {
    const key = fc.constantFrom("a", "b", "c", "'a'", "x: y", "<<");
    const mapping = fc.array(fc.tuple(key, fc.constantFrom("1", "{a: 1, b: 2}", "{a: 1, a: 2}")));
    fc.assert(
      fc.property(mapping, (pairs) => {
        const text = `{${pairs.map(([name, value]) => `${JSON.stringify(name)}: ${value}`).join(", ")}}`;
        const [document] = parseAllDocuments(text, { uniqueKeys: false });
        const [strict] = parseAllDocuments(text, { uniqueKeys: true, prettyErrors: false });
        expect(walkDocument(document!).duplicates.map(({ range }) => range![0])).toEqual(
          strict!.errors.map(({ pos }) => pos[0]).sort((a, b) => a - b),
        );
      }),
    );
  });

  // a comparison of each with every other would be 200,000,000 steps
  it("and aliases are read in large numbers", () => {
    const count = 20_000;
    const keys = Array.from({ length: count }, (_, index) => `  k${index}: *v`).join("\n");
    const { value, problems } = read(`x-v: &v 1\nx-y:\n${keys}\n`);
    expect(problems).toEqual([]);
    expect(Object.keys((value as { "x-y": object })["x-y"])).toHaveLength(count);
    const flow = JSON.stringify({
      "x-y": Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, "v"])),
    });
    expect(read(flow).problems).toEqual([]);
  });
});

it("a mapping or a list as a key is an error with its place, whatever it merges", () => {
  for (const key of ["? { <<: 1 }\n  : 2", "? [a]\n  : 2", "? &m { <<: x }\n  : 1\n  ? *m\n  : 2"])
    expect(read(`services:\n  ${key}\n`).problems.join(), key).toContain("expected a word as a key");
});
