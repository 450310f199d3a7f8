/** `build:` of a service, and the use of secrets. */
import { z } from "zod";
import { ulimit } from "./process.ts";
import { boolean, list, listOrMap, stringOrNumber, strings } from "./scalars.ts";

/** A service's or a build's use of a secret. */
export const secretUse = z.union(
  [
    z.string(),
    z.strictObject({
      source: z.string(),
      target: z.string().optional(),
      uid: stringOrNumber.optional(),
      gid: stringOrNumber.optional(),
      mode: stringOrNumber.optional(),
    }),
  ],
  { error: "expected the name of a secret, or a mapping with source" },
);

export const buildSchema = z.strictObject({
  context: z
    .string()
    .optional()
    .describe("The directory with the build's files, or an archive, a git repository or a URL"),
  dockerfile: z.string().optional(),
  dockerfile_inline: z.string().optional().describe("The text of the Dockerfile"),
  args: listOrMap.optional(),
  target: z.string().optional(),
  additional_contexts: listOrMap.optional(),
  cache_from: z.array(z.string()).optional().describe("Build caches to import"),
  cache_to: z.array(z.string()).optional().describe("Destinations of the exported build cache"),
  no_cache: boolean.optional(),
  no_cache_filter: strings.optional().describe("Stages that do not use the cache"),
  pull: boolean.optional(),
  labels: listOrMap.optional(),
  network: z.string().optional(),
  secrets: z.array(secretUse).optional().describe("Secrets for RUN --mount=type=secret"),
  shm_size: stringOrNumber.optional(),
  extra_hosts: z.union([list, z.record(z.string(), strings)]).optional(),
  ssh: listOrMap.optional(),
  tags: z.array(z.string()).optional(),
  platforms: z.array(z.string()).optional(),
  ulimits: z.record(z.string(), ulimit).optional(),
  privileged: boolean.optional(),
  entitlements: z.array(z.string()).optional(),
});
