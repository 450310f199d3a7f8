/** Fetching one blob: verified while it streams, bounded by its descriptor, and taken up again where it was cut. */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { BayError, hasCode, messageOf } from "../../errors.ts";
import type { Descriptor } from "../content-store.ts";
import { type RegistryClient, RegistryError, type RegistryResponse } from "./client.ts";

export interface Download {
  client: RegistryClient;
  repository: string;
  descriptor: Descriptor;
  /** Where it grows; what is there already is kept, once it proved to be its beginning. */
  file: string;
  onProgress: (bytes: number) => void;
  /** Called when what came before does not count any more. */
  onRestart?: () => void;
  signal?: AbortSignal | undefined;
}

/** So many cuts without a byte between them are too many. */
const FRUITLESS_TRIES = 4;
const PAUSE = 300;

/**
 * Resolves when the file is complete, right and on the disk. Throws WRONG_DIGEST and BLOB_TOO_LARGE (the file is gone
 * then), REGISTRY_UNREACHABLE and ABORTED (the file stays, to go on from), and what the system says.
 */
export async function downloadBlob(download: Download): Promise<void> {
  const { descriptor, file, signal } = download;
  const handle = await open(file, "a+", 0o644);
  try {
    let { size } = await handle.stat();
    let hash = await hashOf(file, size);
    if (size > 0) download.onProgress(size);
    for (let fruitless = 0; size < descriptor.size || descriptor.size === 0; ) {
      const before = size;
      try {
        const response = await ask(download, size);
        if (response.status !== 206 && size > 0) {
          // it does not know ranges: all anew
          download.onRestart?.();
          await handle.truncate(0);
          [size, hash] = [0, createHash("sha256")];
        }
        size = await take(download, handle, hash, size, response);
        if (size === descriptor.size) break;
        throw new Error("it ends too early");
      } catch (cause) {
        if (signal?.aborted) throw new BayError("ABORTED", "the pull was broken off", { cause });
        if (cause instanceof BayError || hasCode(cause, "ENOSPC", "EDQUOT", "EIO")) throw cause;
        ({ size } = await handle.stat());
        hash = await hashOf(file, size);
        fruitless = size > before ? 0 : fruitless + 1;
        if (fruitless >= FRUITLESS_TRIES) throw cut(download, size, cause);
        await sleep(PAUSE * 2 ** fruitless, undefined, { signal }).catch(() => {});
      }
    }
    const actual = `sha256:${hash.digest("hex")}`;
    if (actual !== descriptor.digest) {
      const { host } = download.client.endpoint;
      throw new BayError("WRONG_DIGEST", `${host} sent ${actual} for ${descriptor.digest}`);
    }
    await handle.sync();
  } catch (error) {
    if (hasCode(error, "WRONG_DIGEST", "BLOB_TOO_LARGE")) await rm(file, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

async function hashOf(file: string, size: number): Promise<Hash> {
  const hash = createHash("sha256");
  if (size > 0)
    for await (const part of createReadStream(file, { highWaterMark: 1 << 20, end: size - 1 }))
      hash.update(part as Buffer);
  return hash;
}

async function ask(download: Download, from: number): Promise<RegistryResponse> {
  const { client, repository, descriptor, signal } = download;
  const scopes = [`repository:${repository}:pull`];
  const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
  const path = `/v2/${repository}/blobs/${descriptor.digest}`;
  const response = await client.request(path, { headers, scopes, expect: [200, 206, 416], signal });
  const range = /^bytes (\d+)-/.exec([response.headers["content-range"] ?? []].flat()[0] ?? "")?.[1];
  if (response.status !== 416 && (response.status === 200 || Number(range) === from)) return response;
  // a range that it refuses, or another than was asked for
  await response.body.dump();
  return client.request(path, { scopes, expect: [200], signal });
}

async function take(
  { client, descriptor, onProgress }: Download,
  handle: FileHandle,
  hash: Hash,
  from: number,
  { body }: RegistryResponse,
): Promise<number> {
  let size = from;
  for await (const chunk of body) {
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size > descriptor.size) {
      body.destroy();
      throw new BayError(
        "BLOB_TOO_LARGE",
        `${client.endpoint.host} sends more than the ${descriptor.size} bytes of ${descriptor.digest}`,
      );
    }
    hash.update(bytes);
    await handle.write(bytes);
    onProgress(size);
  }
  return size;
}

function cut({ client, descriptor }: Download, size: number, cause: unknown): RegistryError {
  const { code } = cause as { code?: string };
  const why = code === "UND_ERR_BODY_TIMEOUT" ? "it sends nothing any more" : messageOf(cause);
  return new RegistryError(
    "REGISTRY_UNREACHABLE",
    `${client.endpoint.host} breaks off ${descriptor.digest} at ${size} of ${descriptor.size} bytes: ${why}`,
    0,
    { cause, hint: "run the command again, and it goes on from there" },
  );
}
