/**
 * Unpacked layers by diff ID: `layers/HEX16/`. Each layer is unpacked once and shared by all images; it appears
 * under its name only when it is whole.
 */
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BayError } from "../errors.ts";
import { runConfined } from "./confined.ts";

export class LayerStore {
  readonly directory: string;
  readonly #running = new Map<string, Promise<void>>();

  constructor(root: string) {
    this.directory = join(root, "layers");
    mkdirSync(this.directory, { recursive: true });
  }

  /** The short directory name of a layer; short, because overlayfs has a page for all of them. */
  static shortName(diffId: string): string {
    return diffId.replace("sha256:", "").slice(0, 16);
  }

  has(diffId: string): boolean {
    return existsSync(join(this.directory, LayerStore.shortName(diffId)));
  }

  /** Unpacks a blob, plain or gzip, and verifies its diff ID. Two calls for one layer unpack once. */
  unpack(blobPath: string, diffId: string): Promise<void> {
    if (this.has(diffId)) return Promise.resolve();
    const known = this.#running.get(diffId);
    if (known) return known;
    const task = this.#unpack(blobPath, diffId).finally(() => this.#running.delete(diffId));
    this.#running.set(diffId, task);
    return task;
  }

  async #unpack(blobPath: string, diffId: string): Promise<void> {
    const serial = randomBytes(6).toString("hex");
    const target = join(this.directory, `.new-${serial}`);
    const plain = join(this.directory, `.tar-${serial}`);
    mkdirSync(target, { mode: 0o755 });
    try {
      const actual = await plainTar(blobPath, plain);
      if (actual.diffId !== diffId) {
        throw new BayError(
          "WRONG_DIGEST",
          `the layer's content is ${actual.diffId}, the image says ${diffId}`,
        );
      }
      await runConfined({ kind: "unpack", tarFile: actual.file, directory: target });
      renameSync(target, join(this.directory, LayerStore.shortName(diffId)));
    } finally {
      rmSync(plain, { force: true });
      rmSync(target, { recursive: true, force: true });
    }
  }

  /**
   * A layer of bay's own that lies under every image: the directories and files over which a container has its
   * mounts. Without it each start would make them in the container's writable layer. Gives its short name.
   */
  mountPoints(): string {
    const name = "mount-points";
    const target = join(this.directory, name);
    if (existsSync(target)) return name;
    const fresh = join(this.directory, `.new-${randomBytes(6).toString("hex")}`);
    for (const directory of ["dev", "proc", "sys", "etc"])
      mkdirSync(join(fresh, directory), { recursive: true, mode: 0o755 });
    for (const file of ["hosts", "hostname", "resolv.conf"])
      writeFileSync(join(fresh, "etc", file), "", { mode: 0o644 });
    renameSync(fresh, target);
    return name;
  }

  remove(diffId: string): void {
    rmSync(join(this.directory, LayerStore.shortName(diffId)), { recursive: true, force: true });
  }

  /** Removes what a killed process left half done. Only at start, when nothing is running. */
  sweep(): void {
    for (const name of readdirSync(this.directory)) {
      if (name.startsWith(".")) rmSync(join(this.directory, name), { recursive: true, force: true });
    }
  }
}

const GZIP = 0x8b1f;
const ZSTD = 0xfd2fb528;

/** Gives an uncompressed tar file of the blob (itself, where it is plain) and the digest of its content. */
export async function plainTar(
  blobPath: string,
  temporary: string,
): Promise<{ file: string; diffId: string }> {
  const magic = Buffer.alloc(4);
  const fd = openSync(blobPath, "r");
  readSync(fd, magic, 0, 4, 0);
  closeSync(fd);
  const hash = createHash("sha256");
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const source = createReadStream(blobPath, { highWaterMark: 1 << 20 });
  if (magic.readUInt16LE() === GZIP) {
    const { createGunzip } = await import("node:zlib");
    await pipeline(source, createGunzip(), hashing, createWriteStream(temporary));
    return { file: temporary, diffId: `sha256:${hash.digest("hex")}` };
  }
  if (magic.readUInt32LE() === ZSTD) {
    throw new BayError("UNSUPPORTED_COMPRESSION", "zstd layers are not supported yet", {
      hint: "save the image with gzip",
    });
  }
  for await (const chunk of source) hash.update(chunk as Buffer);
  return { file: blobPath, diffId: `sha256:${hash.digest("hex")}` };
}
