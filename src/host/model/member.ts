/** The members of a cluster, and the signed list of them that every host has. */

import { z } from "zod";
import { versionOf } from "../../core/ip.ts";
import { LIMITS } from "../../core/limits.ts";

/** The most hosts of a cluster. */
export const MAX_MEMBERS = LIMITS.cluster.members;

/** A name of a host is a DNS label (RFC 1123, 2.1). */
export const HOST_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export const hostLabels = z
  .record(z.string().min(1).max(256), z.string().max(1024))
  .refine((labels) => Object.keys(labels).length <= 100, "expected at most 100 labels");

export const hostAddress = z
  .string()
  .refine((text) => versionOf(text) !== undefined, "expected an IP address");

/** What a host says of itself. */
export const hostFacts = z.object({
  name: z.string().regex(HOST_NAME, "expected a DNS label: lower-case letters, digits and -"),
  address: hostAddress,
  port: z.int().min(1).max(65535),
  labels: hostLabels,
  platform: z.object({ os: z.string().max(40), arch: z.string().max(40) }),
  capacity: z.object({ cpus: z.number().positive(), memoryBytes: z.number().positive() }),
});
export type HostFacts = z.infer<typeof hostFacts>;

const id = z.string().regex(/^[0-9a-f]{32}$/);

export const memberSchema = hostFacts.extend({
  id,
  /** The number of its slice in the subnets of overlays; no other member has it. */
  slot: z.int().min(0).max(65535),
  /** The authority issues certificates, and changes the list. */
  role: z.enum(["authority", "member"]),
  /** Certificates that begin to be valid before this time (milliseconds since the epoch) count no more. */
  validFrom: z.int().min(0),
  joinedAt: z.string().max(40),
});
export type Member = z.infer<typeof memberSchema>;

export const memberListSchema = z.object({
  cluster: id,
  /** Grows with each change. */
  revision: z.int().min(1),
  members: z.array(memberSchema).max(MAX_MEMBERS),
});
export type MemberList = z.infer<typeof memberListSchema>;

/** The list as text, with the authority's signature over exactly this text. */
export const signedListSchema = z.object({
  list: z.string().max(4 << 20),
  signature: z.string().max(1000),
});
export type SignedList = z.infer<typeof signedListSchema>;
