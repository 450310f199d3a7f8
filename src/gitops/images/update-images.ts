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
  const { overrides, failure } = await findUpdates(images.policies, images.overrides, {
    interval: source.interval,
    askedAt,
    now: Date.now(),
    isBad: (image) => bad.some((each) => each.image === image),
    signal,
  });
  const isNew = !sameOverrides(overrides, images.overrides);
  const isAllowed = source.policy === "auto" && (isForced || isOpen(source.windows, new Date()));
  const available = isNew && (!isAllowed || source.write_back) ? overrides : undefined;
  const isTold =
    images.failure === failure &&
    images.bad.length === bad.length &&
    sameOverrides(images.available ?? [], available ?? []);
  if (!isTold) {
    const { failure: _, available: __, ...rest } = images;
    if (failure) services.log(`gitops ${source.name}: ${failure}`);
    const next = { ...rest, bad, ...(failure ? { failure } : {}), ...(available ? { available } : {}) };
    records.note(source.name, { ...records.status(source.name), images: next });
  }
  if (!isNew || !isAllowed) return undefined;
  if (source.write_back === undefined) return overrides;
  await writeBackOnce(services, source, source.write_back, overrides, signal);
  return undefined;
}

/** Commits the newer images to the branch, unless the same was done before. Never throws. */
async function writeBackOnce(
  services: FollowServices,
  source: Source,
  branch: string,
  overrides: readonly ImageOverride[],
  signal: AbortSignal,
): Promise<void> {
  const { records, log } = services;
  const { applied, images = NO_IMAGES } = records.status(source.name);
  if (!applied) return;
  const wanted = overrides.map(({ service, to }) => `${service}=${to}`).sort();
  const last = images.writtenBack;
  if (last?.base === applied.id && last.branch === branch && last.images.join() === wanted.join()) return;
  const note = (change: Partial<Images>) => {
    const status = records.status(source.name);
    records.note(source.name, { ...status, images: { ...(status.images ?? NO_IMAGES), ...change } });
  };
  try {
    const { writeBack } = await import("./write-back.ts");
    const own = last?.branch === branch ? last.commit : undefined;
    const where = { base: applied.id, branch, last: own };
    const commit = await writeBack(services, source, where, overrides, signal);
    log(`gitops ${source.name}: committed newer images to ${branch}: ${commit}`);
    note({ writtenBack: { commit, base: applied.id, images: wanted, branch } });
  } catch (error) {
    if (signal.aborted) return;
    note({ failure: `the commit to ${branch} failed: ${messageOf(error)}` });
    log(`gitops ${source.name}: the commit to ${branch} failed: ${messageOf(error)}`);
  }
}
