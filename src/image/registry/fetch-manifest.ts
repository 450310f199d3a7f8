/** Fetches the manifest and the config of an image from a registry (distribution-spec, "Pulling manifests"). */

import { createHash } from "node:crypto";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import {
  agreedType,
  type Manifest,
  MEDIA,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from "../model/manifest.ts";
import { choosePlatform, formatPlatform } from "../model/platform.ts";
import type { ContentStore } from "../store/content-store.ts";
import { readAnswer } from "./answer.ts";
import type { RegistryClient } from "./client.ts";
import { downloadBlob } from "./download.ts";
import type { PullRequest } from "./pull-request.ts";

const SCHEMA_1 = [
  "application/vnd.docker.distribution.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
];
const ACCEPT = [MEDIA.index, MEDIA.manifest, MEDIA.dockerList, MEDIA.dockerManifest].join(", ");
/** The most bytes of an image config. */
export const MAX_CONFIG = LIMITS.image.config;

export const sha256 = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Resolves an image's name, and fetches its manifest for the platform and its config. */
export async function fetchHead(client: RegistryClient, content: ContentStore, request: PullRequest) {
  const { reference, platform, signal } = request;
  const { repository } = reference;
  const top = await fetchManifest(client, repository, reference.digest ?? reference.tag ?? "latest", signal);
  const whole = `${reference.registry}/${repository}`;
  let found = top;
  for (let depth = 0; MEDIA.isIndex(found.mediaType); depth++) {
    if (depth > 3) throw new BayError("BAD_MANIFEST", `${whole}: circular image index`);
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
    throw new BayError("BAD_MANIFEST", `${whole}: different numbers of layers and diff_ids`);
  return { top, found, manifest, config };
}

interface FetchedManifest {
  bytes: Buffer;
  mediaType: string;
  digest: string;
}

export async function fetchManifest(
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
      hint: "this format was replaced in 2017; push the image again with a current docker, podman or bay",
    });
  return { bytes, mediaType, digest };
}

/** The media type in the manifest, which takes precedence over a header. */
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
  if (config.size > MAX_CONFIG)
    throw new BayError("BAD_MANIFEST", `the config is too large: ${config.size} bytes`);
  await content.fetch(config, (file) =>
    downloadBlob({ client, repository, descriptor: config, file, onProgress: () => {}, signal }),
  );
}
