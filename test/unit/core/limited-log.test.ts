/** What clients can write into a log is limited. */
import { expect, it } from "vitest";
import { limitedLog } from "../../../src/core/limited-log.ts";

it("passes a limited number of lines of a period on, and says that there are more", () => {
  let now = 0;
  const lines: string[] = [];
  const log = limitedLog(
    (text) => void lines.push(text),
    () => now,
  );
  for (let count = 0; count < 10_000; count++) log("x".repeat(10_000));
  expect(lines.length).toBe(51);
  expect(lines[0]!.length).toBe(4000);
  expect(lines.at(-1)).toContain("left out");
  now = 10_001;
  log("again");
  expect(lines.at(-1)).toBe("again");
});
