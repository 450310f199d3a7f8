/**
 * Blobs by digest, in the layout of the OCI image specification (image-layout.md): `blobs/sha256/HEX`. A blob gets its name
 * only when it is complete: it is written beside, synced and renamed.
 */
import { createHash, type Hash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, join } from "node:path";
import { BayError, hasCode } from "../../core/errors.ts";
import { naming } from "../layers/bounds.ts";
import { type Piece, runLayerTask } from "../layers/layer-pool.ts";

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string> | undefined;
  urls?: string[] | undefined;
  platform?: { architecture: string; os: string; variant?: string | undefined } | undefined;
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

  /** Moves the blob to its path and returns its descriptor. */
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
  readonly #fetching = new Map<string, Promise<void>>();

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

  /**
   * Copies a piece of a file to the store, in a worker. Throws WRONG_DIGEST if the digest is not `expected`, and system
   * errors (ENOSPC); nothing is left then.
   */
  async adopt(piece: Piece, mediaType: string, expected?: string): Promise<Descriptor> {
    if (expected && this.has(expected))
      return { mediaType, digest: expected, size: this.piece(expected).size };
    return this.#take("copy", piece, mediaType, expected);
  }

  /** Like `adopt`, but decompresses compressed data. */
  adoptPlain(piece: Piece, mediaType: string): Promise<Descriptor> {
    return this.#take("decompress", piece, mediaType);
  }

  async #take(
    kind: "copy" | "decompress",
    piece: Piece,
    mediaType: string,
    expected?: string,
  ): Promise<Descriptor> {
    const target = this.temporary();
    try {
      const digest = await runLayerTask({ kind, piece, target });
      if (expected && digest !== expected)
        throw new BayError("WRONG_DIGEST", `the digest of the content is ${digest}, expected ${expected}`);
      return this.place(target, mediaType, digest);
    } catch (error) {
      rmSync(target, { force: true });
      throw naming("the layer", error);
    }
  }

  /**
   * Fetches a blob into a temporary file, which is kept after a failure, to be resumed. Two calls for the same digest fetch
   * it once.
   */
  fetch(descriptor: Descriptor, load: (file: string) => Promise<void>): Promise<void> {
    const { digest, mediaType } = descriptor;
    if (this.has(digest)) return Promise.resolve();
    const known = this.#fetching.get(digest);
    // a caller that waited for an interrupted fetch continues it
    if (known) return known.catch(() => this.fetch(descriptor, load));
    const file = this.partFile(digest);
    const task = load(file)
      .catch((error) => {
        // on a full disk it would only occupy space that others need
        if (hasCode(error, "ENOSPC", "EDQUOT", "DISK_FULL")) rmSync(file, { force: true });
        throw error;
      })
      .then(() => void this.place(file, mediaType, digest))
      .finally(() => this.#fetching.delete(digest));
    this.#fetching.set(digest, task);
    return task;
  }

  /** The file of a blob that is being fetched. */
  partFile(digest: string): string {
    return join(this.#directory, `.part-${digest.replace(":", "-")}`);
  }

  /** Every complete blob. */
  list(): { digest: string; file: string; size: number }[] {
    return readdirSync(this.#directory)
      .filter((name) => /^[0-9a-f]{64}$/.test(name))
      .map((name) => {
        const file = join(this.#directory, name);
        return { digest: `sha256:${name}`, file, size: statSync(file).size };
      });
  }

  /** Files of incomplete blobs that are not being fetched now, and may be resumed. */
  unfinished(): string[] {
    const fetching = new Set([...this.#fetching.keys()].map((digest) => basename(this.partFile(digest))));
    return readdirSync(this.#directory)
      .filter((name) => name.startsWith(".part-") && !fetching.has(name))
      .map((name) => join(this.#directory, name));
  }

  /** Renames a damaged blob, so that its digest is not found any more. */
  putAside(digest: string): void {
    const file = this.path(digest);
    renameSync(file, join(this.#directory, `.damaged-${digest.slice(7)}`));
  }

  /** Files of damaged blobs. */
  aside(): string[] {
    return readdirSync(this.#directory)
      .filter((name) => name.startsWith(".damaged-"))
      .map((name) => join(this.#directory, name));
  }

  /** Removes incomplete files of a killed process. Only at start, when nothing is running. */
  removeTemporary(): void {
    for (const name of readdirSync(this.#directory))
      if (name.startsWith(".new-")) rmSync(join(this.#directory, name), { force: true });
  }

  /** The actual digest of a blob's content. */
  digestOf(digest: string): Promise<string> {
    return runLayerTask({ kind: "hash", piece: this.piece(digest) });
  }

  /**
   * Packs a writable layer, uncompressed, into a blob; no time is later than `newest` (seconds since 1970). Throws
   * FILE_CHANGED, and system errors.
   */
  async pack(directory: string, mediaType: string, newest?: number): Promise<Descriptor> {
    const target = this.temporary();
    try {
      return this.place(target, mediaType, await runLayerTask({ kind: "pack", directory, target, newest }));
    } catch (error) {
      rmSync(target, { force: true });
      throw naming("the writable layer", error);
    }
  }

  /** A path for a blob that is being written. */
  temporary(): string {
    return join(this.#directory, `.new-${process.pid}-${serial++}`);
  }

  /** Moves a complete and verified file to the path of its digest. */
  place(file: string, mediaType: string, digest: string): Descriptor {
    renameSync(file, this.path(digest));
    return { mediaType, digest, size: this.piece(digest).size };
  }

  /** A blob as a piece that workers read. Throws MISSING_BLOB. */
  piece(digest: string): Piece {
    const file = this.path(digest);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (!stat) throw new BayError("MISSING_BLOB", `blob ${digest} is not in the store`);
    return { file, offset: 0, size: stat.size };
  }

  /** A small blob's bytes. Throws MISSING_BLOB, or BLOB_TOO_LARGE beyond 8 MiB. */
  read(digest: string): Buffer {
    const path = this.path(digest);
    if (!existsSync(path)) throw new BayError("MISSING_BLOB", `blob ${digest} is not in the store`);
    if (statSync(path).size > 8 << 20)
      throw new BayError("BLOB_TOO_LARGE", `blob ${digest} is neither a manifest nor a config`);
    return readFileSync(path);
  }

  remove(digest: string): void {
    rmSync(this.path(digest), { force: true });
  }
}
