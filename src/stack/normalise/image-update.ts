/** `x-bay-update` of a service. The registry is asked by the room that follows repositories. */
import validRange from "semver/ranges/valid.js";
import { parseReference } from "../../core/image-reference.ts";
import type { ImageUpdate } from "../model/stack.ts";
import type { ServiceReader } from "./service-reader.ts";

const KEY = "x-bay-update";

export function readImageUpdate(reader: ServiceReader): { imageUpdate?: ImageUpdate } {
  const given = reader.input[KEY];
  if (given === undefined) return {};
  const { policy, pattern, interval } = given;
  const { image, build } = reader.input;
  const bad = (path: string[], message: string) => {
    reader.bad([KEY, ...path], message);
    return {};
  };
  if (image === undefined || build) return bad([], "this needs an image of a registry, and no build");
  const { digest } = referenceOf(image) ?? {};
  if (digest) return bad([], `the image is fixed to ${digest.slice(0, 19)}; remove the digest`);
  const intervalMs =
    interval === undefined ? {} : { intervalMs: reader.duration([KEY, "interval"], interval) };
  if (intervalMs.intervalMs !== undefined && intervalMs.intervalMs < 1000)
    return bad(["interval"], "expected at least 1s");
  if (policy === "semver") {
    const range = given.range === undefined ? undefined : String(given.range);
    if (pattern !== undefined) return bad(["pattern"], "pattern belongs to policy: newest");
    if (range === undefined) return bad([], "policy: semver needs range");
    if (range.length > 100 || validRange(range) === null)
      return bad(["range"], `invalid range of versions ${JSON.stringify(range)}`);
    return { imageUpdate: { policy, range, ...intervalMs } };
  }
  if (given.range !== undefined) return bad(["range"], "range belongs to policy: semver");
  if (pattern === undefined) return bad([], "policy: newest needs pattern");
  if (!/^[\w.-]*\*[\w.-]*$/.test(pattern))
    return bad(["pattern"], "expected a tag with one * in the place of the part that is compared");
  return { imageUpdate: { policy, pattern, ...intervalMs } };
}

/** Undefined for an invalid reference, which is reported elsewhere. */
function referenceOf(image: string) {
  try {
    return parseReference(image);
  } catch {
    return undefined;
  }
}
