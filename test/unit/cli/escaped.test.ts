import { describe, expect, it } from "vitest";
import { escaped } from "../../../src/cli/ui/output.ts";

describe("text of a container in one line", () => {
  it("shows control and invisible characters as escapes", () => {
    expect(escaped("a\nb\rc\td\x1b[2J\x9b1m\u202e")).toBe("a\\nb\\rc\\td\\u{1b}[2J\\u{9b}1m\\u{202e}");
  });

  it("does not change other text", () => {
    expect(escaped("größe 日本 😀 \\n")).toBe("größe 日本 😀 \\n");
  });
});
