/**
 * Applies one commit to the host. Before the first change the attempt is stored, so that a killed bayd completes it. If the
 * commit does not become healthy, the revision before is restored.
 */
import { LABELS } from "../../container/index.ts";
import { hasCode, messageOf } from "../../core/errors.ts";
import { type ExtensionServices, waitForStack } from "../../daemon/extension.ts";
import { PLAN_DEFAULTS, type PlanOptions } from "../../reconcile/index.ts";
import type { Stack } from "../../stack/index.ts";
import type { GitopsRecords } from "../model/records.ts";
import type { Source } from "../model/source.ts";
import type { Attempt, Commit, Status } from "../model/status.ts";

export interface ApplyServices extends ExtensionServices {
  records: GitopsRecords;
}

const MAX_REASON = 4000;
const reasonOf = (error: unknown): string => messageOf(error).slice(0, MAX_REASON);

export const upOptions = (source: Source): PlanOptions => ({ ...PLAN_DEFAULTS, removeOrphans: source.prune });

const askerOf = (source: Source, signal: AbortSignal) => ({ what: `gitops (${source.name})`, signal });

/** Brings the host to the commit's stack, or back to the revision before. Throws ABORTED if bayd stops. */
export async function applyCommit(
  services: ApplyServices,
  source: Source,
  commit: Commit,
  stack: Stack,
  signal: AbortSignal,
): Promise<boolean> {
  const { records, stacks } = services;
  const status = records.status(source.name);
  const isSame = status.attempt?.commit.id === commit.id && status.attempt.project === stack.name;
  const attempt: Attempt = isSame
    ? status.attempt!
    : {
        commit,
        startedAt: new Date().toISOString(),
        project: stack.name,
        revisionBefore: stacks.history.list(stack.name).at(-1)?.number,
      };
  records.note(source.name, { ...status, attempt });
  await services.manager.store.flush();
  const late = AbortSignal.timeout(source.wait_timeout);
  try {
    if (attempt.failure === undefined)
      await bringUp(services, source, stack, AbortSignal.any([signal, late]));
  } catch (error) {
    if (signal.aborted) throw error;
    attempt.failure = hasCode(error, "ABORTED")
      ? `the commit did not become healthy within ${source.wait_timeout / 1000} seconds`
      : reasonOf(error);
    records.note(source.name, { ...records.status(source.name), attempt });
  }
  if (attempt.failure !== undefined) {
    await restore(services, source, attempt, signal);
    return false;
  }
  await leaveOldProject(services, source, status, stack.name, signal);
  noteApplied(services, source, attempt);
  return true;
}

/** Removals come last, when everything else is healthy: a commit that fails has removed nothing then. */
async function bringUp(
  { manager, stacks }: ApplyServices,
  source: Source,
  stack: Stack,
  signal: AbortSignal,
): Promise<void> {
  const settings = { graceMs: undefined, timeoutMs: source.wait_timeout };
  const asker = askerOf(source, signal);
  const first = { ...upOptions(source), removeOrphans: false, ignoreOrphans: true };
  await stacks.up(stack, first, settings, () => {}, asker);
  await waitForStack(manager, stack, [], source.wait_timeout);
  if (source.prune)
    await stacks.up(stack, { ...upOptions(source), pull: "never", build: false }, settings, () => {}, asker);
}

/** Restores the revision before the attempt, completes the attempt and logs why. */
async function restore(
  { records, stacks, manager }: ApplyServices,
  source: Source,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<void> {
  let { failure: reason = "" } = attempt;
  let outcome: "rolled back" | "failed" = "failed";
  if (attempt.revisionBefore === undefined) reason += "\nno earlier revision exists that could be restored";
  else {
    try {
      await stacks.rollback(
        attempt.project,
        attempt.revisionBefore,
        undefined,
        () => {},
        askerOf(source, signal),
      );
      outcome = "rolled back";
    } catch (error) {
      if (signal.aborted || hasCode(error, "ABORTED")) throw error;
      reason += `\nthe rollback to revision ${attempt.revisionBefore} failed: ${reasonOf(error)}`;
    }
  }
  const { attempt: _, pending: __, rulesChanged: ___, ...status } = records.status(source.name);
  const revision = stacks.history.list(attempt.project).at(-1)?.number;
  const next: Status = {
    ...status,
    bad: { commit: attempt.commit.id, reason },
    failureCount: status.failureCount + 1,
    ...(status.project === attempt.project && revision !== undefined ? { revision } : {}),
  };
  records.note(source.name, next, {
    at: new Date().toISOString(),
    outcome,
    commit: attempt.commit,
    reason,
    tookMs: Date.now() - Date.parse(attempt.startedAt),
  });
  manager.events.publish("daemon", "gitops-failed", source.name, { commit: attempt.commit.id });
}

/** A commit that renames the stack leaves containers under the old name. */
async function leaveOldProject(
  { stacks }: ApplyServices,
  source: Source,
  { project }: Status,
  current: string,
  signal: AbortSignal,
): Promise<void> {
  if (project === undefined || project === current || !source.prune) return;
  const options = {
    volumes: false,
    removeOrphans: true,
    externalVolumes: [],
    services: undefined,
    only: undefined,
  };
  await stacks.down(project, options, undefined, () => {}, askerOf(source, signal));
}

function noteApplied({ records, stacks, manager }: ApplyServices, source: Source, attempt: Attempt): void {
  const { commit, project } = attempt;
  const {
    attempt: _,
    bad: __,
    pending: ___,
    approved: ____,
    drift: _____,
    rulesChanged: ______,
    ...status
  } = records.status(source.name);
  const revision = stacks.history.list(project).at(-1)?.number;
  const at = new Date().toISOString();
  records.note(
    source.name,
    {
      ...status,
      applied: { ...commit, at },
      project,
      ...(revision === undefined ? {} : { revision }),
      syncCount: status.syncCount + 1,
    },
    { at, outcome: "applied", commit, reason: "", tookMs: Date.now() - Date.parse(attempt.startedAt) },
  );
  manager.events.publish("daemon", "gitops-applied", source.name, { commit: commit.id });
}

/** `2 of 3 containers are running, web is unhealthy`, for status. */
export function healthOf({ manager }: ExtensionServices, project: string | undefined): string {
  if (project === undefined) return "-";
  const own = manager
    .list()
    .filter(({ config: { labels } }) => labels[LABELS.stack] === project && labels[LABELS.oneOff] !== "True");
  if (own.length === 0) return "no containers";
  const bad = own.filter(({ id, state, config }) => {
    if (state.status === "exited") return state.exitCode !== 0;
    return state.status !== "running" || (config.health !== undefined && manager.health(id) !== "healthy");
  });
  return bad.length === 0 ? "healthy" : `not healthy: ${bad.map(({ config }) => config.name).join(", ")}`;
}
