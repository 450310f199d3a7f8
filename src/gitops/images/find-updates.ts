/** Asks registries for newer tags of the images of a followed stack. */
import { messageOf } from "../../core/errors.ts";
import { findCredentials, parseReference, web } from "../../image/index.ts";
import type { ImageUpdate, Stack } from "../../stack/index.ts";
import type { ImageOverride, UpdatedImage } from "../model/status.ts";
import { newestTag } from "./newest-tag.ts";

/** Milliseconds for which a registry is asked for the tags of one image. */
const ASK_TIME = 30_000;
const MAX_FAILURE = 4000;

/** The services whose images follow a policy, with the images that the repository names. */
export const updatedImages = ({ services }: Stack): UpdatedImage[] =>
  Object.values(services).flatMap(({ name, image, imageUpdate }) =>
    imageUpdate ? [{ service: name, image, policy: imageUpdate }] : [],
  );

/** The stack with the newer images. An override counts only while the repository names the image that it replaces. */
export function withOverrides(stack: Stack, overrides: readonly ImageOverride[]): Stack {
  const services = { ...stack.services };
  for (const { service, from, to } of overrides) {
    const own = services[service];
    if (own?.imageUpdate && own.image === from) services[service] = { ...own, image: to };
  }
  return { ...stack, services };
}

export interface Found {
  overrides: ImageOverride[];
  /** Why registries could not be asked: it is kept until they are asked again. */
  failure: string | undefined;
}

/** When the registry of a service was asked, for which image and policy, and why it did not answer. */
interface Asked {
  at: number;
  question: string;
  failure?: string;
}

/** By service, in memory. */
export type AskedAt = Map<string, Asked>;

/**
 * The overrides that the policies choose now. Where a registry does not answer, or is not asked yet, those of `found` are kept,
 * which were chosen before; where it answers without a newer image, those of `used`, because their tags may have been removed
 * there. `isBad` tells the images of services that have failed. `askTime` is in milliseconds. Never throws.
 */
export async function findUpdates(
  images: readonly UpdatedImage[],
  { used, found }: { used: readonly ImageOverride[]; found: readonly ImageOverride[] },
  {
    interval,
    askedAt,
    now,
    isBad,
    signal,
    askTime = ASK_TIME,
  }: {
    interval: number;
    askedAt: AskedAt;
    now: number;
    isBad: (service: string, image: string) => boolean;
    signal: AbortSignal;
    askTime?: number;
  },
): Promise<Found> {
  const overrides = await Promise.all(
    images.map(async ({ service, image, policy }): Promise<ImageOverride[]> => {
      const own = (all: readonly ImageOverride[]) =>
        all.filter(
          (each) =>
            each.service === service &&
            each.from === image &&
            !isBad(service, each.to) &&
            isChosen(policy, image, each.to),
        );
      const question = JSON.stringify([image, policy]);
      const last = askedAt.get(service);
      if (last?.question === question && now - last.at < (policy.intervalMs ?? interval)) return own(found);
      const limit = AbortSignal.timeout(askTime);
      try {
        const isBadHere = (to: string) => isBad(service, to);
        const to = await newerImage(image, policy, isBadHere, AbortSignal.any([signal, limit]));
        askedAt.set(service, { at: now, question });
        return to === undefined ? own(used) : [{ service, from: image, to }];
      } catch (error) {
        // bayd stops: that is not a failure of the registry
        if (signal.aborted) return own(found);
        const why = limit.aborted
          ? `${parseReference(image).registry} did not answer within ${askTime / 1000} seconds`
          : messageOf(error);
        askedAt.set(service, { at: now, question, failure: `services.${service}.image: ${why}` });
        return own(found);
      }
    }),
  );
  const failures = images.flatMap(({ service }) => askedAt.get(service)?.failure ?? []);
  return { overrides: overrides.flat(), failure: failures.join("; ").slice(0, MAX_FAILURE) || undefined };
}

const tagOf = (image: string) => parseReference(image).tag ?? "latest";

const isChosen = (policy: ImageUpdate, image: string, newer: string): boolean =>
  newestTag(policy, [tagOf(newer)], tagOf(image)) !== undefined;

async function newerImage(
  image: string,
  policy: ImageUpdate,
  isBad: (image: string) => boolean,
  signal: AbortSignal,
): Promise<string | undefined> {
  const reference = parseReference(image);
  const tags = await web.listTags(reference, await findCredentials(reference.registry), signal);
  const current = reference.tag ?? "latest";
  const bare = image.endsWith(`:${current}`) ? image.slice(0, -current.length - 1) : image;
  const named = (tag: string) => `${bare}:${tag}`;
  const tag = newestTag(
    policy,
    tags.filter((each) => !isBad(named(each))),
    current,
  );
  return tag === undefined ? undefined : named(tag);
}
