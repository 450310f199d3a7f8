/**
 * Limits for the layers of an image: bytes of one layer and of one pull, files of one layer, and a reserve of free disk
 * space. 2 MB of gzip can expand to 2 GiB, and 512 bytes of a tar create a file. bayd sets the limits when it starts; workers
 * get them with their start.
 */
import { isMainThread, workerData } from "node:worker_threads";
import { BayError } from "../../core/errors.ts";
import { formatSize } from "../../core/sizes.ts";
import { requireRoom } from "../../store/index.ts";
import type { ReadBytes } from "../tar/read.ts";

export interface LayerBounds {
  /** The most bytes that one layer may unpack to, and the most files that it may contain. */
  layerBytes: number;
  layerFiles: number;
  /** The most bytes that the layers of one pull, load or build may unpack to together. */
  imageBytes: number;
  /** Where these limits are set, for messages. */
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

/** Sets the limits, before any worker is started. */
export function setLayerBounds(given: LayerBounds): void {
  bounds = given;
}

/** The bytes that the layers of one image may still use, shared between threads. */
export class Budget {
  readonly #left: BigInt64Array;

  constructor(readonly shared: SharedArrayBuffer = newBudget()) {
    this.#left = new BigInt64Array(shared);
  }

  /** Throws LAYER_TOO_LARGE if fewer bytes are left. */
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
/** Bytes between two checks of the free disk space. */
const LOOK_EVERY = 4 << 20;

/**
 * Returns a function that counts bytes written to the disk below `path`, which messages call `shown`; each call adds a
 * number. It throws LAYER_TOO_LARGE and DISK_FULL.
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

/** Passes on the data that is read, and counts its bytes. */
export function metered(read: ReadBytes, count: (bytes: number) => void): ReadBytes {
  return (length) => {
    const part = read(length);
    count(part.length);
    return part;
  };
}

/** Adds the name of the layer to an error about an exceeded limit; returns other errors unchanged. */
export function naming(what: string, error: unknown): unknown {
  if (!(error instanceof BayError) || error.code !== "LAYER_TOO_LARGE") return error;
  const hint = error.hint ? { hint: error.hint } : {};
  return new BayError(error.code, `${what}: ${error.message}`, { cause: error, ...hint });
}

/** Throws LAYER_TOO_LARGE if a layer has more files than allowed. */
export function checkFileCount(count: number): void {
  if (count <= bounds.layerFiles) return;
  throw new BayError(
    "LAYER_TOO_LARGE",
    `it has more than ${bounds.layerFiles} files, the limit for one layer`,
    { hint: hintOf("max-layer-files") },
  );
}
