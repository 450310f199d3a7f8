/** The disk usage of images: blobs as received, and unpacked layers, each counted once. */
import { join } from "node:path";
import { runLayerTask } from "../layers/layer-pool.ts";
import type { LayerStore } from "../layers/layer-store.ts";
import type { ContentStore } from "./content-store.ts";
import { reachable } from "./garbage.ts";
import type { ImageRecord } from "./image-records.ts";

export interface ImageUsage {
  id: string;
  /** Bytes of its blobs. */
  blobs: number;
  /** Bytes of its unpacked layers. */
  unpacked: number;
  /** The part of both that other images need, too. */
  shared: number;
}

export interface StoreUsage {
  images: ImageUsage[];
  /** Bytes of everything that images need, with shared parts counted once. */
  total: number;
  /** Bytes that no image needs; `bay image prune` frees them. */
  unneeded: number;
}

/** Cached, because unpacked layers never change. */
const measured = new Map<string, number>();

async function sizeOfLayer(directory: string): Promise<number> {
  const known = measured.get(directory);
  if (known !== undefined) return known;
  const size = Number(await runLayerTask({ kind: "measure", directory }));
  measured.set(directory, size);
  return size;
}

export async function measureStore(
  content: ContentStore,
  layers: LayerStore,
  records: readonly ImageRecord[],
): Promise<StoreUsage> {
  const blobs = new Map(content.list().map(({ digest, size }) => [digest, size]));
  const unpacked = new Map(
    await Promise.all(
      layers.list().map(async (name) => [name, await sizeOfLayer(join(layers.directory, name))] as const),
    ),
  );
  const images = [...new Map(records.map((record) => [record.id, record])).values()].map((record) => ({
    id: record.id,
    needs: reachable(
      content,
      records.filter(({ id }) => id === record.id),
    ),
  }));
  const users = new Map<string, number>();
  for (const { needs } of images)
    for (const name of [...needs.blobs, ...needs.layers]) users.set(name, (users.get(name) ?? 0) + 1);
  const sizeOf = (name: string) => blobs.get(name) ?? unpacked.get(name) ?? 0;
  const sum = (names: Iterable<string>) => [...names].reduce((total, name) => total + sizeOf(name), 0);
  return {
    images: images.map(({ id, needs }) => ({
      id,
      blobs: sum(needs.blobs),
      unpacked: sum(needs.layers),
      shared: sum([...needs.blobs, ...needs.layers].filter((name) => users.get(name)! > 1)),
    })),
    total: sum(users.keys()),
    unneeded: sum([...blobs.keys(), ...unpacked.keys()].filter((name) => !users.has(name))),
  };
}

/** Bytes of a directory on the disk: a volume, or a container's writable layer. */
export async function measureDirectory(directory: string): Promise<number> {
  return Number(await runLayerTask({ kind: "measure", directory }));
}
