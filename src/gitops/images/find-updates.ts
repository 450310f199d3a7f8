/** Asks registries for newer tags of the images of a followed stack. */
import { messageOf } from "../../core/errors.ts";
import { findCredentials, parseReference, web } from "../../image/index.ts";
import type { ImageUpdate, Stack } from "../../stack/index.ts";
import type { ImageOverride, UpdatedImage } from "../model/status.ts";
import { newestTag } from "./newest-tag.ts";

const ASK_TIME = 30_000;

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
  /** Why a registry could not be asked. */
  failure: string | undefined;
}

/** When each image was asked for, in memory. */
export type AskedAt = Map<string, number>;

/**
 * The overrides that the policies choose now. `known` are those in use, which stay where a registry does not answer or is not
 * asked yet. `isBad` tells tags that have failed. Never throws.
 */
export async function findUpdates(
  images: readonly UpdatedImage[],
  known: readonly ImageOverride[],
  {
    interval,
    askedAt,
    now,
    isBad,
    signal,
  }: {
    interval: number;
    askedAt: AskedAt;
    now: number;
    isBad: (image: string) => boolean;
    signal: AbortSignal;
  },
): Promise<Found> {
  let failure: string | undefined;
  const overrides = await Promise.all(
    images.map(async ({ service, image, policy }): Promise<ImageOverride[]> => {
      const own = known.filter((each) => each.service === service && each.from === image);
      const last = askedAt.get(service);
      if (last !== undefined && now - last < (policy.intervalMs ?? interval)) return own;
      askedAt.set(service, now);
      try {
        const to = await newerImage(image, policy, isBad, signal);
        if (to !== undefined) return [{ service, from: image, to }];
        // its tag may have left the registry; the policy may have changed
        return own.filter((each) => !isBad(each.to) && isChosen(policy, image, each.to));
      } catch (error) {
        failure = `services.${service}.image: ${messageOf(error)}`;
        return own;
      }
    }),
  );
  return { overrides: overrides.flat(), failure };
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
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ASK_TIME)]);
  const tags = await web.listTags(reference, await findCredentials(reference.registry), limit);
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
