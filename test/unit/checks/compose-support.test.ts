/** Every property of the Compose specification, and what bay does with it: the table in docs/compose-support.md. */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { specifiedProperties, strayErrors, supportOf, supportPage } from "../../support/compose-support.ts";
import { describeWithData } from "../../support/reference-data.ts";

const PAGE = resolve("docs/compose-support.md");

describeWithData("the Compose specification", "compose-spec", (data) => {
  const properties = specifiedProperties(data);
  const rows = supportOf(properties);

  it("has each of its properties in a file that is loaded", () => {
    expect(properties.filter((property) => !rows.has(property))).toEqual([]);
  });

  it("is tried by files that have no other errors", () => {
    expect(strayErrors(properties)).toEqual([]);
  });

  it("has none that bay does not know", () => {
    expect([...rows.values()].filter(({ why }) => /unknown key/.test(why))).toEqual([]);
  });

  it("is in docs/compose-support.md as it is", () => {
    const page = supportPage(properties.map((property) => rows.get(property)!));
    if (process.env.BAY_WRITE_SUPPORT) writeFileSync(PAGE, page);
    expect(readFileSync(PAGE, "utf8")).toBe(page);
  });
});
