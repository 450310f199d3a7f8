/**
 * The stack file as zod schemas: Compose's keys that bay supports, and bay's own top-level `images` and `hosts`. The JSON
 * Schema for editors is generated from these. Keys of Compose that are not here yet are listed in unsupported.ts.
 */
import { z } from "zod";
import { hostsSchema } from "./hosts.ts";
import { imageSchema } from "./images.ts";
import { includeSchema } from "./include.ts";
import { configSchema, networkSchema, secretSchema, volumeSchema } from "./resources.ts";
import { serviceSchema } from "./service.ts";

/** A user-chosen name of a service, network, volume, secret or config. */
const key = z.string().regex(/^[a-zA-Z0-9._-]+$/);

export const fileSchema = z.strictObject({
  version: z.unknown().optional().describe("Accepted and ignored"),
  name: z
    .string()
    .regex(/^[a-zA-Z0-9][a-zA-Z0-9_-]*$/, { error: "expected lower case letters, digits, _ and -" })
    .optional(),
  include: includeSchema
    .optional()
    .describe("Stack files to include, each read relative to its own directory"),
  services: z.record(key, serviceSchema).optional(),
  networks: z.record(key, networkSchema.nullable()).optional(),
  volumes: z.record(key, volumeSchema.nullable()).optional(),
  secrets: z.record(key, secretSchema).optional(),
  configs: z.record(key, configSchema).optional(),
  images: z.record(z.string(), imageSchema).optional(),
  hosts: hostsSchema.optional(),
  "x-bay-hosts": hostsSchema
    .optional()
    .describe("The same as hosts, for files that Docker Compose reads too"),
});

export type ServiceInput = z.infer<typeof serviceSchema>;
export type FileInput = z.infer<typeof fileSchema>;
export type ImageInput = z.infer<typeof imageSchema>;
