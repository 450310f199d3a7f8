/** Packs steps' directories as layers of images, once each; later they are found by digest. */
import { join } from "node:path";
import { BayError } from "../core/errors.ts";
import { type Descriptor, type ImageStore, MEDIA } from "../image/index.ts";
import type { StepRecord, StepStore } from "./cache/step-store.ts";

export interface PackedLayer {
  descriptor: Descriptor;
  diffId: string;
}

export class LayerPacker {
  /** Layers that are being packed, by their directories' names. */
  readonly #packing = new Map<string, Promise<PackedLayer>>();

  constructor(
    readonly images: ImageStore,
    readonly steps: StepStore,
  ) {}

  /** Packs a step's layer; two builds that use it pack it once. Throws FILE_CHANGED, and the system's errors. */
  packed(record: StepRecord, epoch: number | undefined): Promise<PackedLayer> {
    const { layer } = record;
    if (layer === undefined) throw new BayError("INTERNAL", "a step without files has no layer");
    const name = `${layer} ${epoch ?? ""}`;
    const known = this.#packing.get(name);
    if (known) return known;
    const packing = (epoch === undefined ? this.#pack(record, layer) : this.#packAsOf(layer, epoch)).finally(
      () => this.#packing.delete(name),
    );
    this.#packing.set(name, packing);
    return packing;
  }

  /** The layer's times differ from those of the step's directory, so it is unpacked separately. */
  async #packAsOf(layer: string, epoch: number): Promise<PackedLayer> {
    const { content } = this.images;
    const descriptor = await content.pack(join(this.steps.directory, layer), MEDIA.layer, epoch);
    return { descriptor, diffId: descriptor.digest };
  }

  async #pack(record: StepRecord, layer: string): Promise<PackedLayer> {
    const { content, layers } = this.images;
    const known = this.steps.find(record.key) ?? record;
    const { diffId } = known.layer === layer ? known : record;
    if (diffId !== undefined && content.has(diffId)) {
      layers.link(diffId, layer);
      const descriptor = { mediaType: MEDIA.layer, digest: diffId, size: content.piece(diffId).size };
      return { descriptor, diffId };
    }
    const descriptor = await content.pack(join(this.steps.directory, layer), MEDIA.layer);
    if (known.layer === layer) this.steps.save({ ...known, diffId: descriptor.digest });
    layers.link(descriptor.digest, layer);
    return { descriptor, diffId: descriptor.digest };
  }
}
