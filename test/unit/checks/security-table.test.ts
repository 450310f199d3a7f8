/** Every test that docs/security.md names exists. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const rows = readFileSync("docs/security.md", "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| CVE-"))
  .map((line) => line.split("|").map((cell) => cell.trim()));

describe("the table of published faults", () => {
  it("has rows", () => expect(rows.length).toBeGreaterThan(30));

  it.each(rows.map((cells) => [cells[1]!, cells.at(-2)!]))("names tests that exist: %s", (_, tests) => {
    const named = [...tests.matchAll(/(test\/[\w./-]+\.test\.ts)(?:: "([^"]+)")?/g)];
    expect(named.length).toBeGreaterThan(0);
    for (const [, file, title] of named) {
      const text = readFileSync(file!, "utf8");
      if (title) expect(text, file).toContain(title);
    }
  });
});
