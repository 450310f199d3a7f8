/** Pulling an image: its manifest for the platform, its config, and its layers, several at once, from mirrors first. */
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { BayError, hasCode, messageOf } from "../../core/errors.ts";
import type { Reference } from "../../core/image-reference.ts";
import { requireRoom } from "../../store/index.ts";
import { Budget } from "../layers/bounds.ts";
import { canFollowGrowth, type Piece } from "../layers/layer-pool.ts";
import type { LayerStore } from "../layers/layer-store.ts";
import {
  agreedType,
  type ImageConfig,
  type Manifest,
  MEDIA,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from "../model/manifest.ts";
import { choosePlatform, formatPlatform, type Platform } from "../model/platform.ts";
import type { ContentStore, Descriptor } from "../store/content-store.ts";
import { Growth } from "../store/growing-file.ts";
import { RegistryClient, RegistryError, readAnswer } from "./client.ts";
import type { Credentials } from "./credentials.ts";
import { downloadBlob } from "./download.ts";
import { closeConnections, endpointsOf } from "./endpoint.ts";
import { readSettings } from "./settings.ts";

/** What happens to one layer; sizes in bytes. */
export interface PullProgress {
  /** Of the layer. */
  digest: string;
  status: "waiting" | "downloading" | "unpacking" | "exists" | "done";
  current?: number;
  total?: number;
}

export interface PullRequest {
  reference: Reference;
  platform: Platform;
  credentialsOf: (host: string) => Promise<Credentials | undefined>;
  onProgress?: (progress: PullProgress) => void;
  signal?: AbortSignal | undefined;
  /** What its layers may still unpack to together (bounds.ts). */
  budget?: SharedArrayBuffer | undefined;
}

export interface Pulled {
  manifest: Descriptor;
  /** Of what the name stands for in the registry: an index, or the manifest itself. */
  digest: string;
}

const SCHEMA_1 = [
  "application/vnd.docker.distribution.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
];
const ACCEPT = [MEDIA.index, MEDIA.manifest, MEDIA.dockerList, MEDIA.dockerManifest].join(", ");
const LAYERS_AT_ONCE = 4;
const MAX_CONFIG = 8 << 20;

export const sha256 = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Everything of an image that is not here yet, verified and unpacked. Throws BayError; what was loaded is kept to go on from. */
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

/** What an image's name stands for, its manifest for the platform, and its config. */
async function fetchHead(client: RegistryClient, content: ContentStore, request: PullRequest) {
  const { reference, platform, signal } = request;
  const { repository } = reference;
  const top = await fetchManifest(client, repository, reference.digest ?? reference.tag ?? "latest", signal);
  const whole = `${reference.registry}/${repository}`;
  let found = top;
  for (let depth = 0; MEDIA.isIndex(found.mediaType); depth++) {
    if (depth > 3) throw new BayError("BAD_MANIFEST", `${whole}: indexes lead to each other`);
    const chosen = choosePlatform(parseIndex(found.bytes).manifests, platform, whole);
    found = await fetchManifest(client, repository, chosen.digest, signal, chosen.mediaType);
  }
  const manifest = parseManifest(found.bytes);
  await fetchConfig(client, content, repository, manifest, signal);
  const config = parseImageConfig(content.read(manifest.config.digest));
  const offered = { os: config.os, architecture: config.architecture };
  if (offered.os !== platform.os || offered.architecture !== platform.architecture)
    throw new BayError(
      "NO_PLATFORM",
      `${whole} is for ${formatPlatform(offered)}, not ${formatPlatform(platform)}`,
    );
  if (config.rootfs.diff_ids.length !== manifest.layers.length)
    throw new BayError("BAD_MANIFEST", `${whole}: layers and diff_ids differ in number`);
  return { top, found, manifest, config };
}

interface FetchedManifest {
  bytes: Buffer;
  mediaType: string;
  digest: string;
}

async function fetchManifest(
  client: RegistryClient,
  repository: string,
  what: string,
  signal: AbortSignal | undefined,
  described?: string,
): Promise<FetchedManifest> {
  const scopes = [`repository:${repository}:pull`];
  const path = `/v2/${repository}/manifests/${what}`;
  const answer = await client.request(path, { headers: { accept: ACCEPT }, scopes, expect: [200], signal });
  const bytes = await readAnswer(answer.body);
  const digest = sha256(bytes);
  const promised = what.startsWith("sha256:")
    ? what
    : [answer.headers["docker-content-digest"] ?? []].flat()[0];
  if (promised?.startsWith("sha256:") && promised !== digest)
    throw new BayError("WRONG_DIGEST", `${client.endpoint.host} sent the manifest ${digest} for ${promised}`);
  const type = ([answer.headers["content-type"] ?? []].flat()[0] ?? "").split(";")[0]!.trim();
  const mediaType = agreedType(mediaTypeOf(bytes), [type, described]);
  if (SCHEMA_1.includes(mediaType) || SCHEMA_1.includes(type))
    throw new BayError("SCHEMA_1", `${repository}:${what} is an image of Docker's manifest schema 1`, {
      hint: "that format ended in 2017; push the image again with a current docker, podman or bay",
    });
  return { bytes, mediaType, digest };
}

/** What the manifest says of itself, which counts more than a header. */
function mediaTypeOf(bytes: Buffer): string | undefined {
  try {
    const { mediaType, schemaVersion, manifests } = JSON.parse(bytes.toString("utf8")) as Record<
      string,
      unknown
    >;
    if (schemaVersion === 1) return SCHEMA_1[0];
    if (typeof mediaType === "string") return mediaType;
    return Array.isArray(manifests) ? MEDIA.index : MEDIA.manifest;
  } catch {
    return undefined;
  }
}

async function fetchConfig(
  client: RegistryClient,
  content: ContentStore,
  repository: string,
  { config }: Manifest,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (content.has(config.digest)) return;
  if (config.size > MAX_CONFIG) throw new BayError("BAD_MANIFEST", `a config of ${config.size} bytes`);
  await content.fetch(config, (file) =>
    downloadBlob({ client, repository, descriptor: config, file, onProgress: () => {}, signal }),
  );
}

async function fetchLayer(
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

/** False where the download was broken off or began anew: the layer is unpacked afterwards then. */
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

/** Runs an action for each item, some at once; the first failure ends it, when those that run have ended. */
export async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  action: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let hasFailed = false;
  const lane = async () => {
    while (next < items.length && !hasFailed) {
      const index = next++;
      try {
        await action(items[index]!, index);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: atOnce }, lane));
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}
