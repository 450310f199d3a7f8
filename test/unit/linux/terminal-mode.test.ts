import { describe, expect, it } from "vitest";
import { rawMode } from "../../../src/linux/terminal-mode.ts";

describe("raw mode", () => {
  it("clears what cfmakeraw(3) clears, and keeps the rest", () => {
    const mode = Buffer.alloc(44, 0xff);
    const raw = rawMode(mode);
    const words = [0, 4, 8, 12].map((at) => ~raw.readUInt32LE(at) >>> 0);
    // IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON; OPOST; PARENB (CS8 is set); ISIG ICANON ECHO ECHONL IEXTEN
    expect(words).toEqual([0x5eb, 0x1, 0x100, 0x804b]);
    expect([raw[17 + 5], raw[17 + 6]]).toEqual([0, 1]);
    expect(raw.subarray(24)).toEqual(mode.subarray(24));
    expect(rawMode(Buffer.alloc(44)).readUInt32LE(8)).toBe(0x30);
  });
});
