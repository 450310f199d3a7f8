import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { interpolate } from "../../../../src/stack/files/interpolate.ts";

const variables: Record<string, string> = { SET: "value", EMPTY: "" };

function run(text: string) {
  const problems: string[] = [];
  const result = interpolate(
    text,
    (name) => variables[name],
    ({ message }) => problems.push(message),
  );
  return { result, problems };
}

describe("interpolation", () => {
  it.each([
    ["plain", "plain"],
    ["$SET and ${SET}", "value and value"],
    ["$$SET", "$SET"],
    ["${UNSET:-default}", "default"],
    ["${EMPTY:-default}", "default"],
    ["${EMPTY-default}", ""],
    ["${UNSET-default}", "default"],
    ["${SET:+other}", "other"],
    ["${EMPTY:+other}", ""],
    ["${EMPTY+other}", "other"],
    ["${UNSET:-${SET}}", "value"],
    ["${UNSET:-a${EMPTY:-b}c}", "abc"],
    ["${SET:?needed}", "value"],
    ["${UNSET:-}", ""],
  ])("%s gives %j", (text, expected) => {
    expect(run(text)).toEqual({ result: expected, problems: [] });
  });

  it("reports what is unset, required or malformed", () => {
    expect(run("${UNSET}").problems[0]).toContain("UNSET is not set");
    expect(run("${UNSET:?set it}").problems).toEqual(["the variable UNSET is required: set it"]);
    expect(run("${SET").problems[0]).toContain("${SET");
    expect(run("${1A}").problems[0]).toContain("not a valid variable");
  });

  it.each([
    "pid=$!",
    "x$(date)",
    "$?",
    "$1",
    "a$",
    "a $ b",
    "^a$|b",
    "$.",
    "{print $2}",
  ])("keeps a $ that begins no variable: %s", (text) =>
    expect(run(text)).toEqual({ result: text, problems: [] }));

  it("keeps a $ in any text as it is where no name, brace or $ follows it", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^([a-z ]|\$[^A-Za-z_{$])*\$?$/), (text) => {
        expect(run(text)).toEqual({ result: text, problems: [] });
      }),
    );
  });

  it("leaves any text without dollars alone, and doubles undo themselves", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(run(text.replaceAll("$", "$$$$")).result).toBe(text);
      }),
    );
  });

  it("terminates on any input", () => {
    fc.assert(fc.property(fc.stringMatching(/^[${}A:?+a-]*$/), (text) => void run(text)));
  });
});
