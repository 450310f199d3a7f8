/** Resolves names to images: the records of images in the state, and index.json of the layout beside it. */
import { join } from "node:path";
import { BayError, hasCode } from "../../core/errors.ts";
import { canonicalReference, familiarReference, parseReference } from "../../core/image-reference.ts";
import { replaceFile, type Store } from "../../store/index.ts";
import { MEDIA } from "../model/manifest.ts";
import type { Descriptor } from "./content-store.ts";

export interface ImageRecord {
  /** Canonical; see `isUntagged` for images without a name. */
  reference: string;
  manifest: Descriptor;
  /** The image's ID: the digest of its config. */
  id: string;
  size: number;
  createdAt: string;
  /** For images that bay created: the definition and the state of its inputs, to detect changes. */
  made?:
    | {
        definition: string;
        /** The directory of the stack that created it; another stack may refer to the same files from another directory. */
        base: string;
        inputs: [path: string, size: number, mtimeMs: number][];
      }
    | undefined;
  /** For images from a registry: the digest of the name there, and the time. */
  pulled?: { digest: string; at: string };
  /** For images that another host of the cluster gave: its name, and the time. */
  fetched?: { from: string; at: string };
  /** For images that were pushed under this name: the digest of the name in the registry, and the time. */
  pushed?: { digest: string; at: string };
}

/** The digests of an image in the registry of its name. */
export const registryDigests = ({ pulled, pushed }: ImageRecord): string[] => [
  ...new Set([pulled, pushed].flatMap((known) => (known ? [known.digest] : []))),
];

export const IMAGE_KEY = "image/";

/** The reference of an image without a name. */
export const untagged = (id: string): string => `<none>@${id}`;
export const isUntagged = (reference: string): boolean => reference.startsWith("<none>@");

/** Throws BAD_REFERENCE. */
function repositoryOf(name: string): string {
  const { registry, repository } = parseReference(name);
  return `${registry}/${repository}`;
}

export class ImageRecords {
  #isIndexOld = false;

  constructor(
    readonly root: string,
    readonly store: Store,
  ) {}

  list(): ImageRecord[] {
    return this.store.list<ImageRecord>(IMAGE_KEY);
  }

  /** By name. Throws BAD_REFERENCE. */
  find(reference: string): ImageRecord | undefined {
    const name = isUntagged(reference) ? reference : canonicalReference(reference);
    return this.store.get<ImageRecord>(IMAGE_KEY + name);
  }

  /** An image by its ID or the beginning of its ID, with any name. */
  byId(id: string): ImageRecord | undefined {
    const wanted = id.replace(/^sha256:/, "");
    if (!/^[0-9a-f]{6,64}$/.test(wanted)) return undefined;
    const found = this.list().filter((record) => record.id.startsWith(`sha256:${wanted}`));
    return found.find(({ reference }) => !isUntagged(reference)) ?? found[0];
  }

  /** By ID or name. Throws IMAGE_NOT_FOUND, BAD_REFERENCE. */
  need(reference: string): ImageRecord {
    const record = this.byId(reference) ?? this.find(reference) ?? this.#byDigest(reference);
    if (!record) throw notFound(reference);
    return record;
  }

  /** By `REPOSITORY@DIGEST`, if an image was pulled or pushed with a tag of that repository. */
  #byDigest(name: string): ImageRecord | undefined {
    const { digest } = isUntagged(name) ? { digest: undefined } : parseReference(name);
    if (digest === undefined) return undefined;
    return this.list().find(
      (record) =>
        registryDigests(record).includes(digest) && repositoryOf(record.reference) === repositoryOf(name),
    );
  }

  /** The tags of an image, in the short form. */
  tagsOf(id: string): string[] {
    return this.list()
      .filter(
        (record) => record.id === id && !isUntagged(record.reference) && !record.reference.includes("@"),
      )
      .map(({ reference }) => familiarReference(reference));
  }

  /** Stores a record. The previous image with the same name keeps a record under its ID: containers may use it. */
  put(record: ImageRecord): void {
    const before = this.store.get<ImageRecord>(IMAGE_KEY + record.reference);
    if (before && before.id !== record.id) this.#keepUntagged(before);
    if (!isUntagged(record.reference)) this.store.delete(IMAGE_KEY + untagged(record.id));
    this.store.put(IMAGE_KEY + record.reference, record);
    this.#refreshIndex();
  }

  /** Adds a name to an image. Throws IMAGE_NOT_FOUND, BAD_REFERENCE. */
  tag(reference: string, name: string): void {
    const { pulled, pushed, fetched: _, ...record } = this.need(reference);
    const isSame = !isUntagged(record.reference) && repositoryOf(record.reference) === repositoryOf(name);
    // a digest is known only in its repository
    const known = isSame ? { ...(pulled ? { pulled } : {}), ...(pushed ? { pushed } : {}) } : {};
    this.put({ ...record, ...known, made: undefined, reference: canonicalReference(name) });
  }

  /** Records that an image was pushed to the registry of its name, unless the name refers to another image by now. */
  notePushed({ reference, id }: ImageRecord, digest: string): void {
    const record = this.store.get<ImageRecord>(IMAGE_KEY + reference);
    if (record?.id !== id) return;
    this.store.put(IMAGE_KEY + reference, { ...record, pushed: { digest, at: new Date().toISOString() } });
  }

  /** Removes a name. An image that loses its last name is kept under its ID; one without a name is removed. */
  untag(record: ImageRecord): void {
    if (!isUntagged(record.reference)) this.#keepUntagged(record);
    this.forget(record);
  }

  /** Removes a record. */
  forget({ reference }: ImageRecord): void {
    this.store.delete(IMAGE_KEY + reference);
    this.#refreshIndex();
  }

  /** The state has changed by now, so a full disk is no error: the next change, or sweep, writes the file. */
  #refreshIndex(): void {
    try {
      this.#writeIndex();
    } catch (error) {
      if (!hasCode(error, "ENOSPC", "EDQUOT")) throw error;
      this.#isIndexOld = true;
    }
  }

  /** Writes index.json if a full disk prevented that before. Throws system errors (ENOSPC). */
  catchUp(): void {
    if (this.#isIndexOld) this.#writeIndex();
  }

  #keepUntagged(record: ImageRecord): void {
    const { id, reference } = record;
    if (this.list().some((other) => other.id === id && other.reference !== reference)) return;
    this.store.put(IMAGE_KEY + untagged(id), { ...record, reference: untagged(id), made: undefined });
  }

  /** Lets other tools read the store (image-spec image-layout.md). */
  #writeIndex(): void {
    const manifests = this.list().map(({ reference, manifest }) => ({
      ...manifest,
      ...(isUntagged(reference)
        ? {}
        : { annotations: { "org.opencontainers.image.ref.name": familiarReference(reference) } }),
    }));
    const index = { schemaVersion: 2, mediaType: MEDIA.index, manifests };
    replaceFile(join(this.root, "index.json"), `${JSON.stringify(index)}\n`);
    this.#isIndexOld = false;
  }
}

export function notFound(reference: string): BayError {
  return new BayError("IMAGE_NOT_FOUND", `the image ${reference} is not on this host`, {
    hint: `bay image pull ${reference} fetches it from its registry`,
  });
}
