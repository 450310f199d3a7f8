/** Pulling an image: its manifest for the platform, its config, and its layers, several at once, from mirrors first. */
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
  /** Of what the name stands for in the registry: an index, or the manifest itself. */
  digest: string;
}

/** Everything of an image that is not here yet, verified and unpacked. Throws BayError; downloaded data is kept to resume from. */
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

/** An image of a registry whose layers come one by one, when they are needed. */
export interface LazyImage {
  config: ImageConfig;
  /** Gets a layer and unpacks it, where it is not here. Throws as `pullImage`. */
  fetchLayer: (diffId: string) => Promise<void>;
}

/** Gets the manifest and the config of an image, and no layer yet. Throws as `pullImage`. */
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

/** The digest of what a name stands for in its registry now. Throws as `pullImage`; nothing is kept. */
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

/** Asks the mirrors first, then the registry itself. */
async function atFirstEndpoint<T>(
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

/** What another endpoint would not do better: the image itself, or this host, is the trouble. */
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

async function pullFrom(
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
 * Refuses an image before its first byte comes where the disk cannot take it: blobs are as large as the manifest says,
 * and a layer unpacks to at least as much as a rule. Throws DISK_FULL, LAYER_TOO_LARGE.
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
