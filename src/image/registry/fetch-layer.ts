/** Downloads a layer from a registry, and unpacks it during the download. */
import { canFollowGrowth, type Piece } from "../layers/layer-pool.ts";
import type { LayerStore } from "../layers/layer-store.ts";
import { MEDIA } from "../model/manifest.ts";
import type { ContentStore, Descriptor } from "../store/content-store.ts";
import { Growth } from "../store/growing-file.ts";
import type { RegistryClient } from "./client.ts";
import { downloadBlob } from "./download.ts";
import type { PullRequest } from "./pull-request.ts";
import { RegistryError } from "./registry-error.ts";

/** Fetches a layer, unless it is on this host. Throws errors of the registry and of the layer. */
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
        // unpack during the download; an empty file could not be opened yet
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
        // the worker uses the file by its name, which is removed after this
        await early;
      }
    });
  }
  onProgress({ digest, status: "unpacking" });
  if (!(await early)) await layers.unpack({ ...content.piece(digest), budget }, diffId, digest);
  onProgress({ digest, status: "done" });
}

/** A foreign layer is at its URLs, and some registries have it, too; undefined is the registry. */
function placesOf({ mediaType, urls = [] }: Descriptor): (string | undefined)[] {
  return MEDIA.isForeign(mediaType) ? [...urls, undefined] : [undefined];
}

/** If no location has it, the error of the first one is reported. */
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

/** Returns false if the download was interrupted or restarted: then the layer is unpacked afterwards. */
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
    // an error of the layer itself occurs again, and is reported, when the layer is complete
    return false;
  }
}
