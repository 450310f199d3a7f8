import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { DESCRIPTIONS, describeKey } from "../../../../src/stack/schema/descriptions.ts";
import { jsonSchema } from "../../../../src/stack/schema/json-schema.ts";

interface Node {
  description?: string;
  properties?: Record<string, Node>;
  additionalProperties?: Node | boolean;
  items?: Node;
  anyOf?: Node[];
}

function properties(node: Node, keys: string[] = []): { keys: string[]; description: string | undefined }[] {
  const inner = [...(node.anyOf ?? []), ...(node.items ? [node.items] : [])];
  if (typeof node.additionalProperties === "object") inner.push(node.additionalProperties);
  return [
    ...inner.flatMap((each) => properties(each, keys)),
    ...Object.entries(node.properties ?? {}).flatMap(([key, property]) => [
      { keys: [...keys, key], description: property.description },
      ...properties(property, [...keys, key]),
    ]),
  ];
}

it("describes every key, and has no description without a key", () => {
  const all = properties(jsonSchema() as Node);
  expect(all.filter(({ description }) => !description).map(({ keys }) => keys.join("."))).toEqual([]);
  const used = new Set(all.map(({ keys }) => describeKey(keys)));
  expect(Object.entries(DESCRIPTIONS).filter(([, words]) => !used.has(words))).toEqual([]);
});

it("is schemas/bay.schema.json", () => {
  expect(JSON.parse(readFileSync("schemas/bay.schema.json", "utf8"))).toEqual(jsonSchema());
});
