/**
 * Who sent a push, and whether it is genuine. GitHub, Gitea and Forgejo sign the body (HMAC-SHA256), GitLab sends the secret, and a
 * plain push signs a timestamp and the body. The body is not parsed, and not kept: only its hash is needed.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** Milliseconds by which the timestamp of a plain push may differ from the clock of the host. */
export const MAX_SKEW = 5 * 60_000;

interface Signed {
  kind: "bay" | "github" | "gitea";
  signature: string;
  /** What the signature covers before the body. */
  prefix: string;
}
interface Told {
  kind: "gitlab";
  token: string;
}
type Proof = (Signed | Told) & { id: string | undefined };

const one = (headers: IncomingHttpHeaders, name: string): string | undefined => {
  const value = headers[name];
  return typeof value === "string" && value !== "" && value.length <= 1024 ? value : undefined;
};

/** Reads the headers of a request. Undefined without a signature, or if the timestamp of a plain push is too old. */
export function proofOf(headers: IncomingHttpHeaders, now: number): Proof | undefined {
  const own = one(headers, "x-bay-signature");
  if (own !== undefined) {
    const time = one(headers, "x-bay-timestamp") ?? "";
    if (!/^\d{1,12}$/.test(time) || Math.abs(Number(time) * 1000 - now) > MAX_SKEW) return undefined;
    return { kind: "bay", signature: own, prefix: `${time}.`, id: undefined };
  }
  const github = one(headers, "x-hub-signature-256");
  if (github !== undefined)
    return { kind: "github", signature: github, prefix: "", id: one(headers, "x-github-delivery") };
  const gitea = one(headers, "x-gitea-signature") ?? one(headers, "x-forgejo-signature");
  if (gitea !== undefined) {
    const id = one(headers, "x-gitea-delivery") ?? one(headers, "x-forgejo-delivery");
    return { kind: "gitea", signature: gitea, prefix: "", id };
  }
  const token = one(headers, "x-gitlab-token");
  if (token !== undefined) return { kind: "gitlab", token, id: one(headers, "x-gitlab-event-uuid") };
  return undefined;
}

/** Takes the body in parts, and then decides. */
export class Verification {
  readonly #signed;
  readonly #hash = createHash("sha256");

  constructor(
    readonly proof: Proof,
    readonly secret: string,
  ) {
    this.#signed = createHmac("sha256", secret);
    if ("prefix" in proof) this.#signed.update(proof.prefix);
  }

  update(part: Buffer): void {
    if ("signature" in this.proof) this.#signed.update(part);
    else this.#hash.update(part);
  }

  /**
   * The marks by which the same delivery is recognised again; undefined if the proof is wrong. An ID alone is not enough, because
   * no signature covers it.
   */
  marks(): string[] | undefined {
    const { proof, secret } = this;
    const id = proof.id === undefined ? [] : [`${proof.kind} ${proof.id}`];
    if ("token" in proof) {
      if (!isEqual(proof.token, secret)) return undefined;
      return [...id, `body ${this.#hash.digest("hex")}`];
    }
    const expected = this.#signed.digest("hex");
    if (!isEqual(proof.signature.replace(/^sha256=/, "").toLowerCase(), expected)) return undefined;
    return [...id, `signature ${expected}`];
  }
}

const KEY = randomBytes(32);

/** Compares in constant time, also for texts of different lengths. */
function isEqual(one: string, other: string): boolean {
  const digest = (text: string) => createHmac("sha256", KEY).update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
