import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { overlayOptions } from "../../../src/linux/overlay-options.ts";

/** Splits at a sign that no backslash precedes, as ovl_next_opt and ovl_split_lowerdirs of the kernel do. */
function split(text: string, sign: string): string[] {
  const parts = [""];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\") parts.push(`${parts.pop()}\\${text[++at] ?? ""}`);
    else if (text[at] === sign) parts.push("");
    else parts.push(parts.pop() + text[at]!);
  }
  return parts;
}
const unescaped = (text: string) => text.replace(/\\(.)/gs, "$1");

describe("options of an overlay", () => {
  const path = fc.string({ unit: fc.constantFrom(...'/ab\\,:= \n"%$é'), minLength: 1, maxLength: 12 });

  it("keep any path unchanged", () => {
    fc.assert(
      fc.property(fc.array(path, { minLength: 1, maxLength: 4 }), path, path, (lower, upper, work) => {
        const [first, ...others] = split(overlayOptions({ lower, writable: { upper, work } }), ",");
        expect(split(first!.slice("lowerdir=".length), ":").map(unescaped)).toEqual(lower);
        expect(others.map(unescaped)).toEqual([`upperdir=${upper}`, `workdir=${work}`]);
      }),
    );
  });

  it("contain no writable directory for a read-only mount", () => {
    expect(overlayOptions({ lower: ["a", "b"] })).toBe("lowerdir=a:b");
  });
});
