/** Files of host: images whose target is below a symbolic link of the image. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { LayerSource } from "../../../../src/image/layers/tree-layer.ts";
import { placedBehindLinks } from "../../../../src/image/sources/host/build.ts";

const file = (content: string): LayerSource => ({ content, mode: 0o644 });
const place = (sources: Record<string, LayerSource>) => [
  ...placedBehindLinks(new Map(Object.entries(sources))).keys(),
];

it("are placed at the target of the links", () => {
  expect(place({ "/lib": { link: "usr/lib" }, "/lib/a.so": file("a") })).toEqual(["/lib", "/usr/lib/a.so"]);
  expect(
    place({ "/a": { link: "/b/c" }, "/b/c": { link: "../d" }, "/a/x/y": file("y"), "/e/f": file("f") }),
  ).toEqual(["/a", "/b/c", "/e/f", "/d/x/y"]);
});

it("replace the host's file at that path", () => {
  const placed = placedBehindLinks(
    new Map<string, LayerSource>([
      ["/lib/a.so", file("given")],
      ["/lib", { link: "usr/lib" }],
      ["/usr/lib/a.so", file("host")],
    ]),
  );
  expect(placed.get("/usr/lib/a.so")).toEqual(file("given"));
});

it("are refused if links are circular", () => {
  expect(() => place({ "/a": { link: "b" }, "/b": { link: "/a" }, "/a/x": file("x") })).toThrow("circular");
});

it("are never below a link, with any links", () => {
  const path = fc
    .array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 4 })
    .map((parts) => `/${parts.join("/")}`);
  const source = fc.oneof(
    fc.constant(file("x")),
    fc.record({ link: fc.constantFrom("a", "/b/c", "../c", "b/a") }),
  );
  fc.assert(
    fc.property(fc.dictionary(path, source), (sources) => {
      let placed: Map<string, LayerSource>;
      try {
        placed = placedBehindLinks(new Map(Object.entries(sources)));
      } catch {
        return; // a circle
      }
      const links = [...placed].filter(([, each]) => "link" in each).map(([at]) => at);
      for (const at of placed.keys()) expect(links.some((link) => at.startsWith(`${link}/`))).toBe(false);
    }),
  );
});
