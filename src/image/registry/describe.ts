/** Describes an image of a registry without pulling it: its descriptor, and the platforms that it exists for. */
import { BayError } from "../../core/errors.ts";
import type { Reference } from "../../core/image-reference.ts";
import { MEDIA, parseImageConfig, parseIndex, parseManifest } from "../model/manifest.ts";
import type { Platform } from "../model/platform.ts";
import { readAnswer } from "./answer.ts";
import type { RegistryClient } from "./client.ts";
import { closeConnections } from "./endpoint.ts";
import { fetchManifest, MAX_CONFIG, sha256 } from "./fetch-manifest.ts";
import { atFirstEndpoint } from "./pull.ts";
import type { PullRequest } from "./pull-request.ts";

export interface ImageDescription {
  mediaType: string;
  digest: string;
  size: number;
  platforms: Platform[];
}

/** Throws REGISTRY_AUTH, REGISTRY_UNREACHABLE, NOT_IN_REGISTRY, BAD_MANIFEST, WRONG_DIGEST, SCHEMA_1. */
export async function describeImage(
  reference: Reference,
  credentialsOf: PullRequest["credentialsOf"],
  signal: AbortSignal,
): Promise<ImageDescription> {
  try {
    return await atFirstEndpoint({ reference, credentialsOf, signal }, async (client) => {
      const what = reference.digest ?? reference.tag ?? "latest";
      const { bytes, mediaType, digest } = await fetchManifest(client, reference.repository, what, signal);
      const platforms = MEDIA.isIndex(mediaType)
        ? parseIndex(bytes).manifests.flatMap(({ platform }) => (platform ? [platform] : []))
        : [await platformOf(client, reference.repository, bytes, signal)];
      return { mediaType, digest, size: bytes.length, platforms };
    });
  } finally {
    void closeConnections();
  }
}

/** The platform of a manifest is in its config. */
async function platformOf(
  client: RegistryClient,
  repository: string,
  manifest: Buffer,
  signal: AbortSignal,
): Promise<Platform> {
  const { config } = parseManifest(manifest);
  if (config.size > MAX_CONFIG)
    throw new BayError("BAD_MANIFEST", `the config is too large: ${config.size} bytes`);
  const scopes = [`repository:${repository}:pull`];
  const path = `/v2/${repository}/blobs/${config.digest}`;
  const bytes = await readAnswer((await client.request(path, { scopes, expect: [200], signal })).body);
  if (sha256(bytes) !== config.digest)
    throw new BayError("WRONG_DIGEST", `${client.endpoint.host} sent other content for ${config.digest}`);
  const { os, architecture, variant } = parseImageConfig(bytes);
  return { os, architecture, ...(variant ? { variant } : {}) };
}
