/** Saves images to archives, and loads them: `docker save` and OCI layouts. */
import { canonicalReference } from "../../core/image-reference.ts";
import { parseManifest } from "../model/manifest.ts";
import { hostPlatform } from "../model/platform.ts";
import type { Descriptor } from "../store/content-store.ts";
import { type ImageRecord, untagged } from "../store/image-records.ts";
import type { Image, ImageStore } from "../store/image-store.ts";
import type { ArchivedImage } from "./read.ts";
import type { ArchiveSink } from "./write.ts";

export class ImageArchives {
  constructor(readonly images: Pick<ImageStore, "content" | "layers" | "busy" | "keep">) {}

  /** Writes an archive of images in pieces, as `docker save` does. An image named by ID gets no name in the archive. */
  async save(
    chosen: readonly { record: ImageRecord; name: string }[],
    to: ((bytes: Buffer) => Promise<void>) | ArchiveSink,
  ): Promise<void> {
    const { readingSink, writeArchive } = await import("../archive/write.ts");
    const sink = typeof to === "function" ? readingSink(to) : to;
    const byId = new Map<string, { manifest: Descriptor; names: string[] }>();
    for (const { record, name } of chosen) {
      const image = byId.get(record.id) ?? { manifest: record.manifest, names: [] };
      if (name === record.reference && !name.includes("@")) image.names.push(name);
      byId.set(record.id, image);
    }
    return this.images.busy("save", () => writeArchive(this.images.content, [...byId.values()], sink));
  }

  /** Writes an archive of one image under names that do not have to exist here. Throws BAD_REFERENCE. */
  async saveAs(
    { manifest }: ImageRecord,
    names: readonly string[],
    put: (bytes: Buffer) => Promise<void>,
  ): Promise<void> {
    const { readingSink, writeArchive } = await import("../archive/write.ts");
    const saved = { manifest, names: names.map(canonicalReference) };
    return this.images.busy("save", () => writeArchive(this.images.content, [saved], readingSink(put)));
  }

  /** Loads the images of an archive of docker save or an OCI layout, with the names in it. Throws BAD_ARCHIVE. */
  load(path: string): Promise<ImageRecord[]> {
    return this.#fromArchive(path, async (found, take) => {
      const loaded: ImageRecord[] = [];
      for (const image of found) {
        const { manifest, id } = await take(image);
        const names = image.names.length > 0 ? image.names.map(canonicalReference) : [untagged(id)];
        for (const name of names) loaded.push(await this.images.keep(name, manifest, {}));
      }
      return loaded;
    });
  }

  /** Loads one image of an archive, selected by name or digest, without giving it a name here. Throws BAD_ARCHIVE. */
  take(path: string, name: string | undefined): Promise<Image> {
    return this.#fromArchive(path, async (found, take, { chooseImage }) => {
      const { manifest, id } = await take(chooseImage(found, name));
      return this.images.keep(untagged(id), manifest, {});
    });
  }

  #fromArchive<T>(
    path: string,
    action: (
      found: ArchivedImage[],
      take: (image: ArchivedImage) => Promise<{ manifest: Descriptor; id: string }>,
      by: typeof import("../archive/read.ts"),
    ) => Promise<T>,
  ): Promise<T> {
    return this.images.busy("load", async () => {
      const [{ openArchive }, by] = await Promise.all([
        import("../archive/files.ts"),
        import("../archive/read.ts"),
      ]);
      const files = await openArchive(path, this.images.layers.temporary());
      const take = async (image: ArchivedImage) => {
        const manifest = await by.importImage(image, this.images.content, this.images.layers);
        return { manifest, id: parseManifest(this.images.content.read(manifest.digest)).config.digest };
      };
      try {
        return await action(by.findImages(files, hostPlatform()), take, by);
      } finally {
        files.close();
      }
    });
  }
}
