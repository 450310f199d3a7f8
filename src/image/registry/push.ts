/** Pushes an image: blobs that the registry lacks, in pieces and several at once, then the manifest. */
import { createReadStream } from "node:fs";
import { BayError } from "../../core/errors.ts";
import type { Reference } from "../../core/image-reference.ts";
import { MEDIA, parseManifest } from "../model/manifest.ts";
import type { ContentStore, Descriptor } from "../store/content-store.ts";
import { eachOf } from "./at-once.ts";
import { RegistryClient } from "./client.ts";
import type { Credentials } from "./credentials.ts";
import { closeConnections, endpointsOf } from "./endpoint.ts";
import { readSettings } from "./settings.ts";

export interface PushProgress {
  digest: string;
  status: "Preparing" | "Pushing" | "Pushed" | "Layer already exists" | "Mounted";
  current?: number;
  total?: number;
}

export interface PushRequest {
  reference: Reference;
  manifest: Descriptor;
  /** Repositories of the same registry that may have the blobs. */
  siblings: readonly string[];
  credentials: Credentials | undefined;
  onProgress?: (progress: PushProgress) => void;
  signal?: AbortSignal | undefined;
}

const BLOBS_AT_ONCE = 4;
/** Small enough to be sent again after an interruption, large enough that the number of requests does not matter. */
const CHUNK = 64 << 20;
const MAX_DISAGREEMENTS = 5;
const READ_AHEAD = 256 << 10;

/** Pushes the image. Returns the manifest's digest and size. Throws errors of the registry. */
export async function pushImage(
  content: ContentStore,
  request: PushRequest,
): Promise<{ digest: string; size: number }> {
  const { reference, manifest, credentials, signal, onProgress = () => {} } = request;
  const { repository } = reference;
  const registry = endpointsOf(reference.registry, readSettings()).find(({ isMirror }) => !isMirror)!;
  const client = new RegistryClient(registry, credentials);
  const bytes = content.read(manifest.digest);
  const { config, layers } = parseManifest(bytes);
  // layers that may not be distributed stay at their URLs
  const own = layers.filter(({ mediaType }) => !MEDIA.isForeign(mediaType));
  const blobs = [...new Map([...own, config].map((blob) => [blob.digest, blob])).values()];
  try {
    await eachOf(blobs, BLOBS_AT_ONCE, (blob) => pushBlob(client, content, request, blob));
    await client.request(`/v2/${repository}/manifests/${reference.tag ?? manifest.digest}`, {
      method: "PUT",
      headers: { "content-type": manifest.mediaType },
      body: () => bytes,
      scopes: [pushScope(repository)],
      expect: [200, 201, 202],
      signal,
    });
    onProgress({ digest: manifest.digest, status: "Pushed" });
    return { digest: manifest.digest, size: bytes.length };
  } finally {
    void closeConnections();
  }
}

const pushScope = (repository: string) => `repository:${repository}:pull,push`;

async function pushBlob(
  client: RegistryClient,
  content: ContentStore,
  { reference: { repository }, siblings, onProgress = () => {}, signal }: PushRequest,
  { digest }: Descriptor,
): Promise<void> {
  const scopes = [pushScope(repository)];
  const known = await client.request(`/v2/${repository}/blobs/${digest}`, {
    method: "HEAD",
    scopes,
    expect: [200, 404],
    signal,
  });
  await known.body.dump();
  if (known.status === 200) return onProgress({ digest, status: "Layer already exists" });
  onProgress({ digest, status: "Preparing" });
  const [sibling] = siblings;
  const mount = sibling ? `?mount=${digest}&from=${encodeURIComponent(sibling)}` : "";
  const begun = await client.request(`/v2/${repository}/blobs/uploads/${mount}`, {
    method: "POST",
    scopes: sibling ? [...scopes, `repository:${sibling}:pull`] : scopes,
    expect: [201, 202],
    signal,
  });
  await begun.body.dump();
  if (begun.status === 201) return onProgress({ digest, status: "Mounted" });
  let location = uploadLocation(begun.headers.location, begun.url);
  const { file, size } = content.piece(digest);
  let disagreements = 0;
  for (let at = 0; at < size; ) {
    const start = at;
    const next = Math.min(at + CHUNK, size);
    const answer = await client.request(location, {
      method: "PATCH",
      headers: {
        "content-type": "application/octet-stream",
        "content-length": String(next - at),
        "content-range": `${at}-${next - 1}`,
      },
      body: () => createReadStream(file, { start, end: next - 1, highWaterMark: READ_AHEAD }),
      scopes,
      expect: [201, 202, 204, 416],
      signal,
    });
    await answer.body.dump();
    if (answer.headers.location) location = uploadLocation(answer.headers.location, answer.url);
    // 416: it has a different part than expected, and reports which one
    if (answer.status === 416) {
      if (++disagreements > MAX_DISAGREEMENTS)
        throw new BayError("REGISTRY_ANSWER", `${client.endpoint.host} rejected ${digest} during the upload`);
      at = await received(client, location, scopes);
    } else at = next;
    onProgress({ digest, status: "Pushing", current: at, total: size });
  }
  const end = new URL(location);
  end.searchParams.set("digest", digest);
  const done = await client.request(end.href, {
    method: "PUT",
    scopes,
    expect: [200, 201, 202, 204],
    signal,
  });
  await done.body.dump();
  onProgress({ digest, status: "Pushed" });
}

/** Returns how many bytes of an upload the registry has. */
async function received(
  client: RegistryClient,
  location: string,
  scopes: readonly string[],
): Promise<number> {
  const answer = await client.request(location, { scopes, expect: [204] });
  const last = /^(?:bytes=)?0-(\d+)$/.exec([answer.headers.range ?? []].flat()[0] ?? "")?.[1];
  return last === undefined ? 0 : Number(last) + 1;
}

function uploadLocation(header: string | string[] | undefined, url: URL): string {
  const text = [header ?? []].flat()[0];
  if (!text) throw new BayError("REGISTRY_ANSWER", `${url.host} gave no upload location`);
  return new URL(text, url).href;
}
