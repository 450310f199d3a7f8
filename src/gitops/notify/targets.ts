/** Where the results of a source are reported. The targets are secret: the address of a chat's webhook is a password. */
import { z } from "zod";
import type { Outcome } from "../model/status.ts";

export const REPORTED = ["applied", "failed", "rolled-back", "drift", "unreachable"] as const;
export type Reported = (typeof REPORTED)[number];

const url = z
  .string()
  .max(2048)
  .refine((text) => {
    try {
      const { protocol, username, password } = new URL(text);
      return /^https?:$/.test(protocol) && username === "" && password === "";
    } catch {
      return false;
    }
  }, "expected an http:// or https:// address without a user");

export const notifyTarget = z.strictObject({
  /** `github` and `gitea` set the status of the commit; their address is that of the repository in the API. */
  type: z.enum(["json", "slack", "github", "gitea"]),
  url,
  token: z
    .string()
    .max(4096)
    .regex(/^[\x21-\x7e]+$/, "expected a token of printable characters")
    .optional(),
  on: z.array(z.enum(REPORTED)).min(1).default(["applied", "failed", "rolled-back", "drift"]),
});

export const notifyTargets = z.array(notifyTarget).max(8, "at most 8 targets are allowed");
export type NotifyTarget = z.output<typeof notifyTarget>;

/** A target without its secrets. */
export interface ShownTarget {
  type: NotifyTarget["type"];
  host: string;
  on: readonly Reported[];
}

export const shownTarget = ({ type, url, on }: NotifyTarget): ShownTarget => ({
  type,
  host: new URL(url).host,
  on,
});

const KINDS: Record<Outcome, Reported> = {
  applied: "applied",
  refused: "failed",
  failed: "failed",
  "rolled back": "rolled-back",
  drift: "drift",
  "drift repaired": "drift",
  unreachable: "unreachable",
};

export const reportedOf = (outcome: Outcome): Reported => KINDS[outcome];
