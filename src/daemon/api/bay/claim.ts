/** Changes of stacks that may follow a repository, as requests of bay's own routes make them. */
import { BayError } from "../../../core/errors.ts";
import type { Plan } from "../../../reconcile/index.ts";
import type { Asker } from "../../stacks/stack-locks.ts";
import { type Claim, type ClaimChecks, claimStack } from "../../stacks/stack-owner.ts";
import { errorAnswer } from "../error-status.ts";
import type { Services } from "../server.ts";

/**
 * Lets a request change a stack that may follow a repository, and runs the change. What the user must know of the repository
 * comes before the warnings of the plan, or is part of the error's hint. Throws STACK_FOLLOWED, and what the change throws.
 */
export const claimerOf =
  (stacks: Pick<Services["stacks"], "owners">) =>
  async (
    stack: string,
    claim: Claim | undefined,
    { tell = () => {} }: Pick<Asker, "tell">,
    checks: ClaimChecks,
    change: () => Promise<Plan>,
  ): Promise<Plan> => {
    // the extension sets the owners after the routes are made
    const notes = await claimStack(stacks.owners, stack, claim, { tell, ...checks });
    if (notes.length === 0) return change();
    try {
      return withNotes(await change(), notes);
    } catch (cause) {
      const { code, message, hint } = errorAnswer(cause).body;
      throw new BayError(code, message, { hint: [hint, ...notes].filter(Boolean).join("; "), cause });
    }
  };

/** Hosts of a cluster can have the same note. */
const withNotes = (plan: Plan, notes: readonly string[]): Plan => ({
  ...plan,
  warnings: [...new Set([...notes, ...plan.warnings])],
});
