/** A layer from a registry: downloaded, and unpacked while it comes. */
import { canFollowGrowth, type Piece } from "../layers/layer-pool.ts";
import type { LayerStore } from "../layers/layer-store.ts";
import { MEDIA } from "../model/manifest.ts";
import type { ContentStore, Descriptor } from "../store/content-store.ts";
import { Growth } from "../store/growing-file.ts";
import type { RegistryClient } from "./client.ts";
import { downloadBlob } from "./download.ts";
import type { PullRequest } from "./pull-request.ts";
import { RegistryError } from "./registry-error.ts";

/** Does nothing where the layer is on this host. Throws what the registry says, and what is wrong with the layer. */
export async function fetchLayer(
  client: RegistryClient,
  content: ContentStore,
  layers: LayerStore,
  { reference: { repository }, onProgress = () => {}, signal, budget }: PullRequest,
  descriptor: Descriptor,
  diffId: string,
): Promise<void> {
  const { digest, size } = descriptor;
  if (content.has(digest) && layers.has(diffId)) return onProgress({ digest, status: "exists" });
  let early: Promise<boolean> | undefined;
  if (!content.has(digest)) {
    onProgress({ digest, status: "waiting" });
    await content.fetch(descriptor, async (file) => {
      const growth = new Growth();
      const progress = (current: number) => {
        // unpacked while it comes; an empty file could not be opened yet
        if (canFollowGrowth() || early)
          early ??= unpackGrowing(
            layers,
            { file, offset: 0, size, growth: growth.shared, budget },
            diffId,
            digest,
          );
        growth.reached(current);
        onProgress({ digest, status: "downloading", current, total: size });
      };
      try {
        const onRestart = () => growth.fail();
        const download = { client, repository, descriptor, file, onProgress: progress, onRestart, signal };
        await fromOneOf(placesOf(descriptor), (url) => downloadBlob({ ...download, url }));
        growth.complete();
      } catch (error) {
        growth.fail();
        throw error;
      } finally {
        // the worker has the file by its name, which it loses after this
        await early;
      }
    });
  }
  onProgress({ digest, status: "unpacking" });
  if (!(await early)) await layers.unpack({ ...content.piece(digest), budget }, diffId, digest);
  onProgress({ digest, status: "done" });
}

/** A foreign layer is at its URLs, and some registries have it all the same; undefined is the registry. */
function placesOf({ mediaType, urls = [] }: Descriptor): (string | undefined)[] {
  return MEDIA.isForeign(mediaType) ? [...urls, undefined] : [undefined];
}

/** What the first place fails with is said where none has it. */
async function fromOneOf<T>(places: readonly T[], load: (place: T) => Promise<void>): Promise<void> {
  let first: unknown;
  for (const [index, place] of places.entries()) {
    try {
      return await load(place);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      if (index === 0) first = error;
    }
  }
  throw first;
}

/** False if the download was interrupted or restarted: then the layer is unpacked afterwards. */
async function unpackGrowing(
  layers: LayerStore,
  piece: Piece,
  diffId: string,
  digest: string,
): Promise<boolean> {
  try {
    await layers.unpack(piece, diffId, digest);
    return true;
  } catch {
    // what is wrong with the layer itself shows again, and is said, when the whole of it is here
    return false;
  }
}
