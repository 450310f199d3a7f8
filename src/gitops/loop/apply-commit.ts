/**
 * Applies one commit to the host. Before the first change the attempt is stored, so that a killed bayd completes it. If the
 * commit does not become healthy, the revision before is restored.
 */
import { LABELS } from "../../container/index.ts";
import { hasCode, messageOf } from "../../core/errors.ts";
import { type ExtensionServices, waitForStack } from "../../daemon/extension.ts";
import { PLAN_DEFAULTS, type PlanOptions } from "../../reconcile/index.ts";
import type { Stack } from "../../stack/index.ts";
import { updatedImages, withOverrides } from "../images/find-updates.ts";
import { changesOf, NO_IMAGES, sameOverrides } from "../images/update-images.ts";
import type { GitopsRecords } from "../model/records.ts";
import type { Source } from "../model/source.ts";
import type { Attempt, Commit, ImageOverride, Images, Status, UpdatedImage } from "../model/status.ts";
import type { DecryptedContent } from "../read/read-stack.ts";
import { HealthLimit } from "./health-limit.ts";

export interface ApplyServices extends ExtensionServices {
  records: GitopsRecords;
}

/** What a commit says. */
export interface CommitStack {
  stack: Stack;
  decrypted: readonly DecryptedContent[];
  /** Whether the stack has values of decrypted files, which its plans would show. */
  isHidden: boolean;
  /** Newer images than those of the repository. */
  overrides: readonly ImageOverride[];
}

const MAX_REASON = 4000;
/** Images that have failed, of all services. */
const MAX_BAD = 100;
const reasonOf = (error: unknown): string => messageOf(error).slice(0, MAX_REASON);

export const upOptions = (source: Source): PlanOptions => ({ ...PLAN_DEFAULTS, removeOrphans: source.prune });

const askerOf = (source: Source, signal: AbortSignal) => ({ what: `gitops (${source.name})`, signal });

/**
 * Brings the host to the commit's stack, or back to what it was before. Throws ABORTED if bayd stops, and the error of a
 * registry that may answer later.
 */
export async function applyCommit(
  services: ApplyServices,
  source: Source,
  commit: Commit,
  { stack: given, decrypted, isHidden, overrides }: CommitStack,
  signal: AbortSignal,
): Promise<boolean> {
  const policies = updatedImages(given);
  const stack = withOverrides(given, overrides);
  const images = overrides.filter(
    ({ service, from, to }) =>
      given.services[service]?.image === from && stack.services[service]?.image === to,
  );
  const { records } = services;
  const status = records.status(source.name);
  const isResumed = status.attempt?.commit.id === commit.id && status.attempt.project === stack.name;
  const attempt = isResumed ? status.attempt! : newAttempt(services, commit, stack.name, status, images);
  records.note(source.name, { ...status, attempt });
  await services.manager.store.flush();
  const limit = new HealthLimit(source.wait_timeout);
  const letGo = holdContents(services, decrypted);
  try {
    if (attempt.failure === undefined) await bringUp(services, source, stack, limit, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    const isUntouched = !limit.hasBegun && !isResumed;
    if (isUntouched && isTemporary(error)) {
      const { attempt: _, ...before } = records.status(source.name);
      records.note(source.name, before);
      throw error;
    }
    attempt.failure = limit.signal.aborted
      ? `the commit did not become healthy within ${source.wait_timeout / 1000} seconds: ${reasonOf(error)}`
      : reasonOf(error);
    if (isUntouched) {
      noteFailed(services, source, attempt, "refused", attempt.failure);
      return false;
    }
    records.note(source.name, { ...records.status(source.name), attempt });
  } finally {
    limit.end();
    letGo();
  }
  if (attempt.failure !== undefined) {
    await restore(services, source, attempt, signal);
    return false;
  }
  await leaveOldProject(services, source, status, stack.name, signal);
  noteApplied(services, source, attempt, { isHidden, policies, images });
  return true;
}

/** Decrypted contents are not on the disk, where the containers' creation would look for them. */
function holdContents({ manager }: ApplyServices, decrypted: readonly DecryptedContent[]): () => void {
  return manager.secretFiles.hold(
    decrypted,
    ({ kind, name }) => decrypted.find((each) => each.kind === kind && each.name === name)!.bytes,
  );
}

function newAttempt(
  { manager, stacks }: ApplyServices,
  commit: Commit,
  project: string,
  { applied, images: known = NO_IMAGES }: Status,
  images: ImageOverride[],
): Attempt {
  const isOfImages = applied?.id === commit.id && !sameOverrides(known.overrides, images);
  const isNew = ({ service, to }: ImageOverride) =>
    !known.overrides.some((each) => each.service === service && each.to === to);
  const newOverrides = isOfImages ? images.filter(isNew) : [];
  return {
    ...(images.length > 0 ? { images } : {}),
    ...(newOverrides.length > 0 ? { newOverrides } : {}),
    commit,
    startedAt: new Date().toISOString(),
    project,
    revisionBefore: stacks.history.list(project).at(-1)?.number,
    hadContainers: manager.list().some(({ config }) => config.labels[LABELS.stack] === project),
  };
}

/** Whether all failures are those of registries that may answer later. */
function isTemporary(error: unknown): boolean {
  const { cause } = error instanceof Error ? error : {};
  const errors: unknown[] = cause instanceof AggregateError ? cause.errors : [error];
  return errors.every((each) => hasCode(each, "REGISTRY_UNREACHABLE", "REGISTRY_FAILED", "REGISTRY_LIMIT"));
}

/** Removals come last, when everything else is healthy: a commit that fails has removed nothing then. */
async function bringUp(
  { manager, stacks }: ApplyServices,
  source: Source,
  stack: Stack,
  limit: HealthLimit,
  stop: AbortSignal,
): Promise<void> {
  const settings = { graceMs: undefined, timeoutMs: source.wait_timeout };
  const first = { ...upOptions(source), removeOrphans: false, ignoreOrphans: true };
  const onProgress = ({ kind }: { kind: string }) => {
    if (!kind.startsWith("image.")) limit.begin();
  };
  const asker = askerOf(source, AbortSignal.any([stop, limit.signal]));
  await stacks.up(stack, first, settings, onProgress, asker);
  limit.begin();
  await waitForStack(manager, stack, [], limit.remaining);
  limit.end();
  if (!source.prune) return;
  const last = { ...upOptions(source), pull: "never" as const, build: false };
  await stacks.up(stack, last, settings, () => {}, askerOf(source, stop));
}

/** Restores the revision before the attempt, completes the attempt and logs why. */
async function restore(
  services: ApplyServices,
  source: Source,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<void> {
  const { stacks, records } = services;
  const { project, revisionBefore, failure = "" } = attempt;
  const asker = askerOf(source, signal);
  const hasVersion = attempt.hadContainers || records.status(source.name).project === project;
  try {
    if (revisionBefore !== undefined && hasVersion) {
      await stacks.rollback(project, revisionBefore, undefined, () => {}, asker);
      return noteFailed(services, source, attempt, "rolled back", failure);
    }
    if (attempt.hadContainers) {
      const reason = `${failure}\nno earlier revision exists that could be restored`;
      return noteFailed(services, source, attempt, "failed", reason);
    }
    await stacks.down(project, DOWN, undefined, () => {}, asker);
    const reason = `${failure}\nthe stack had no containers before the commit: those of the commit were removed`;
    noteFailed(services, source, attempt, "rolled back", reason);
  } catch (error) {
    if (signal.aborted || hasCode(error, "ABORTED")) throw error;
    const what = hasVersion ? `the rollback to revision ${revisionBefore}` : "the removal of its containers";
    noteFailed(services, source, attempt, "failed", `${failure}\n${what} failed: ${reasonOf(error)}`);
  }
}

/** Completes the attempt, and marks its commit as bad. */
function noteFailed(
  { records, stacks }: ApplyServices,
  source: Source,
  attempt: Attempt,
  outcome: "rolled back" | "failed" | "refused",
  reason: string,
): void {
  const { attempt: _, pending: __, rulesChanged: ___, ...status } = records.status(source.name);
  const revision = stacks.history.list(attempt.project).at(-1)?.number;
  const { images = NO_IMAGES } = status;
  const ofImages = attempt.newOverrides?.map(({ service, to }) => ({ service, image: to, reason }));
  const next: Status = {
    ...status,
    ...(ofImages
      ? { images: { ...images, bad: [...images.bad, ...ofImages].slice(-MAX_BAD) } }
      : { bad: { commit: attempt.commit.id, reason } }),
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
}

/** Volumes are kept. */
const DOWN = {
  volumes: false,
  removeOrphans: true,
  externalVolumes: [],
  services: undefined,
  only: undefined,
};

/** A commit that renames the stack leaves containers under the old name. */
async function leaveOldProject(
  { stacks }: ApplyServices,
  source: Source,
  { project }: Status,
  current: string,
  signal: AbortSignal,
): Promise<void> {
  if (project === undefined || project === current || !source.prune) return;
  await stacks.down(project, DOWN, undefined, () => {}, askerOf(source, signal));
}

function noteApplied(
  { records, stacks }: ApplyServices,
  source: Source,
  attempt: Attempt,
  {
    isHidden,
    policies,
    images,
  }: { isHidden: boolean; policies: readonly UpdatedImage[]; images: readonly ImageOverride[] },
): void {
  const { commit, project } = attempt;
  const {
    attempt: _,
    bad: __,
    pending: ___,
    approved: ____,
    drift: _____,
    rulesChanged: ______,
    hasHidden: _______,
    images: known = NO_IMAGES,
    ...status
  } = records.status(source.name);
  const revision = stacks.history.list(project).at(-1)?.number;
  const at = new Date().toISOString();
  const reason = changesOf(known.overrides, images).join(", ");
  records.note(
    source.name,
    {
      ...status,
      applied: { ...commit, at },
      project,
      ...(revision === undefined ? {} : { revision }),
      ...(isHidden ? { hasHidden: true as const } : {}),
      ...imagesAfter(known, policies, images),
      syncCount: status.syncCount + 1,
    },
    { at, outcome: "applied", commit, reason, tookMs: Date.now() - Date.parse(attempt.startedAt) },
  );
}

/**
 * What stays known of newer images: what waits is still valid where the commit names the same image; the commit that was
 * pushed to a branch is known for as long as that branch may be replaced.
 */
function imagesAfter(
  { bad, available = [], failure, writtenBack }: Images,
  policies: readonly UpdatedImage[],
  overrides: readonly ImageOverride[],
): { images?: Images } {
  const isValid = ({ service, from }: ImageOverride) =>
    policies.some((each) => each.service === service && each.image === from);
  const waiting = available.filter(isValid);
  const kept: Partial<Images> = writtenBack ? { writtenBack } : {};
  if (policies.length === 0) return writtenBack ? { images: { ...NO_IMAGES, ...kept } } : {};
  if (failure !== undefined) kept.failure = failure;
  if (waiting.length > 0 && !sameOverrides(waiting, overrides)) kept.available = waiting;
  return { images: { ...kept, bad, policies: [...policies], overrides: [...overrides] } };
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
