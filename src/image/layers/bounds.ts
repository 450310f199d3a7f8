/**
 * What the layers of an image may take: bytes of one layer and of one pull, files of one layer, and never the last
 * part of the disk. 2 MB of gzip can say 2 GiB, and 512 bytes of a tar make a file. bayd sets the bounds when it
 * starts; workers are given them with their start.
 */
import { isMainThread, workerData } from "node:worker_threads";
import { BayError } from "../../core/errors.ts";
import { formatSize } from "../../core/sizes.ts";
import { requireRoom } from "../../store/index.ts";
import type { ReadBytes } from "../tar/read.ts";

export interface LayerBounds {
  /** Bytes that one layer may unpack to, and files that it may hold. */
  layerBytes: number;
  layerFiles: number;
  /** Bytes that the layers of one pull, load or build may unpack to together. */
  imageBytes: number;
  /** Where these are set, for messages. */
  settings: string;
}

let bounds: LayerBounds = {
  layerBytes: 20 * 2 ** 30,
  layerFiles: 2_000_000,
  imageBytes: 60 * 2 ** 30,
  settings: "daemon.json",
};

interface WithBounds {
  bounds?: LayerBounds;
}
if (!isMainThread) bounds = (workerData as WithBounds | null)?.bounds ?? bounds;

/** The bounds of this process. */
export const layerBounds = (): LayerBounds => bounds;

/** Sets the bounds, before any worker is started. */
export function setLayerBounds(given: LayerBounds): void {
  bounds = given;
}

/** What the layers of one image may still take, shared between threads. Bytes. */
export class Budget {
  readonly #left: BigInt64Array;

  constructor(readonly shared: SharedArrayBuffer = newBudget()) {
    this.#left = new BigInt64Array(shared);
  }

  /** Throws LAYER_TOO_LARGE where less than so many bytes are left. */
  take(bytes: number): void {
    if (Atomics.sub(this.#left, 0, BigInt(bytes)) >= BigInt(bytes)) return;
    throw new BayError(
      "LAYER_TOO_LARGE",
      `its layers unpack to more than ${formatSize(bounds.imageBytes)} together`,
      { hint: hintOf("max-image-size") },
    );
  }
}

function newBudget(): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(8);
  new BigInt64Array(shared)[0] = BigInt(bounds.imageBytes);
  return shared;
}

const hintOf = (key: string) => `"${key}" in ${bounds.settings} sets the limit`;
/** So often the disk is looked at. */
const LOOK_EVERY = 4 << 20;

/**
 * Counts bytes that go to the disk below `path`, which messages call `shown`. Each call says how many more. Throws
 * LAYER_TOO_LARGE and DISK_FULL.
 */
export function meter(
  path: string,
  shown: string,
  shared: SharedArrayBuffer | undefined,
): (bytes: number) => void {
  const budget = shared && new Budget(shared);
  let [total, looked] = [0, 0];
  requireRoom(path, 0, shown);
  return (bytes) => {
    total += bytes;
    if (total > bounds.layerBytes)
      throw new BayError(
        "LAYER_TOO_LARGE",
        `it unpacks to more than ${formatSize(bounds.layerBytes)}, the limit for one layer`,
        { hint: hintOf("max-layer-size") },
      );
    budget?.take(bytes);
    if (total - looked < LOOK_EVERY) return;
    looked = total;
    requireRoom(path, 0, shown);
  };
}

/** Passes on what is read, and counts it. */
export function metered(read: ReadBytes, count: (bytes: number) => void): ReadBytes {
  return (length) => {
    const part = read(length);
    count(part.length);
    return part;
  };
}

/** A bound that was passed, told with the name of what passed it; other errors as they are. */
export function naming(what: string, error: unknown): unknown {
  if (!(error instanceof BayError) || error.code !== "LAYER_TOO_LARGE") return error;
  const hint = error.hint ? { hint: error.hint } : {};
  return new BayError(error.code, `${what}: ${error.message}`, { cause: error, ...hint });
}

/** Throws LAYER_TOO_LARGE where a layer has more files than one may have. */
export function checkFileCount(count: number): void {
  if (count <= bounds.layerFiles) return;
  throw new BayError(
    "LAYER_TOO_LARGE",
    `it has more than ${bounds.layerFiles} files, the limit for one layer`,
    { hint: hintOf("max-layer-files") },
  );
}
