/**
 * Downloads one blob: verified while it is received, limited to the size in its descriptor, and resumed after an
 * interruption.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { BayError, hasCode, messageOf } from "../../core/errors.ts";
import type { Descriptor } from "../store/content-store.ts";
import type { RegistryClient, RegistryResponse } from "./client.ts";
import { RegistryError } from "./registry-error.ts";

export interface Download {
  client: RegistryClient;
  repository: string;
  descriptor: Descriptor;
  /** The URL of a blob that is not in the registry. */
  url?: string | undefined;
  /** The growing file. Existing content is kept only if the download verifies it. */
  file: string;
  onProgress: (bytes: number) => void;
  /** Called when the data received so far is discarded. */
  onRestart?: () => void;
  signal?: AbortSignal | undefined;
}

/** Give up after so many interruptions without receiving a byte. */
const FRUITLESS_TRIES = 4;
const PAUSE = 300;
const BATCH = 1 << 20;
const SYNC_EVERY = 32 << 20;

/**
 * Resolves when the file is complete, verified and on the disk. Throws WRONG_DIGEST and BLOB_TOO_LARGE (the file is removed
 * then), REGISTRY_UNREACHABLE and ABORTED (the file is kept, to resume from), and system errors.
 */
export async function downloadBlob(download: Download): Promise<void> {
  const { descriptor, file, signal } = download;
  const handle = await open(file, "a+", 0o644);
  try {
    let { size } = await handle.stat();
    let hash = await hashOf(file, size);
    const begunWith = size;
    if (size > 0) download.onProgress(size);
    for (let fruitless = 0; size < descriptor.size || descriptor.size === 0; ) {
      const before = size;
      try {
        const response = await ask(download, size);
        if (response.status !== 206 && size > 0) {
          // the server does not support ranges: start again
          download.onRestart?.();
          await handle.truncate(0);
          [size, hash] = [0, createHash("sha256")];
        }
        size = await take(download, handle, hash, size, response);
        if (size === descriptor.size) break;
        throw new Error("the transfer ended too early");
      } catch (cause) {
        if (signal?.aborted) throw new BayError("ABORTED", "the pull was interrupted", { cause });
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
      if (begunWith > 0) {
        // its beginning is from an earlier download, and may be the wrong part
        download.onRestart?.();
        await handle.truncate(0);
        return await downloadBlob(download);
      }
      const { host } = download.client.endpoint;
      throw new BayError("WRONG_DIGEST", `${host} sent ${actual} for ${descriptor.digest}`);
    }
    await handle.sync();
    if ((await handle.stat()).size !== descriptor.size)
      throw new BayError("WRONG_SIZE", `${descriptor.digest} was not written completely`);
  } catch (error) {
    if (hasCode(error, "WRONG_DIGEST", "WRONG_SIZE", "BLOB_TOO_LARGE")) await rm(file, { force: true });
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
  const { client, repository, descriptor, url, signal } = download;
  const scopes = [`repository:${repository}:pull`];
  const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
  const path = url ?? `/v2/${repository}/blobs/${descriptor.digest}`;
  const response = await client.request(path, { headers, scopes, expect: [200, 206, 416], signal });
  const range = /^bytes (\d+)-/.exec([response.headers["content-range"] ?? []].flat()[0] ?? "")?.[1];
  if (response.status !== 416 && (response.status === 200 || Number(range) === from)) return response;
  // the server refused the range, or returned a different one
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
  const file = new BatchedFile(handle, from, onProgress);
  let size = from;
  try {
    for await (const chunk of body) {
      const bytes = chunk as Buffer;
      size += bytes.length;
      if (size > descriptor.size) {
        body.destroy();
        throw new BayError(
          "BLOB_TOO_LARGE",
          `${client.endpoint.host} sent more than the ${descriptor.size} bytes of ${descriptor.digest}`,
        );
      }
      hash.update(bytes);
      await file.add(bytes);
    }
  } finally {
    // the data received before an interruption is available to the next attempt
    await file.flush();
  }
  return size;
}

/** Writes data in larger pieces, one while the next is collected, and lets the disk start writing early. */
class BatchedFile {
  #parts: Buffer[] = [];
  #collected = 0;
  #unsynced = 0;
  #writing: Promise<void> = Promise.resolve();
  #syncing: Promise<void> | undefined;

  constructor(
    readonly handle: FileHandle,
    public size: number,
    readonly onProgress: (bytes: number) => void,
  ) {}

  async add(bytes: Buffer): Promise<void> {
    this.#parts.push(bytes);
    this.#collected += bytes.length;
    if (this.#collected < BATCH) return;
    await this.#writing;
    this.#begin();
  }

  #begin(): void {
    const parts = this.#parts;
    const length = this.#collected;
    this.#parts = [];
    this.#collected = 0;
    this.#writing = this.handle.writev(parts).then(({ bytesWritten }) => {
      if (bytesWritten !== length) throw new BayError("ENOSPC", "the disk is full");
      this.size += length;
      this.#unsynced += length;
      this.onProgress(this.size);
      if (this.#unsynced < SYNC_EVERY || this.#syncing) return;
      this.#unsynced = 0;
      this.#syncing = this.handle
        .datasync()
        .catch(() => {}) // the last one's error is reported
        .finally(() => {
          this.#syncing = undefined;
        });
    });
    this.#writing.catch(() => {}); // the next caller that waits gets the error
  }

  async flush(): Promise<void> {
    await this.#writing;
    if (this.#collected > 0) this.#begin();
    await this.#writing;
    await this.#syncing;
  }
}

function cut({ client, descriptor }: Download, size: number, cause: unknown): RegistryError {
  const { code } = cause as { code?: string };
  const why = code === "UND_ERR_BODY_TIMEOUT" ? "the registry stopped sending data" : messageOf(cause);
  return new RegistryError(
    "REGISTRY_UNREACHABLE",
    `${client.endpoint.host} interrupted ${descriptor.digest} after ${size} of ${descriptor.size} bytes: ${why}`,
    0,
    { cause, hint: "run the command again to resume the download" },
  );
}
