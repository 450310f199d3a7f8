/** `extends:` and `include:`, which are resolved before the rest is checked. */
import { z } from "zod";

export const extendsSchema = z.union([
  z.string(),
  z.strictObject({ service: z.string(), file: z.string().optional() }),
]);
const paths = z.union([z.string(), z.array(z.string()).min(1)]);
export const includedSchema = z.union([
  z.string(),
  z.strictObject({
    path: paths,
    project_directory: z.string().optional(),
    env_file: paths.optional(),
  }),
]);
export const includeSchema = z.array(includedSchema);
