/** Verifies the store: every blob that an image needs exists and matches its digest. */

import type { LayerStore } from "../layers/layer-store.ts";
import { parseImageConfig, parseManifest } from "../model/manifest.ts";
import type { ContentStore } from "./content-store.ts";
import type { ImageRecord } from "./image-records.ts";

export interface Verified {
  /** The number of blobs read. */
  checked: number;
  problems: { image: string; digest: string; message: string }[];
  /** Blobs whose content does not match their digest. */
  damaged: string[];
}

export async function verifyStore(
  content: ContentStore,
  layers: LayerStore,
  records: readonly ImageRecord[],
): Promise<Verified> {
  const problems: Verified["problems"] = [];
  const known = new Map<string, string | undefined>();
  const damaged: string[] = [];
  const check = async (digest: string): Promise<string | undefined> => {
    if (known.has(digest)) return known.get(digest);
    const actual = content.has(digest) ? await content.digestOf(digest) : undefined;
    const problem = actual === digest ? undefined : actual ? `its digest is ${actual}` : "it is missing";
    if (problem && actual) damaged.push(digest);
    known.set(digest, problem);
    return problem;
  };
  for (const { reference, manifest, id } of records) {
    let isReadable = true;
    const look = async (digest: string) => {
      const message = await check(digest);
      if (message) problems.push({ image: reference, digest, message });
      return message === undefined;
    };
    for (const digest of [manifest.digest, id]) isReadable = (await look(digest)) && isReadable;
    if (!isReadable) continue;
    for (const { digest } of parseManifest(content.read(manifest.digest)).layers) await look(digest);
    for (const diffId of parseImageConfig(content.read(id)).rootfs.diff_ids)
      if (!layers.has(diffId))
        problems.push({
          image: reference,
          digest: diffId,
          message: "it is not unpacked; the next start unpacks it",
        });
  }
  return { checked: known.size, problems, damaged };
}
