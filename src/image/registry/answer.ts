/** Responses of registries and token servers, read with a size limit. */

import type { Dispatcher } from "undici";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { VERSION } from "../../core/version.ts";

const MAX_ANSWER = LIMITS.image.answer;

export const USER_AGENT = `bay/${VERSION}`;

/** Reads a small response. Throws REGISTRY_ANSWER beyond 4 MiB. */
export async function readAnswer(body: Dispatcher.ResponseData["body"], limit = MAX_ANSWER): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body) {
    size += (part as Buffer).length;
    if (size > limit) {
      body.destroy();
      throw new BayError("REGISTRY_ANSWER", `the registry's answer exceeds ${limit} bytes`);
    }
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts);
}

/** Returns undefined if the text is not JSON. */
export function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
