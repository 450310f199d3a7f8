/** One-time tokens with which a host joins. The store has their hashes only. */

import { createHash, randomBytes, timingSafeEqual, X509Certificate } from "node:crypto";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Store } from "../../store/index.ts";

const KEY = "host/invitation/";
const MAX_OPEN = LIMITS.cluster.tokens;

interface InvitationRecord {
  id: string;
  secretHash: string;
  expiresAt: number;
}

/** A token: the digest of the authority's certificate, so that the joining host knows whom to trust, and the secret. */
export interface Token {
  authorityDigest: string;
  id: string;
  secret: string;
}

const hash = (text: string) => createHash("sha256").update(text).digest("hex");

/** The SHA-256 digest of a certificate (DER), in hexadecimal digits. */
export const digestOf = (pem: string): string =>
  createHash("sha256").update(new X509Certificate(pem).raw).digest("hex");

export const formatToken = ({ authorityDigest, id, secret }: Token): string =>
  `bay1.${authorityDigest}.${id}.${secret}`;

/** Throws BAD_TOKEN. */
export function parseToken(text: string): Token {
  const { digest, id, secret } =
    /^bay1\.(?<digest>[0-9a-f]{64})\.(?<id>[0-9a-f]{16})\.(?<secret>[\w-]{43})$/.exec(text.trim())?.groups ??
    {};
  if (digest === undefined || id === undefined || secret === undefined)
    throw new BayError("BAD_TOKEN", "the token is not one that bay host invite printed", {
      hint: "copy the whole token, which begins with bay1.",
    });
  return { authorityDigest: digest, id, secret };
}

export class Invitations {
  constructor(readonly store: Store) {}

  /** A new token that is valid once, for `lifetime` milliseconds. */
  create(authority: string, lifetime: number): string {
    this.#sweep();
    if (this.store.list(KEY).length >= MAX_OPEN)
      throw new BayError("BAD_TOKEN", `there are ${MAX_OPEN} unused tokens; wait until they expire`);
    const id = randomBytes(8).toString("hex");
    const secret = randomBytes(32).toString("base64url");
    const record: InvitationRecord = { id, secretHash: hash(secret), expiresAt: Date.now() + lifetime };
    this.store.put(KEY + id, record);
    return formatToken({ authorityDigest: digestOf(authority), id, secret });
  }

  /** Uses a token up. Throws BAD_TOKEN if it was used, has expired or is wrong. */
  redeem(id: string, secret: string): void {
    this.#sweep();
    const record = this.store.get<InvitationRecord>(KEY + id);
    const isRight =
      record !== undefined && timingSafeEqual(Buffer.from(record.secretHash), Buffer.from(hash(secret)));
    if (!isRight)
      throw new BayError("BAD_TOKEN", "the token was used, has expired, or is wrong", {
        hint: "run bay host invite for a new one",
      });
    this.store.delete(KEY + id);
  }

  #sweep(): void {
    for (const { id, expiresAt } of this.store.list<InvitationRecord>(KEY))
      if (expiresAt <= Date.now()) this.store.delete(KEY + id);
  }
}
