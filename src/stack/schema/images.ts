/** Top-level `images:`, an extension of bay. */
import { z } from "zod";
import { healthcheck } from "./process.ts";
import { list, listOrMap, stringOrNumber, strings } from "./scalars.ts";

const NAME = /^[a-z0-9][a-zA-Z0-9.+-]*$/;
/** A package, with =VERSION for a specific version. */
const PACKAGE = /^[a-z0-9][a-z0-9.+-]+(:[a-z0-9]+)?(=[a-zA-Z0-9.+~:-]+)?$/;

const imageConfig = z.strictObject({
  entrypoint: strings.optional(),
  command: strings.optional(),
  cmd: strings.optional().describe("Same as command"),
  environment: listOrMap.optional(),
  env: listOrMap.optional().describe("The same as environment"),
  working_dir: z.string().optional(),
  user: stringOrNumber.optional(),
  expose: list.optional(),
  ports: list.optional().describe("The same as expose"),
  volumes: z.array(z.string()).optional(),
  labels: listOrMap.optional(),
  stop_signal: stringOrNumber.optional(),
  healthcheck: healthcheck.optional(),
});

export const imageSchema = z.strictObject({
  host: z
    .union(
      [
        z.array(z.string()),
        z.strictObject({
          commands: z.array(z.string()).optional(),
          files: z.array(z.string()).optional(),
          users: z.array(z.string()).optional(),
        }),
      ],
      {
        error: "expected a list of commands and files, or a mapping with commands, files and users",
      },
    )
    .optional()
    .describe("Commands and files of this host, packed with their libraries"),
  rootfs: z.string().optional().describe("A directory or tar file with a root file system"),
  archive: z
    .union([z.string(), z.strictObject({ path: z.string(), reference: z.string().optional() })])
    .optional()
    .describe("An archive of docker save, or an OCI layout, as a tar file or directory"),
  apt: z
    .strictObject({
      suite: z.string().regex(NAME, { error: "expected the name of a suite such as bookworm" }),
      components: z.array(z.string().regex(NAME, { error: "expected main, contrib …" })).optional(),
      packages: z.array(z.string().regex(PACKAGE, { error: "expected names of Debian packages" })).min(1),
      mirror: z
        .string()
        .regex(/^(https?|file|copy):\/\/?\S+$/, { error: "expected the URL of a Debian mirror" })
        .optional(),
      snapshot: z
        .string()
        .regex(/^\d{8}T\d{6}Z$/, { error: "expected a timestamp such as 20260101T000000Z" })
        .optional(),
      keep: z.array(z.enum(["docs", "man", "locales", "lists"])).optional(),
    })
    .optional()
    .describe("Debian packages, including the essential ones, installed by mmdebstrap"),
  config: imageConfig.optional(),
});
