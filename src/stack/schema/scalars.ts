/** Values that many keys of the stack file have in common. */
import { z } from "zod";

export const stringOrNumber = z.union([z.string(), z.number()]);
export const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
export const boolean = z.union([z.boolean(), z.enum(["true", "false", "yes", "no", "on", "off"])], {
  error: "expected true or false",
});
export const integer = z.union(
  [z.number().int(), z.string().regex(/^-?\d+$/, { error: "expected a whole number" })],
  {
    error: "expected a whole number",
  },
);
export const number = z.union(
  [z.number(), z.string().regex(/^\d+(\.\d+)?$/, { error: "expected a number" })],
  {
    error: "expected a number",
  },
);
export const bytes = z
  .union([z.number(), z.string()], { error: "expected a size such as 64m" })
  .describe("A size in bytes, or with a unit: 512k, 64m, 1g");
export const duration = z
  .union([z.string(), z.number()], { error: "expected a duration such as 10s" })
  .describe("A duration: 500ms, 10s, 1m30s");
export const strings = z.union([z.string(), z.array(stringOrNumber)], {
  error: "expected a string or a list of strings",
});
export const list = z.array(stringOrNumber, { error: "expected a list" });
export const listOrMap = z.union([list, z.record(z.string(), scalar)], {
  error: "expected a list of NAME=value or a mapping",
});
export const command = z.union([z.string(), z.array(stringOrNumber), z.null()], {
  error: "expected a string or a list of strings",
});
