import { describe, expect, it } from "vitest";
import { DetachKeys } from "../../../../../src/daemon/api/engine/detach-keys.ts";

const take = (keys: DetachKeys, text: string) => {
  const { passed, detached } = keys.take(Buffer.from(text, "latin1"));
  return [passed.toString("latin1"), detached];
};

describe("detach keys", () => {
  it("are ctrl-p ctrl-q by default", () => {
    expect(take(new DetachKeys(""), "ls\x10\x11rest")).toEqual(["ls", true]);
    expect(take(new DetachKeys("ctrl-a,d"), "\x01d")).toEqual(["", true]);
  });
  it("are found across several inputs, and an incomplete sequence is passed on", () => {
    const keys = new DetachKeys(undefined);
    expect(take(keys, "a\x10")).toEqual(["a", false]);
    expect(take(keys, "b")).toEqual(["\x10b", false]);
    expect(take(keys, "\x10\x10")).toEqual(["\x10", false]);
    expect(take(keys, "\x11")).toEqual(["", true]);
  });
  it("are rejected if they are invalid", () => {
    expect(() => new DetachKeys("ctrl-")).toThrow(/invalid detach key/);
    expect(() => new DetachKeys("ab")).toThrow(/invalid detach key/);
  });
});
