/** Loading gives a stack or diagnostics, and nothing else, whatever the text says. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { StackError } from "../../../src/stack/index.ts";
import { SAMPLES } from "../../support/compose-samples.ts";
import { runs } from "../../support/property-runs.ts";
import { loadText } from "../../support/stack.ts";

/** Throws what is no diagnostic. */
function load(text: string): void {
  try {
    loadText(text);
  } catch (error) {
    if (!(error instanceof StackError)) throw error;
    expect(error.diagnostics.length).toBeGreaterThan(0);
    for (const { message, code, place } of error.diagnostics) {
      expect(message).not.toMatch(/undefined|\[object|NaN/);
      expect(code).toMatch(/^[A-Z_]+$/);
      if (place) expect(Math.min(place.line, place.column, place.length)).toBeGreaterThan(0);
    }
  }
}

const examples = readdirSync("examples").flatMap((name) => {
  try {
    return [readFileSync(join("examples", name, "bay.yaml"), "utf8")];
  } catch {
    return [];
  }
});
const HOSTS = `hosts: { a: { address: "10.0.0.1:2376", labels: { zone: east } }, b: }
services:
  web:
    image: x
    host: [a, b]
    ports: [{ target: 80, published: 80, mode: host }]
    networks: { n: { x-bay-rate: 10mbit } }
    deploy: { placement: { constraints: [node.labels.zone == east], preferences: [{ spread: node.labels.zone }] } }
networks: { n: { driver: overlay, driver_opts: { encapsulation: gre, key: 5 } } }
`;
const real = fc.constantFrom(...SAMPLES, ...examples, HOSTS);
const PIECES = [
  "services:",
  "  ",
  "- ",
  "{",
  "}",
  "[",
  "]",
  "&a ",
  "*a",
  "<<: ",
  "!reset ",
  "!override ",
  "${A",
  "$",
  ":",
  "#",
  '"',
  "'",
  "|\n",
  "? ",
  "null",
  "~",
  "1e9",
  "-1",
  "\t",
  "\u0000",
  "__proto__: ",
  "constructor",
  "x-",
];

describe("any text", () => {
  it("that is anything at all", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), load), runs(150));
  });

  it("that is put together of the signs of YAML and Compose", () => {
    const text = fc.array(
      fc.oneof(fc.constantFrom(...PIECES), fc.constantFrom("web", "image", "\n", "\n  ", "\n    ")),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(text, (parts) => load(parts.join(""))),
      runs(250),
    );
  });

  it("that is a real file with pieces cut out, doubled and put in", () => {
    const edit = fc.record({
      at: fc.nat(),
      length: fc.nat({ max: 30 }),
      piece: fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 5 })),
    });
    fc.assert(
      fc.property(real, fc.array(edit, { minLength: 1, maxLength: 6 }), (text, edits) => {
        let edited = text;
        for (const { at, length, piece } of edits) {
          const start = at % (edited.length + 1);
          edited = edited.slice(0, start) + piece + edited.slice(start + length);
        }
        load(edited);
      }),
      runs(300),
    );
  });

  it("that has values of other kinds where a key is known", () => {
    const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom<unknown>(null, true, 0, -1, 1.5, "", "a", "1g", "$", "${B}", "a:b:c:d", "\n"),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(
          fc.constantFrom("a", "source", "target", "type", "name", "file", "test", "path"),
          tie("value"),
          { maxKeys: 3 },
        ),
      ),
    })).value;
    const keys = [
      ...new Set(
        SAMPLES.flatMap((sample) => [...sample.matchAll(/^ {4}([a-z_]+):/gm)].map((match) => match[1]!)),
      ),
    ];
    const service = fc.dictionary(fc.constantFrom(...keys, "image", "unknown"), value, { maxKeys: 6 });
    const file = fc.record(
      {
        services: fc.dictionary(fc.constantFrom("a", "b", "-"), fc.oneof(service, value)),
        networks: value,
        volumes: value,
        secrets: value,
        configs: value,
        include: value,
        name: value,
      },
      { requiredKeys: ["services"] },
    );
    fc.assert(
      fc.property(file, (given) => load(stringify(given))),
      runs(400),
    );
  });
});
