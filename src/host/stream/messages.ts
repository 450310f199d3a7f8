/**
 * The stream by which a host tells its peers of its containers: the whole state first, then numbered changes, as lines of JSON.
 * A receiver that misses a number asks for the whole state again, so it never has to trust what it has.
 */

import { z } from "zod";
import { versionOf } from "../../core/ip.ts";
import { LIMITS } from "../../core/limits.ts";
import { signedListSchema } from "../model/member.ts";

/** Bytes of one line; a state is sent in parts. */
export const MAX_LINE = LIMITS.cluster.message;
/** Containers in one part of a state. */
export const PART_SIZE = 500;
/** Containers of one host. */
export const MAX_CONTAINERS = LIMITS.cluster.containers;
/** Milliseconds between two messages; a peer is silent after five seconds without one. */
export const HEARTBEAT = 1000;
export const SILENCE = 5000;

const name = z.string().min(1).max(300);
const address = z
  .string()
  .max(45)
  .refine((text) => versionOf(text) !== undefined);

export const sharedEndpoint = z.object({
  network: name,
  address,
  address6: address.optional(),
  mac: z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
  aliases: z.array(name).max(500),
});

/** What the other hosts need to know of a container. */
export const sharedContainer = z.object({
  id: z.string().regex(/^[0-9a-f]{64}$/),
  name,
  stack: name.optional(),
  service: name.optional(),
  number: z.int().min(0).optional(),
  status: z.string().max(40),
  health: z.string().max(40),
  exitCode: z.int().optional(),
  endpoints: z.array(sharedEndpoint).max(100),
});
export type SharedContainer = z.infer<typeof sharedContainer>;

/** What the tunnels to a host need to know of it, beside its membership. */
export const tunnelFacts = z.object({
  /** An address of the other IP version, on the link that has the member's address. */
  otherAddress: address.optional(),
  /** Its public key for WireGuard: 32 bytes in base64. */
  wireguardKey: z
    .string()
    .regex(/^[A-Za-z0-9+/]{43}=$/)
    .optional(),
});
export type TunnelFacts = z.infer<typeof tunnelFacts>;

const number = z.int().min(0);

export const streamMessage = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("state"),
    number,
    containers: z.array(sharedContainer).max(PART_SIZE),
    /** More parts of the same state follow. */
    isLast: z.boolean(),
  }),
  z.object({
    kind: z.literal("change"),
    number,
    set: z.array(sharedContainer).max(PART_SIZE),
    removed: z.array(z.string().max(64)).max(PART_SIZE),
  }),
  z.object({ kind: z.literal("heartbeat"), number }),
  z.object({ kind: z.literal("members"), signed: signedListSchema }),
  z.object({ kind: z.literal("host"), version: z.string().max(40), tunnel: tunnelFacts.optional() }),
]);
export type StreamMessage = z.infer<typeof streamMessage>;

/** Undefined if the line is not a message. */
export function parseMessage(line: string): StreamMessage | undefined {
  try {
    const parsed = streamMessage.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
