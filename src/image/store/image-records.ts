/** Which image a name means: the records of images in the state, and index.json of the layout beside it. */
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
  /** For images that bay made: the definition and the state of its inputs, to tell whether it is current. */
  made?:
    | {
        definition: string;
        /** The folder of the stack that made it; another stack may name the same files from another folder. */
        base: string;
        inputs: [path: string, size: number, mtimeMs: number][];
      }
    | undefined;
  /** For images of a registry: what the name stood for there, and when. */
  pulled?: { digest: string; at: string };
  /** For images that were sent to a registry under this name: the digest that the name has there, and when. */
  pushed?: { digest: string; at: string };
}

/** The digests by which the registry of an image's name knows it. */
export const registryDigests = ({ pulled, pushed }: ImageRecord): string[] => [
  ...new Set([pulled, pushed].flatMap((known) => (known ? [known.digest] : []))),
];

export const IMAGE_KEY = "image/";

/** The reference of an image that has no name (any more). */
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

  /** An image by its ID, of which the beginning is enough, whatever its name. */
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

  /** By `REPOSITORY@DIGEST`, where an image was pulled or pushed by a tag of that repository. */
  #byDigest(name: string): ImageRecord | undefined {
    const { digest } = isUntagged(name) ? { digest: undefined } : parseReference(name);
    if (digest === undefined) return undefined;
    return this.list().find(
      (record) =>
        registryDigests(record).includes(digest) && repositoryOf(record.reference) === repositoryOf(name),
    );
  }

  /** The names of an image that have a tag, as people write them. */
  tagsOf(id: string): string[] {
    return this.list()
      .filter(
        (record) => record.id === id && !isUntagged(record.reference) && !record.reference.includes("@"),
      )
      .map(({ reference }) => familiarReference(reference));
  }

  /** The image that had the name before keeps its record under its ID: containers may be made of it. */
  put(record: ImageRecord): void {
    const before = this.store.get<ImageRecord>(IMAGE_KEY + record.reference);
    if (before && before.id !== record.id) this.#keepUntagged(before);
    if (!isUntagged(record.reference)) this.store.delete(IMAGE_KEY + untagged(record.id));
    this.store.put(IMAGE_KEY + record.reference, record);
    this.#writeIndex();
  }

  /** Gives an image one more name. Throws IMAGE_NOT_FOUND, BAD_REFERENCE. */
  tag(reference: string, name: string): void {
    const { pulled, pushed, ...record } = this.need(reference);
    const isSame = !isUntagged(record.reference) && repositoryOf(record.reference) === repositoryOf(name);
    // a digest is known in its repository, and only there
    const known = isSame ? { ...(pulled ? { pulled } : {}), ...(pushed ? { pushed } : {}) } : {};
    this.put({ ...record, ...known, made: undefined, reference: canonicalReference(name) });
  }

  /** Notes that an image was sent to the registry of its name, unless the name means another image by now. */
  notePushed({ reference, id }: ImageRecord, digest: string): void {
    const record = this.store.get<ImageRecord>(IMAGE_KEY + reference);
    if (record?.id !== id) return;
    this.store.put(IMAGE_KEY + reference, { ...record, pushed: { digest, at: new Date().toISOString() } });
  }

  /** Takes a name away; an image that loses its last one stays under its ID, or is forgotten where it had none. */
  untag(record: ImageRecord): void {
    if (!isUntagged(record.reference)) this.#keepUntagged(record);
    this.forget(record);
  }

  /** Takes a record away. */
  forget({ reference }: ImageRecord): void {
    this.store.delete(IMAGE_KEY + reference);
    try {
      this.#writeIndex();
    } catch (error) {
      // on a full disk the sweep that follows makes room for it
      if (!hasCode(error, "ENOSPC", "EDQUOT")) throw error;
      this.#isIndexOld = true;
    }
  }

  /** Writes index.json where a full disk kept it from being written. Throws what the system says (ENOSPC). */
  catchUp(): void {
    if (this.#isIndexOld) this.#writeIndex();
  }

  #keepUntagged(record: ImageRecord): void {
    const { id, reference } = record;
    if (this.list().some((other) => other.id === id && other.reference !== reference)) return;
    this.store.put(IMAGE_KEY + untagged(id), { ...record, reference: untagged(id), made: undefined });
  }

  /** So that other tools can read what is stored (image-spec image-layout.md). */
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
