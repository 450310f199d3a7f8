/** What bayd knows about a source: the applied commit, the current attempt, and the log of all commits. */
import type { ImageUpdate } from "../../stack/index.ts";

export interface Commit {
  id: string;
  author: string;
  subject: string;
  /** ISO 8601. */
  committedAt: string;
}

/** A commit that is being applied. It is stored before the first change, so that a restarted bayd completes it. */
export interface Attempt {
  commit: Commit;
  startedAt: string;
  project: string;
  /** The revision of the stack before; undefined if the stack had none. */
  revisionBefore: number | undefined;
  /** Whether the stack had containers before; a failed commit of a stack without them leaves none. */
  hadContainers: boolean;
  /** Set when the commit has failed and the revision before is being restored. */
  failure?: string;
  /** Newer images than those of the commit. */
  images?: ImageOverride[];
  /** Only these images are new: if they fail, the commit is not bad. */
  newOverrides?: ImageOverride[];
}

/** A service whose image follows a policy, and the image that the repository names. */
export interface UpdatedImage {
  service: string;
  image: string;
  policy: ImageUpdate;
}

/** A newer image that is used in place of the one that the repository names. */
export interface ImageOverride {
  service: string;
  from: string;
  to: string;
}

/** What bayd knows of newer images. */
export interface Images {
  /** Of the applied commit. */
  policies: UpdatedImage[];
  /** In use. */
  overrides: ImageOverride[];
  /** What the policies choose, if that is not in use: the policy is manual, a window is closed, or it is applied next. */
  available?: ImageOverride[];
  /** Images that have failed: they are not tried again for the service, or for any if there is no service. */
  bad: { image: string; service?: string; reason: string }[];
  /** Why a registry could not be asked, or images could not be written back. */
  failure?: string;
  /** The commit with the newer images, and what it is based on. */
  writtenBack?: { commit: string; base: string; images: string[]; branch: string };
}

export interface Status {
  /** The last commit that was applied and became healthy. */
  applied?: Commit & { at: string };
  /** The stack's name, and the revision that the applied commit has there. */
  project?: string;
  revision?: number;
  attempt?: Attempt;
  images?: Images;
  /** A commit that was refused or rolled back: it is not tried again. */
  bad?: { commit: string; reason: string };
  /** A commit that waits for an approval, a window or another source. */
  pending?: { commit: Commit; reason: string; plan: string };
  approved?: string;
  /** The rules of the source changed after its last commit, which is therefore applied again. */
  rulesChanged?: true;
  /** The applied stack has values of decrypted files: its plans are shown without them. */
  hasHidden?: true;
  /** The last failure to reach the repository, and how often it failed in a row. */
  unreachable?: { message: string; since: string; failures: number };
  drift?: { at: string; plan: string } | undefined;
  driftCount: number;
  syncCount: number;
  failureCount: number;
  lastPollAt?: string;
  nextPollAt?: string;
}

export const NEW_STATUS: Status = { driftCount: 0, syncCount: 0, failureCount: 0 };

export type Outcome =
  | "applied"
  | "refused"
  | "rolled back"
  | "failed"
  | "drift repaired"
  | "drift"
  | "unreachable";

export interface LogEntry {
  number: number;
  at: string;
  outcome: Outcome;
  commit?: Commit;
  reason: string;
  /** Milliseconds from the beginning of the attempt. */
  tookMs: number;
}
