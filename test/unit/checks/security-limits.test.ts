/** docs/security.md says the limits that the program has. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS, SETTING_KEYS, shownSettings } from "../../../src/core/daemon-settings.ts";
import { STACK_LIMITS } from "../../../src/stack/check/limits.ts";

describe("the limits in docs/security.md", () => {
  const text = readFileSync("docs/security.md", "utf8");

  it.each(Object.entries(shownSettings(DEFAULT_SETTINGS)))("%s is %s", (key, value) => {
    const row = text.split("\n").find((line) => line.startsWith("|") && line.includes(`\`${key}\``));
    expect(row).toContain(`| ${value} |`);
  });

  it.each(Object.entries(STACK_LIMITS))("of stack files: %s is %s", (_, value) => {
    expect(text).toMatch(new RegExp(`^\\|.*\\| ${value} \\|$`, "m"));
  });

  it("its example has every key of daemon.json", () => {
    const example = JSON.parse(/```json\n([\s\S]*?)```/.exec(text)![1]!) as object;
    expect(Object.keys(example).sort()).toEqual([...SETTING_KEYS].sort());
  });
});
