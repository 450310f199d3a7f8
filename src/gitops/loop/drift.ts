/** Changes of followed stacks by hand: repaired by restoring the applied revision, or only reported. */
import { messageOf } from "../../core/errors.ts";
import { printPlan } from "../../reconcile/index.ts";
import type { Source } from "../model/source.ts";
import type { ApplyServices } from "./apply-commit.ts";

/** Compares the applied revision with the host. Never throws: a failed repair is logged, and tried again later. */
export async function checkDrift(
  services: ApplyServices,
  source: Source,
  signal: AbortSignal,
): Promise<void> {
  const { records, stacks, log } = services;
  const status = records.status(source.name);
  const { applied, attempt, project, revision } = status;
  if (!applied || attempt || project === undefined || revision === undefined) return;
  if (stacks.activity(project).isChanging) return;
  const startedAt = Date.now();
  try {
    const plan = stacks.rollbackPlan(project, revision);
    if (plan.steps.length === 0) {
      if (status.drift) records.note(source.name, { ...status, drift: undefined });
      return;
    }
    // the values before and after could be those of decrypted files
    const text = status.hasHidden
      ? plan.steps.map(({ kind, name }) => `${kind} ${name}`).join("\n")
      : printPlan(plan);
    if (status.drift?.plan === text && source.drift === "report") return;
    const at = new Date().toISOString();
    const { id, author, subject, committedAt } = applied;
    const entry = { at, commit: { id, author, subject, committedAt }, reason: text.slice(0, 4000) };
    const counted = { ...status, driftCount: status.driftCount + 1 };
    if (source.drift === "report") {
      records.note(
        source.name,
        { ...counted, drift: { at, plan: text } },
        { ...entry, outcome: "drift", tookMs: 0 },
      );
      return;
    }
    await stacks.rollback(project, revision, undefined, () => {}, {
      what: `gitops (${source.name})`,
      signal,
    });
    const after = stacks.history.list(project).at(-1)?.number ?? revision;
    records.note(
      source.name,
      { ...counted, drift: undefined, revision: after },
      { ...entry, outcome: "drift repaired", tookMs: Date.now() - startedAt },
    );
  } catch (error) {
    if (!signal.aborted) log(`gitops ${source.name}: drift: ${messageOf(error)}`);
  }
}
