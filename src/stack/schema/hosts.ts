/** The schemas of what a file says about hosts: the top-level `hosts`, and the `host` of a service. */
import { z } from "zod";

/** A DNS label (RFC 1123), in lower case because names in DNS have no case. */
export const HOST_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

const NAME_ERROR =
  "expected at most 63 lower case letters, digits and hyphens, with a letter or digit at both ends";
const hostName = z.string().regex(HOST_LABEL, { error: NAME_ERROR });
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const labels = z.union([z.array(z.union([z.string(), z.number()])), z.record(z.string(), scalar)], {
  error: "expected a list of NAME=value or a mapping",
});

const host = z.strictObject({
  address: z
    .string()
    .optional()
    .describe("The IP address or DNS name of the host, with :PORT if bayd has another port than 2376"),
  labels: labels.optional().describe("Labels for constraints and preferences: node.labels.NAME"),
});

export const hostsSchema = z.union(
  [z.literal("all"), z.array(hostName), z.record(hostName, host.nullable())],
  {
    error: "expected all, a list of names, or a mapping of names",
  },
);

/** The `host` of a service. */
export const hostChoice = z.union([hostName, z.array(hostName)], {
  error: "expected the name of a host, or a list of names",
});
