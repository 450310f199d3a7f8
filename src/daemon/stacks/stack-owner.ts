/** Stacks that follow a repository: a command that changes one by hand must say what happens to the repository's state. */
import { BayError } from "../../core/errors.ts";

/** What follows the repository of a stack. */
export interface StackOwner {
  /** The name of the gitops source. */
  source: string;
  /** The repository and what is followed there, without credentials. */
  repository: string;
  /** Manual changes are reverted; otherwise they are only reported. */
  isRepaired: boolean;
}

/** How a command changes a followed stack: it suspends the source first, or its change lasts until the next sync. */
export type Claim = "take-over" | "once";

/** Known to the extension that follows repositories. */
export interface StackOwners {
  /** Undefined if no active source follows the stack. */
  ownerOf: (stack: string) => StackOwner | undefined;
  /** Suspends the source, after a pass of it that is running. */
  suspend: (source: string) => Promise<void>;
}

export const NO_OWNERS: StackOwners = { ownerOf: () => undefined, suspend: async () => {} };

export interface ClaimChecks {
  /** Tells whether the command would change nothing. */
  isUnchanged?: () => Promise<boolean>;
  /** Throws if the change is not possible, before the source is suspended for it. */
  check?: () => Promise<unknown>;
}

/**
 * Lets a command change a stack, and returns what its user must know. Throws what the check throws, and STACK_FOLLOWED if the stack follows a repository and the command does not say how to treat that.
 */
export async function claimStack(
  owners: StackOwners,
  stack: string,
  claim: Claim | undefined,
  { tell, isUnchanged, check }: ClaimChecks & { tell: (text: string) => void },
): Promise<string[]> {
  const owner = owners.ownerOf(stack);
  if (!owner || (claim === undefined && (await isUnchanged?.()))) return [];
  const { source, repository, isRepaired } = owner;
  if (claim === "once")
    return [
      `the stack ${stack} follows ${repository}: ${isRepaired ? "the next repair of drift or sync" : "the next sync"} of the gitops source ${source} restores the state of the repository`,
    ];
  if (claim === "take-over") {
    await check?.();
    tell(`suspending the gitops source ${source}`);
    await owners.suspend(source);
    return [
      `the gitops source ${source} is suspended; bay gitops resume ${source} restores the state of the repository`,
    ];
  }
  throw new BayError(
    "STACK_FOLLOWED",
    `the stack ${stack} is managed by the gitops source ${source}, which follows ${repository}`,
    {
      hint: `change the repository; or use --once for a change that the next sync or repair of drift undoes, or --take-over, which suspends the source first (as bay gitops suspend ${source})`,
    },
  );
}
