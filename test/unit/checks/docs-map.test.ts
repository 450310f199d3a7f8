/** The map of the rooms in docs/architecture.md is that of the source. */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";

it("the map of the rooms is current: npm run docs:map writes it", async () => {
  const page = readFileSync("docs/architecture.md", "utf8");
  const { withMap } = (await import(pathToFileURL("scripts/docs-map.mjs").href)) as {
    withMap: (page: string) => string;
  };
  expect(withMap(page)).toBe(page);
});
