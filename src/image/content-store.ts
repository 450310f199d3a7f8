/**
 * Blobs by digest, in the layout of the OCI image specification (image-layout.md): `blobs/sha256/HEX`. A blob
 * appears under its digest only when it is complete: it is written beside, synced and renamed.
 */
import { createHash, type Hash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { BayError } from "../errors.ts";

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string>;
  platform?: { architecture: string; os: string; variant?: string };
}

const DIGEST = /^sha256:([0-9a-f]{64})$/;
let serial = 0;

/** A blob being written: bytes go to a temporary file and through the hash. */
export class BlobWriter {
  readonly #hash: Hash = createHash("sha256");
  readonly #temporary: string;
  readonly #fd: number;
  #size = 0;

  constructor(readonly directory: string) {
    this.#temporary = join(directory, `.new-${process.pid}-${serial++}`);
    this.#fd = openSync(this.#temporary, "w", 0o644);
  }

  write(bytes: Buffer): void {
    this.#hash.update(bytes);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at, bytes.length - at);
    this.#size += bytes.length;
  }

  /** Puts the blob in its place and gives its descriptor. */
  commit(mediaType: string): Descriptor {
    const hex = this.#hash.digest("hex");
    fsyncSync(this.#fd);
    closeSync(this.#fd);
    renameSync(this.#temporary, join(this.directory, hex));
    return { mediaType, digest: `sha256:${hex}`, size: this.#size };
  }

  abort(): void {
    closeSync(this.#fd);
    rmSync(this.#temporary, { force: true });
  }
}

export class ContentStore {
  readonly #directory: string;

  constructor(root: string) {
    this.#directory = join(root, "blobs", "sha256");
    mkdirSync(this.#directory, { recursive: true });
  }

  path(digest: string): string {
    const hex = DIGEST.exec(digest)?.[1];
    if (!hex) throw new BayError("BAD_DIGEST", `${JSON.stringify(digest)} is not a sha256 digest`);
    return join(this.#directory, hex);
  }

  has(digest: string): boolean {
    return existsSync(this.path(digest));
  }

  writer(): BlobWriter {
    return new BlobWriter(this.#directory);
  }

  put(bytes: Buffer | string, mediaType: string): Descriptor {
    const writer = this.writer();
    try {
      writer.write(Buffer.from(bytes as string));
      return writer.commit(mediaType);
    } catch (error) {
      writer.abort();
      throw error;
    }
  }

  /** A small blob's bytes. Throws MISSING_BLOB, or BLOB_TOO_LARGE beyond 8 MiB. */
  read(digest: string): Buffer {
    const path = this.path(digest);
    if (!existsSync(path)) throw new BayError("MISSING_BLOB", `blob ${digest} is not in the store`);
    if (statSync(path).size > 8 << 20)
      throw new BayError("BLOB_TOO_LARGE", `blob ${digest} is no manifest or config`);
    return readFileSync(path);
  }

  remove(digest: string): void {
    rmSync(this.path(digest), { force: true });
  }
}
