/** Applying a plan: independent steps run in parallel, each after the steps that it depends on. Decides nothing. */
import { BayError, messageOf } from "../../core/errors.ts";
import { diskFullError } from "../../store/index.ts";
import type { Plan, Step } from "../model/step.ts";

export interface Progress {
  step: string;
  name: string;
  kind: Step["kind"];
  state: "waiting" | "running" | "done" | "failed" | "skipped";
  message?: string;
  /** For a container: also start it. */
  starts?: boolean;
}

/** Progress of a running step; `passing` is transient and not worth a separate line. */
export type Say = (message: string, passing?: boolean) => void;

/** Executes one step on the host. */
export type Executor = (step: Step, say: Say) => Promise<void>;

const MAX_AT_ONCE = 32;

/**
 * Resolves when all steps are done. A failed step skips those that depend on it, and the others continue; then it throws
 * APPLY_FAILED, naming every failure; its cause has their errors. At most `atOnce` steps run at a time. After an abort no step begins; throws ABORTED.
 */
export async function applyPlan(
  plan: Plan,
  execute: Executor,
  onProgress: (progress: Progress) => void,
  signal?: AbortSignal,
  atOnce: number = MAX_AT_ONCE,
): Promise<void> {
  const ids = new Set(plan.steps.map(({ id }) => id));
  const results = new Map<string, Promise<boolean>>();
  const failures: { step: Step; error: unknown }[] = [];
  let running = 0;
  const queue: (() => void)[] = [];
  const slot = async () => {
    if (running >= atOnce) await new Promise<void>((resolve) => queue.push(resolve));
    running += 1;
  };
  const release = () => {
    running -= 1;
    queue.shift()?.();
  };
  const run = async (step: Step): Promise<boolean> => {
    const report = (state: Progress["state"], message?: string) =>
      onProgress({
        step: step.id,
        name: step.name,
        kind: step.kind,
        state,
        ...(message ? { message } : {}),
        ...(step.container ? { starts: step.container.start } : {}),
      });
    const ended = (steps: readonly string[]) =>
      Promise.all(steps.filter((id) => ids.has(id)).map((id) => results.get(id)));
    const [needed] = await Promise.all([ended(step.after), ended(step.afterEnd)]);
    if (needed.includes(false)) {
      report("skipped", "an earlier step failed");
      return false;
    }
    await slot();
    if (signal?.aborted) {
      release();
      return false;
    }
    try {
      report("running");
      await execute(step, (message, passing) => report(passing ? "running" : "waiting", message));
      report("done");
      return true;
    } catch (thrown) {
      const error = diskFullError(thrown) ?? thrown;
      failures.push({ step, error });
      report("failed", messageOf(error));
      return false;
    } finally {
      release();
    }
  };
  // all promises must exist before the first step looks up those that it depends on
  const resolvers = plan.steps.map((step) => {
    let settle: (done: boolean) => void = () => {};
    results.set(
      step.id,
      new Promise((resolve) => {
        settle = resolve;
      }),
    );
    return settle;
  });
  await Promise.all(plan.steps.map(async (step, index) => resolvers[index]!(await run(step))));
  if (signal?.aborted) throw new BayError("ABORTED", "the client disconnected before all steps were done");
  if (failures.length === 0) return;
  const text = failures.map(({ step, error }) => {
    const message = messageOf(error);
    const hint = error instanceof BayError && error.hint ? `\n  ${error.hint}` : "";
    return `${message.startsWith(step.name) ? "" : `${step.name}: `}${message}${hint}`;
  });
  throw new BayError("APPLY_FAILED", text.join("\n"), {
    cause: new AggregateError(failures.map(({ error }) => error)),
  });
}
