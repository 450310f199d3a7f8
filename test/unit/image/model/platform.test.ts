import { describe, expect, it } from "vitest";
import { choosePlatform, formatPlatform, parsePlatform } from "../../../../src/image/model/platform.ts";

const offer = (...platforms: string[]) =>
  platforms.map((text, index) => ({
    mediaType: "m",
    digest: `sha256:${index}`,
    size: 1,
    platform: { ...parsePlatform(text), ...(text.startsWith("unknown") ? { os: "unknown" } : {}) },
  }));
const choose = (wanted: string, ...offered: string[]) => {
  const chosen = choosePlatform(offer(...offered), parsePlatform(wanted), "it");
  return offered[Number(chosen.digest.slice(7))];
};

describe("platforms", () => {
  it("are parsed like in Docker", () => {
    expect(parsePlatform("linux/amd64")).toEqual({ os: "linux", architecture: "amd64" });
    expect(parsePlatform("x86_64")).toEqual({ os: "linux", architecture: "amd64" });
    expect(formatPlatform(parsePlatform("Linux/ARM/v7"))).toBe("linux/arm/v7");
    expect(() => parsePlatform("a/b/c/d")).toThrow(/invalid platform/);
  });
  it.each([
    ["linux/amd64", ["linux/arm64", "linux/amd64", "windows/amd64"], "linux/amd64"],
    ["linux/arm64", ["linux/amd64", "linux/arm64/v8"], "linux/arm64/v8"],
    ["linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/arm64"], "linux/arm/v6"],
    ["linux/arm", ["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"],
    ["linux/amd64", ["linux/amd64/v3", "linux/amd64"], "linux/amd64"],
  ])("%s is served from %j by %s", (wanted, offered, expected) => {
    expect(choose(wanted, ...offered)).toBe(expected);
  });
  it("that are not offered cause an error that lists the offered ones", () => {
    expect(() => choose("linux/arm/v6", "linux/arm/v7", "linux/amd64")).toThrow(
      "it has no image for linux/arm/v6; it has linux/arm/v7, linux/amd64",
    );
  });
});
