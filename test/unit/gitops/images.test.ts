/** The choice of newer image tags, and their place in a stack file. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withImages } from "../../../src/gitops/images/edit-images.ts";
import { withOverrides } from "../../../src/gitops/images/find-updates.ts";
import { compareParts, newestTag } from "../../../src/gitops/images/newest-tag.ts";
import { readSource } from "../../../src/gitops/model/source.ts";
import type { Stack } from "../../../src/stack/index.ts";

describe("the newest tag", () => {
  const semver = (range: string, tags: string[], current: string) =>
    newestTag({ policy: "semver", range }, tags, current);
  const newest = (pattern: string, tags: string[], current: string) =>
    newestTag({ policy: "newest", pattern }, tags, current);

  it("is the highest version of the range, and never an older one", () => {
    const tags = ["1.4.0", "v1.10.2", "1.9.9", "2.0.0", "1.11.0-rc.1", "latest", "main-3", "1.4"];
    expect(semver("^1.4", tags, "1.4.0")).toBe("v1.10.2");
    expect(semver("^1.4", tags, "1.10.2")).toBeUndefined();
    expect(semver("^1.4", tags, "1.12.0")).toBeUndefined();
    expect(semver("~1.4", tags, "1.4.0")).toBeUndefined();
    expect(semver(">=1.0.0-0", tags, "1.4.0")).toBe("2.0.0");
    expect(semver("^1.4", tags, "latest")).toBe("v1.10.2");
    expect(semver("^1.11.0-rc.0", tags, "1.4.0")).toBe("1.11.0-rc.1");
  });

  it("is the highest part in the place of *, with numbers compared as numbers", () => {
    expect(newest("main-*", ["main-9", "main-10", "main-2", "dev-99", "main-"], "main-3")).toBe("main-10");
    expect(newest("main-*", ["main-9"], "main-10")).toBeUndefined();
    expect(newest("*-alpine", ["20261101-alpine", "20261128-alpine", "20270101"], "latest")).toBe(
      "20261128-alpine",
    );
    expect(newest("*", ["a", "b"], "c")).toBeUndefined();
    expect(newest("r*", ["r99999999999999999999", "r100000000000000000000"], "r1")).toBe(
      "r100000000000000000000",
    );
  });

  it("comes from an order", () => {
    const part = fc.stringMatching(/^[a-c0-2.-]{0,8}$/);
    fc.assert(
      fc.property(part, part, part, (a, b, c) => {
        expect(Math.sign(compareParts(a, b))).toBe(-Math.sign(compareParts(b, a)) + 0);
        if (compareParts(a, b) <= 0 && compareParts(b, c) <= 0)
          expect(compareParts(a, c)).toBeLessThanOrEqual(0);
        expect(compareParts(a, b) === 0).toBe(a === b);
      }),
    );
  });
});

describe("newer images of a stack", () => {
  const change = (service: string, from: string, to: string) => ({ service, from, to });

  it("count only while the repository names the image that they replace", () => {
    const policy = { policy: "semver", range: "^1" };
    const stack = {
      services: { a: { image: "x:1.0.0", imageUpdate: policy }, b: { image: "y:1.0.0" } },
    } as unknown as Stack;
    const images = (...changes: ReturnType<typeof change>[]) =>
      Object.values(withOverrides(stack, changes).services).map(({ image }) => image);
    expect(images(change("a", "x:1.0.0", "x:1.1.0"))).toEqual(["x:1.1.0", "y:1.0.0"]);
    expect(images(change("a", "x:0.9.0", "x:1.1.0"))).toEqual(["x:1.0.0", "y:1.0.0"]);
    expect(images(change("b", "y:1.0.0", "y:1.1.0"), change("c", "z", "z:2"))).toEqual([
      "x:1.0.0",
      "y:1.0.0",
    ]);
  });

  it("are written in place, and nothing else of the file changes", () => {
    const found = new Set<string>();
    const text = `# a comment
services:
  web: { image: "box:1.0", command: [sleep, box:1.0] }   # the web
  other:
    image: box:1.0
  last: { image: 'box:2.0' }
`;
    const changes = [
      change("web", "box:1.0", "box:1.1"),
      change("last", "box:2.0", "box:2.1"),
      change("none", "a", "b"),
    ];
    expect(withImages(text, changes, found)).toBe(
      text.replace('"box:1.0"', '"box:1.1"').replace("'box:2.0'", "'box:2.1'"),
    );
    expect([...found]).toEqual(["web", "last"]);
    expect(withImages("services: { web: { image: '${IMAGE}' } }", changes, new Set())).toContain("${IMAGE}");
    expect(withImages("{ not yaml", changes, new Set())).toBe("{ not yaml");
  });

  it("are not committed where commits must be signed", () => {
    expect(() => readSource("a", { repo: "/a", write_back: "images", verify: "key" })).toThrow(
      /write_back and verify/,
    );
    expect(readSource("a", { repo: "/a", write_back: "images" }).write_back).toBe("images");
  });
});
