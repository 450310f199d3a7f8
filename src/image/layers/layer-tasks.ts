/** The tasks of a worker for layers: copies, hashes, decompresses, and unpacks from inside the layer's own directory. */
import { createHash } from "node:crypto";
import { closeSync, fsyncSync, lstatSync, openSync, readdirSync, readSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { BayError } from "../../core/errors.ts";
import { within } from "../../linux/index.ts";
import { compressionAt, type Decompressor, decompress, loadCompression } from "../compression/index.ts";
import { Growth } from "../store/growing-file.ts";
import { bytesOf } from "../tar/header.ts";
import { inParts, type ReadBytes } from "../tar/read.ts";
import { meter, metered } from "./bounds.ts";
import type { LayerTask, ListedChange, Piece } from "./layer-pool.ts";
import { layerChanges, packHere } from "./pack-layer.ts";
import { unpackHere } from "./unpack.ts";
import type { WorkerAnswer } from "./worker-pool.ts";

const CHUNK = 1 << 20;
/** Small enough that data which only passes through stays in the processor's cache. */
const COPY_CHUNK = 1 << 18;
const MAGIC_LENGTH = 4;

/** A source of a piece's bytes. */
function fromPiece(fd: number, { offset, size, growth: shared }: Piece): ReadBytes {
  const growth = shared && new Growth(shared);
  const chunk = Buffer.allocUnsafeSlow(CHUNK);
  let at = offset;
  return inParts(() => {
    const end = growth ? growth.waitBeyond(at) : offset + size;
    const wanted = Math.min(CHUNK, end - at);
    const count = wanted === 0 ? 0 : readSync(fd, chunk, 0, wanted, at);
    if (count === 0 && wanted > 0)
      throw new BayError("BAD_LAYER", "the file was truncated while it was read");
    at += count;
    return chunk.subarray(0, count);
  });
}

/** Passes on the data that is read, and hashes it. */
function hashing(read: ReadBytes): { read: ReadBytes; digest: () => string } {
  const hash = createHash("sha256");
  return {
    read: (length) => {
      const part = read(length);
      hash.update(part);
      return part;
    },
    digest: () => `sha256:${hash.digest("hex")}`,
  };
}

function plainContent(fd: number, piece: Piece): Decompressor & { isPlain: boolean } {
  if (piece.growth) new Growth(piece.growth).waitBeyond(MAGIC_LENGTH);
  const kind = compressionAt(piece.file, piece.offset);
  loadCompression(kind);
  return { ...decompress(kind, fromPiece(fd, piece), piece.size), isPlain: kind === "none" };
}

function writeTo(target: string, read: ReadBytes): void {
  const out = openSync(target, "wx", 0o644);
  try {
    for (let part = read(CHUNK); part.length > 0; part = read(CHUNK))
      for (let at = 0; at < part.length; ) at += writeSync(out, part, at);
    fsyncSync(out);
  } finally {
    closeSync(out);
  }
}

function list(directory: string): string {
  const changes: ListedChange[] = within(directory, () =>
    [...layerChanges("/")].map(({ path, isWhiteout, stat }) => ({
      path: `/${bytesOf(path).toString("utf8")}`,
      isWhiteout,
      isDirectory: stat.isDirectory(),
    })),
  );
  return JSON.stringify(changes);
}

const BLOCK = 512;

/** Counts like du(1). Files that appear or disappear meanwhile are ignored. */
function measure(directory: string): number {
  const seen = new Set<number>();
  const sizeOf = (path: Buffer): number => {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat || (stat.nlink > 1 && !stat.isDirectory() && seen.has(stat.ino))) return 0;
    if (stat.nlink > 1) seen.add(stat.ino);
    let sum = stat.blocks * BLOCK;
    if (stat.isDirectory())
      for (const name of namesIn(path)) sum += sizeOf(Buffer.concat([path, SLASH, name]));
    return sum;
  };
  return within(directory, () => sizeOf(Buffer.from("/.")));
}
const SLASH = Buffer.from("/");

function namesIn(path: Buffer): Buffer[] {
  try {
    return readdirSync(path, { encoding: "buffer" });
  } catch {
    return [];
  }
}

/** The target is opened before the thread confines itself; the directory's paths resolve inside it. */
function pack({ directory, target, newest }: Extract<LayerTask, { kind: "pack" }>): string {
  const hash = createHash("sha256");
  const out = openSync(target, "wx", 0o644);
  try {
    within(directory, () => {
      // the directory is on the same disk, and is the thread's root now
      const count = meter("/", dirname(target), undefined);
      packHere((bytes) => {
        count(bytes.length);
        hash.update(bytes);
        for (let at = 0; at < bytes.length; ) at += writeSync(out, bytes, at);
      }, newest);
    });
    fsyncSync(out);
  } finally {
    closeSync(out);
  }
  return `sha256:${hash.digest("hex")}`;
}

/** The free disk space is checked from inside the directory, which is the thread's root then. */
function unpackBounded({ directory, piece }: Extract<LayerTask, { kind: "unpack" }>, read: ReadBytes): void {
  within(directory, () => unpackHere(metered(read, meter("/", dirname(directory), piece.budget))));
}

/** Descriptors belong to the whole process, and so to this thread, too. */
function append(from: number, { piece, fd, at }: Extract<LayerTask, { kind: "append" }>): string {
  const chunk = Buffer.allocUnsafeSlow(COPY_CHUNK);
  for (let done = 0; done < piece.size; ) {
    const count = readSync(from, chunk, 0, Math.min(COPY_CHUNK, piece.size - done), piece.offset + done);
    if (count === 0) throw new BayError("BAD_LAYER", "the file was truncated while it was read");
    for (let written = 0; written < count; )
      written += writeSync(fd, chunk, written, count - written, at + done + written);
    done += count;
  }
  return "";
}

function run(fd: number, task: Extract<LayerTask, { piece: Piece }>): string {
  const { piece } = task;
  if (task.kind === "append") return append(fd, task);
  const isRaw = task.kind === "copy" || task.kind === "hash";
  const content = isRaw
    ? { read: fromPiece(fd, piece), isPlain: true, close: () => {} }
    : plainContent(fd, piece);
  try {
    if (task.kind === "hash") {
      const hashed = hashing(content.read);
      while (hashed.read(CHUNK).length > 0);
      return hashed.digest();
    }
    if (task.kind === "unpack" && content.isPlain && task.digest !== undefined) {
      unpackBounded(task, content.read);
      return task.digest;
    }
    const hashed = hashing(content.read);
    if (task.kind === "unpack") unpackBounded(task, hashed.read);
    else {
      const folder = dirname(task.target);
      writeTo(task.target, metered(hashed.read, meter(folder, folder, undefined)));
    }
    return hashed.digest();
  } finally {
    content.close();
  }
}

/** Runs a task to its end on this thread; an error is a part of the answer. */
export function runTask(task: LayerTask): WorkerAnswer {
  let fd = -1;
  try {
    if (task.kind === "pack") return { ok: true, result: pack(task) };
    if (task.kind === "list") return { ok: true, result: list(task.directory) };
    if (task.kind === "measure") return { ok: true, result: String(measure(task.directory)) };
    fd = openSync(task.piece.file, "r");
    return { ok: true, result: run(fd, task) };
  } catch (error) {
    const { code, message, hint } = error as { code?: string; message: string; hint?: string };
    return { ok: false, code: code ?? "CONFINED_TASK", message, hint };
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}
