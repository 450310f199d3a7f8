/** Newer images of an applied commit: found at the intervals of their policies, and then applied, shown or written back. */
import { messageOf } from "../../core/errors.ts";
import type { FollowServices } from "../loop/follower.ts";
import type { Source } from "../model/source.ts";
import type { ImageOverride, Images } from "../model/status.ts";
import { isOpen } from "../model/windows.ts";
import { findUpdates } from "./find-updates.ts";

export const NO_IMAGES: Images = { policies: [], overrides: [], bad: [] };

export const sameOverrides = (a: readonly ImageOverride[], b: readonly ImageOverride[]): boolean => {
  const keysOf = (all: readonly ImageOverride[]) => all.map((each) => JSON.stringify(each)).sort();
  return JSON.stringify(keysOf(a)) === JSON.stringify(keysOf(b));
};

/** What the log says of changed images. */
export const changesOf = (before: readonly ImageOverride[], after: readonly ImageOverride[]): string[] =>
  after
    .filter(({ service, to }) => !before.some((known) => known.service === service && known.to === to))
    .map(({ service, from, to }) => {
      const known = before.find((each) => each.service === service && each.from === from);
      return `services.${service}.image: ${known?.to ?? from} -> ${to}`;
    });

/**
 * The overrides to apply now; undefined if nothing has changed, or if they must not be applied. Throws nothing of registries:
 * their failures are part of the status.
 */
export async function newOverrides(
  services: FollowServices,
  source: Source,
  { isForced, signal }: { isForced: boolean; signal: AbortSignal },
): Promise<ImageOverride[] | undefined> {
  const { records } = services;
  const images = records.status(source.name).images ?? NO_IMAGES;
  if (images.policies.length === 0) return undefined;
  const askedAt = services.askedAt(source.name);
  if (isForced) askedAt.clear();
  const bad = isForced ? [] : images.bad;
  const known = { used: images.overrides, found: images.available ?? images.overrides };
  const { overrides, failure: unanswered } = await findUpdates(images.policies, known, {
    interval: source.interval,
    askedAt,
    now: Date.now(),
    isBad: (service, image) =>
      bad.some((each) => each.image === image && (each.service === undefined || each.service === service)),
    signal,
  });
  // what is written back is a change of the repository, even if its images were already in use
  const isNew = !sameOverrides(overrides, source.write_back === undefined ? images.overrides : []);
  const isAllowed = source.policy === "auto" && (isForced || isOpen(source.windows, new Date()));
  const written = isNew && isAllowed ? await writeBackOnce(services, source, overrides, signal) : {};
  if (signal.aborted) return undefined;
  const available = isNew ? overrides : undefined;
  const failure = [unanswered, written.failure].filter(Boolean).join("; ") || undefined;
  const isTold =
    images.failure === failure &&
    images.bad.length === bad.length &&
    (images.available === undefined) === (available === undefined) &&
    sameOverrides(images.available ?? [], available ?? []);
  if (!isTold) {
    const status = records.status(source.name);
    const { failure: _, available: __, ...rest } = status.images ?? NO_IMAGES;
    if (failure && failure !== images.failure) services.log(`gitops ${source.name}: ${failure}`);
    const next = { ...rest, bad, ...(failure ? { failure } : {}), ...(available ? { available } : {}) };
    records.note(source.name, { ...status, images: next });
  }
  if (!isNew || !isAllowed || source.write_back !== undefined) return undefined;
  // the return to images of the commit has failed: it is the commit that is bad
  const { applied, bad: badCommit } = records.status(source.name);
  const isReturn = changesOf(images.overrides, overrides).length === 0;
  return isReturn && !isForced && badCommit?.commit === applied?.id ? undefined : overrides;
}

/** Commits the newer images to the branch of write_back, unless the same was done before. Never throws. */
async function writeBackOnce(
  services: FollowServices,
  source: Source,
  overrides: readonly ImageOverride[],
  signal: AbortSignal,
): Promise<{ failure?: string }> {
  const { records, log } = services;
  const { write_back: branch } = source;
  const { applied, images = NO_IMAGES } = records.status(source.name);
  if (branch === undefined || !applied) return {};
  const wanted = overrides.map(({ service, to }) => `${service}=${to}`).sort();
  const last = images.writtenBack;
  if (last?.base === applied.id && last.branch === branch && last.images.join() === wanted.join()) return {};
  try {
    const { writeBack } = await import("./write-back.ts");
    const own = last?.branch === branch ? last.commit : undefined;
    const where = { base: applied.id, branch, last: own };
    const commit = await writeBack(services, source, where, overrides, signal);
    log(`gitops ${source.name}: committed newer images to ${branch}: ${commit}`);
    const writtenBack = { commit, base: applied.id, images: wanted, branch };
    const status = records.status(source.name);
    records.note(source.name, { ...status, images: { ...(status.images ?? NO_IMAGES), writtenBack } });
    return {};
  } catch (error) {
    return { failure: `the commit to ${branch} failed: ${messageOf(error)}` };
  }
}
