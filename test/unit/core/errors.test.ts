import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BayError, messageOf } from "../../../src/core/errors.ts";

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("messages", () => {
  it("say what is wrong with a file, and not how the kernel calls it", () => {
    expect(messageOf(thrownBy(() => readFileSync("/nothing/here")))).toBe("/nothing/here does not exist");
    expect(messageOf(thrownBy(() => writeFileSync("/tmp", "")))).toBe("/tmp is a directory");
    expect(messageOf(thrownBy(() => readFileSync("/etc/passwd/x")))).toBe("not a directory: /etc/passwd/x");
  });
  it("have those of their causes behind them, each once", () => {
    const cause = thrownBy(() => readFileSync("/nothing"));
    expect(messageOf(new BayError("INTERNAL", "the plan cannot be read", { cause }))).toBe(
      "the plan cannot be read: /nothing does not exist",
    );
    expect(messageOf(new BayError("INTERNAL", "a: b", { cause: new Error("b") }))).toBe("a: b");
    expect(messageOf("text")).toBe("text");
  });
});
