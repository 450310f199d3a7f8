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
    expect(messageOf(thrownBy(() => readFileSync("/nothing/here")))).toBe("there is no /nothing/here");
    expect(messageOf(thrownBy(() => writeFileSync("/tmp", "")))).toBe("/tmp is a folder");
    expect(messageOf(thrownBy(() => readFileSync("/etc/passwd/x")))).toBe(
      "a part of /etc/passwd/x is no folder",
    );
  });
  it("have those of their causes behind them, each once", () => {
    const cause = thrownBy(() => readFileSync("/nothing"));
    expect(messageOf(new BayError("INTERNAL", "the plan cannot be read", { cause }))).toBe(
      "the plan cannot be read: there is no /nothing",
    );
    expect(messageOf(new BayError("INTERNAL", "a: b", { cause: new Error("b") }))).toBe("a: b");
    expect(messageOf("text")).toBe("text");
  });
});
