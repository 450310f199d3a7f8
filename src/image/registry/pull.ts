/** Pulls an image: its manifest for the platform, its config, and several layers at once, preferably from mirrors. */
import { dirname } from "node:path";
import { BayError, hasCode, messageOf } from "../../core/errors.ts";
import type { Reference } from "../../core/image-reference.ts";
import { requireRoom } from "../../store/index.ts";
import { Budget } from "../layers/bounds.ts";
import type { LayerStore } from "../layers/layer-store.ts";
import type { ImageConfig } from "../model/manifest.ts";
import type { ContentStore, Descriptor } from "../store/content-store.ts";
import { eachOf } from "./at-once.ts";
import { RegistryClient } from "./client.ts";
import { closeConnections, endpointsOf } from "./endpoint.ts";
import { fetchLayer } from "./fetch-layer.ts";
import { fetchHead, fetchManifest } from "./fetch-manifest.ts";
import type { PullRequest } from "./pull-request.ts";
import { readSettings } from "./settings.ts";

const LAYERS_AT_ONCE = 4;

export interface Pulled {
  manifest: Descriptor;
  /** The digest that the name resolves to in the registry: of an index, or of the manifest itself. */
  digest: string;
}

/** Fetches, verifies and unpacks all missing parts of an image. Throws BayError; downloaded data is kept to resume from. */
export async function pullImage(
  content: ContentStore,
  layers: LayerStore,
  request: PullRequest,
): Promise<Pulled> {
  try {
    return await atFirstEndpoint(request, (client) => pullFrom(client, content, layers, request));
  } finally {
    void closeConnections();
  }
}

/** An image of a registry whose layers are fetched one by one, when they are needed. */
export interface LazyImage {
  config: ImageConfig;
  /** Fetches and unpacks a layer, unless it is here. Throws like `pullImage`. */
  fetchLayer: (diffId: string) => Promise<void>;
}

/** Fetches the manifest and the config of an image, and no layer yet. Throws like `pullImage`. */
export async function openLazily(
  content: ContentStore,
  layers: LayerStore,
  request: PullRequest,
): Promise<LazyImage> {
  return atFirstEndpoint(request, async (client) => {
    const { manifest, config } = await fetchHead(client, content, request);
    const budget = new Budget().shared;
    const diffIds = config.rootfs.diff_ids;
    return {
      config,
      fetchLayer: async (diffId) => {
        const descriptor = manifest.layers[diffIds.indexOf(diffId)];
        if (!descriptor)
          throw new BayError("BAD_MANIFEST", `${request.reference.repository} has no layer ${diffId}`);
        await fetchLayer(client, content, layers, { ...request, budget }, descriptor, diffId);
      },
    };
  });
}

/** Returns the digest that a name resolves to in its registry. Throws like `pullImage`; nothing is stored. */
export async function resolveDigest(
  reference: Reference,
  credentialsOf: PullRequest["credentialsOf"],
): Promise<string> {
  try {
    return await atFirstEndpoint({ reference, credentialsOf }, async (client) => {
      const what = reference.digest ?? reference.tag ?? "latest";
      return (await fetchManifest(client, reference.repository, what, undefined)).digest;
    });
  } finally {
    void closeConnections();
  }
}

/** Tries the mirrors first, then the registry itself. */
export async function atFirstEndpoint<T>(
  request: Pick<PullRequest, "reference" | "credentialsOf" | "signal">,
  action: (client: RegistryClient) => Promise<T>,
): Promise<T> {
  const failures: BayError[] = [];
  for (const endpoint of endpointsOf(request.reference.registry, readSettings())) {
    try {
      return await action(new RegistryClient(endpoint, await request.credentialsOf(endpoint.host)));
    } catch (error) {
      if (!(error instanceof BayError) || request.signal?.aborted || isLocal(error)) throw error;
      failures.push(error);
    }
  }
  const [only] = failures;
  if (failures.length === 1 && only) throw only;
  const last = failures.at(-1)!;
  throw new BayError(last.code, failures.map(messageOf).join("; "), {
    cause: last,
    ...(last.hint ? { hint: last.hint } : {}),
  });
}

/** Whether another endpoint would not help, because the cause is the image itself or this host. */
function isLocal(error: BayError): boolean {
  return hasCode(
    error,
    "BAD_LAYER",
    "BAD_TAR",
    "NO_PLATFORM",
    "SCHEMA_1",
    "ABORTED",
    "ENOSPC",
    "EDQUOT",
    "BAD_REGISTRIES",
    "DISK_FULL",
    "LAYER_TOO_LARGE",
  );
}

/** Fetches an image from one endpoint, such as a host of the cluster. Throws like `pullImage`. */
export async function pullFrom(
  client: RegistryClient,
  content: ContentStore,
  layers: LayerStore,
  request: PullRequest,
): Promise<Pulled> {
  const { top, found, manifest, config } = await fetchHead(client, content, request);
  const budget = new Budget().shared;
  const diffIds = config.rootfs.diff_ids;
  requireRoomFor(content, layers, manifest.layers, diffIds);
  await eachOf(manifest.layers, LAYERS_AT_ONCE, (layer, index) =>
    fetchLayer(client, content, layers, { ...request, budget }, layer, diffIds[index]!),
  );
  if (found !== top) content.put(top.bytes, top.mediaType);
  return { manifest: content.put(found.bytes, found.mediaType), digest: top.digest };
}

/**
 * Rejects an image before its download if the disk is too small: blobs have the sizes in the manifest, and a layer usually
 * unpacks to at least as much. Throws DISK_FULL, LAYER_TOO_LARGE.
 */
function requireRoomFor(
  content: ContentStore,
  layers: LayerStore,
  described: readonly Descriptor[],
  diffIds: readonly string[],
): void {
  const budget = new Budget();
  let needed = 0;
  for (const [index, { digest, size }] of described.entries()) {
    if (!content.has(digest)) needed += size;
    if (!layers.has(diffIds[index]!)) {
      needed += size;
      budget.take(size);
    }
  }
  requireRoom(layers.directory, needed, dirname(layers.directory));
}
