/** Small artifacts in registries that are not images (OCI image specification, "Guidelines for Artifact Usage"). */
import { z } from "zod";
import { BayError } from "../../core/errors.ts";
import type { Reference } from "../../core/image-reference.ts";
import { LIMITS } from "../../core/limits.ts";
import { readAnswer } from "./answer.ts";
import { RegistryClient } from "./client.ts";
import type { Credentials } from "./credentials.ts";
import { closeConnections, endpointsOf } from "./endpoint.ts";
import { fetchManifest, sha256 } from "./fetch-manifest.ts";
import { readSettings } from "./settings.ts";

const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const EMPTY_TYPE = "application/vnd.oci.empty.v1+json";
const EMPTY = Buffer.from("{}");
const { artifactPart: MAX_BLOB, artifactParts: MAX_BLOBS } = LIMITS.remoteFiles;

const descriptor = z.object({
  mediaType: z.string().max(255),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  size: z.int().min(0),
  annotations: z.record(z.string().max(255), z.string().max(4096)).optional(),
});
const manifestSchema = z.object({
  artifactType: z.string().max(255).optional(),
  config: descriptor.optional(),
  layers: z.array(descriptor).min(1).max(MAX_BLOBS),
});

export interface ArtifactPart {
  mediaType: string;
  annotations: Record<string, string>;
  bytes: Buffer;
}

export interface Artifact {
  /** The artifact's type, or the type of its config. */
  types: string[];
  digest: string;
  parts: ArtifactPart[];
}

/** Fetches an artifact with all of its parts. Throws errors of the registry, BAD_MANIFEST, WRONG_DIGEST. */
export async function pullArtifact(
  reference: Reference,
  credentials: Credentials | undefined,
  signal?: AbortSignal,
): Promise<Artifact> {
  const { repository } = reference;
  const client = clientFor(reference, credentials);
  try {
    const what = reference.digest ?? reference.tag ?? "latest";
    const { bytes, digest } = await fetchManifest(client, repository, what, signal);
    const parsed = manifestSchema.safeParse(jsonOf(bytes));
    if (!parsed.success)
      throw new BayError("BAD_MANIFEST", `${reference.registry}/${repository}: this is not an artifact`, {
        hint: z.prettifyError(parsed.error),
      });
    const { artifactType, config, layers } = parsed.data;
    const large = layers.find(({ size }) => size > MAX_BLOB);
    if (large)
      throw new BayError(
        "BAD_MANIFEST",
        `${reference.registry}/${repository}: a part of the artifact has ${large.size} bytes; at most ${MAX_BLOB} are allowed`,
      );
    const parts: ArtifactPart[] = [];
    for (const { mediaType, digest: own, annotations = {} } of layers) {
      const answer = await client.request(`/v2/${repository}/blobs/${own}`, {
        scopes: [`repository:${repository}:pull`],
        expect: [200],
        signal,
      });
      const content = await readAnswer(answer.body, MAX_BLOB);
      if (sha256(content) !== own)
        throw new BayError("WRONG_DIGEST", `${client.endpoint.host} sent ${sha256(content)} for ${own}`);
      parts.push({ mediaType, annotations, bytes: content });
    }
    return { types: [artifactType ?? [], config?.mediaType ?? []].flat(), digest, parts };
  } finally {
    void closeConnections();
  }
}

/** Undefined if the text is not JSON. */
function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

/** Pushes an artifact, and returns its digest. Throws BAD_OPTION before that if pulling would refuse it, and errors of the registry. */
export async function pushArtifact(
  reference: Reference,
  { artifactType, configType = EMPTY_TYPE, parts, annotations }: ArtifactToPush,
  credentials: Credentials | undefined,
): Promise<string> {
  if (parts.length > MAX_BLOBS)
    throw new BayError(
      "BAD_OPTION",
      `the artifact has ${parts.length} parts; at most ${MAX_BLOBS} are allowed`,
    );
  const large = parts.find(({ bytes }) => bytes.length > MAX_BLOB);
  if (large)
    throw new BayError(
      "BAD_OPTION",
      `${Object.values(large.annotations)[0] ?? large.mediaType} has ${large.bytes.length} bytes; at most ${MAX_BLOB} are allowed for a part of an artifact`,
    );
  const { repository } = reference;
  const client = clientFor(reference, credentials);
  const scopes = [`repository:${repository}:pull,push`];
  const describe = ({ bytes, mediaType }: Pick<ArtifactPart, "bytes" | "mediaType">) => ({
    mediaType,
    digest: sha256(bytes),
    size: bytes.length,
  });
  const config = { mediaType: configType, bytes: EMPTY };
  try {
    for (const part of [config, ...parts]) await pushSmallBlob(client, repository, part.bytes, scopes);
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        artifactType,
        config: describe(config),
        layers: parts.map((part) => ({ ...describe(part), annotations: part.annotations })),
        annotations,
      }),
    );
    const answer = await client.request(`/v2/${repository}/manifests/${reference.tag ?? "latest"}`, {
      method: "PUT",
      headers: { "content-type": OCI_MANIFEST },
      body: () => manifest,
      scopes,
      expect: [200, 201, 202],
    });
    await answer.body.dump();
    return sha256(manifest);
  } finally {
    void closeConnections();
  }
}

export interface ArtifactToPush {
  /** Absent for a registry of OCI 1.0: the type of the config tells what it is. */
  artifactType?: string | undefined;
  configType?: string | undefined;
  parts: readonly ArtifactPart[];
  annotations: Record<string, string>;
}

const clientFor = ({ registry }: Reference, credentials: Credentials | undefined) =>
  new RegistryClient(endpointsOf(registry, readSettings()).find(({ isMirror }) => !isMirror)!, credentials);

/** A blob in one piece (distribution-spec, "POST then PUT"). */
async function pushSmallBlob(
  client: RegistryClient,
  repository: string,
  bytes: Buffer,
  scopes: readonly string[],
): Promise<void> {
  const begun = await client.request(`/v2/${repository}/blobs/uploads/`, {
    method: "POST",
    scopes,
    expect: [201, 202],
  });
  await begun.body.dump();
  const location = [begun.headers.location ?? []].flat()[0];
  if (!location) throw new BayError("REGISTRY_ANSWER", `${client.endpoint.host} gave no upload location`);
  const url = new URL(location, begun.url);
  url.searchParams.set("digest", sha256(bytes));
  const done = await client.request(url.href, {
    method: "PUT",
    headers: { "content-type": "application/octet-stream", "content-length": String(bytes.length) },
    body: () => bytes,
    scopes,
    expect: [200, 201, 202, 204],
  });
  await done.body.dump();
}
