/** The JSON Schema of stack files, generated from the zod schemas, for editors. */
import { z } from "zod";
import { fileSchema } from "./schema.ts";

export function jsonSchema(): object {
  const schema = z.toJSONSchema(fileSchema, { target: "draft-7", io: "input", unrepresentable: "any" });
  return {
    ...schema,
    $id: "bay.schema.json",
    title: "bay stack file",
    description: "A Compose file, or bay's superset of it.",
    patternProperties: { "^x-": {} },
  };
}
