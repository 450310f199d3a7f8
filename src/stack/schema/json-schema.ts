/** The JSON Schema of stack files, generated from the zod schemas, for editors: with a description for every key. */
import { z } from "zod";
import { describeKey } from "./descriptions.ts";
import { fileSchema } from "./schema.ts";

export function jsonSchema(): object {
  const schema = z.toJSONSchema(fileSchema, { target: "draft-7", io: "input", unrepresentable: "any" });
  describe(schema as SchemaNode, []);
  return {
    ...schema,
    $id: "bay.schema.json",
    title: "bay stack file",
    description: "A Compose file, or bay's superset of it.",
    patternProperties: { "^x-": {} },
  };
}

interface SchemaNode {
  description?: string;
  properties?: Record<string, SchemaNode>;
  additionalProperties?: SchemaNode | boolean;
  items?: SchemaNode;
  anyOf?: SchemaNode[];
}

/** Adds descriptions to the properties that have none. `keys` omits user-chosen names and list positions. */
function describe(node: SchemaNode, keys: readonly string[]): void {
  for (const inner of node.anyOf ?? []) describe(inner, keys);
  for (const [key, property] of Object.entries(node.properties ?? {})) {
    const own = [...keys, key];
    const words = property.description ?? describeKey(own);
    if (words !== undefined) property.description = words;
    describe(property, own);
  }
  if (typeof node.additionalProperties === "object") describe(node.additionalProperties, keys);
  if (node.items) describe(node.items, keys);
}
