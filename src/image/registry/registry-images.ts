/** Images to and from registries: each pull of one image runs once, however many callers wait for it. */
import { canonicalReference, parseReference } from "../../core/image-reference.ts";
import { parseManifest } from "../model/manifest.ts";
import { hostPlatform, parsePlatform } from "../model/platform.ts";
import type { Descriptor } from "../store/content-store.ts";
import { type ImageRecord, isUntagged, registryDigests, untagged } from "../store/image-records.ts";
import type { Image, ImageStore } from "../store/image-store.ts";
import type { Credentials } from "./credentials.ts";
import type { LazyImage } from "./pull.ts";
import type { PullProgress } from "./pull-request.ts";
import type { PushProgress } from "./push.ts";

export interface PullOptions {
  /** `linux/arm64`; undefined is this machine's. */
  platform?: string | undefined;
  /** The name keeps its current meaning. */
  isNameless?: boolean;
  /** For the image's own registry, instead of those that are kept. */
  credentials?: Credentials | undefined;
  onProgress?: (progress: PullProgress) => void;
  signal?: AbortSignal | undefined;
}

export interface PushOptions {
  credentials?: Credentials | undefined;
  onProgress?: (progress: PushProgress) => void;
  signal?: AbortSignal | undefined;
}

export class RegistryImages {
  constructor(
    readonly images: Pick<ImageStore, "content" | "layers" | "records" | "busy" | "keep" | "making">,
  ) {}

  /**
   * Fetches an image from its registry, with what of it is not here yet. Two calls for one image pull it once.
   * Throws what the registry says, and ABORTED.
   */
  pull(reference: string, options: PullOptions = {}): Promise<Image> {
    const key = `pull ${canonicalReference(reference)} ${options.platform ?? ""} ${options.isNameless ?? false}`;
    const running = this.images.making.get(key);
    // the other client may have gone away
    if (running) return running.catch(() => this.pull(reference, options));
    const pulling = this.#pull(reference, options).finally(() => this.images.making.delete(key));
    this.images.making.set(key, pulling);
    return pulling;
  }

  /** An image of a registry whose layers are fetched when they are asked for; it gets no name here. Throws as `pull`. */
  async openLazily(text: string, signal: AbortSignal | undefined): Promise<LazyImage> {
    const [{ openLazily }, { findCredentials }] = await Promise.all([
      import("../registry/pull.ts"),
      import("../registry/credentials.ts"),
    ]);
    const reference = parseReference(text);
    const platform = hostPlatform();
    return openLazily(this.images.content, this.images.layers, {
      reference,
      platform,
      credentialsOf: findCredentials,
      signal,
    });
  }

  async #pull(
    text: string,
    { platform, isNameless, credentials, onProgress, signal }: PullOptions,
  ): Promise<Image> {
    const reference = parseReference(text);
    const [{ pullImage }, { findCredentials }] = await Promise.all([
      import("../registry/pull.ts"),
      import("../registry/credentials.ts"),
    ]);
    const { manifest, digest } = await pullImage(this.images.content, this.images.layers, {
      reference,
      platform: parsePlatform(platform),
      credentialsOf: async (host) =>
        credentials && host === reference.registry ? credentials : findCredentials(host),
      ...(onProgress ? { onProgress } : {}),
      signal,
    });
    const { config } = parseManifest(this.images.content.read(manifest.digest));
    const name = isNameless ? untagged(config.digest) : canonicalReference(text);
    return this.images.keep(name, manifest, {
      pulled: { digest, at: new Date().toISOString() },
    });
  }

  /** Sends an image to the registry of its name. Throws what the registry says. */
  async push(
    record: ImageRecord,
    { credentials, onProgress, signal }: PushOptions = {},
  ): Promise<{ digest: string; size: number }> {
    const reference = parseReference(record.reference);
    const [{ pushImage }, { findCredentials }] = await Promise.all([
      import("../registry/push.ts"),
      import("../registry/credentials.ts"),
    ]);
    const siblings = this.images.records
      .list()
      .filter(
        (other) =>
          registryDigests(other).length > 0 && other.id === record.id && !isUntagged(other.reference),
      )
      .map(({ reference: other }) => parseReference(other))
      .filter(
        ({ registry, repository }) => registry === reference.registry && repository !== reference.repository,
      )
      .map(({ repository }) => repository);
    const sent = await this.images.busy("push", async () =>
      pushImage(this.images.content, {
        reference,
        manifest: record.manifest,
        siblings,
        credentials: credentials ?? (await findCredentials(reference.registry)),
        ...(onProgress ? { onProgress } : {}),
        signal,
      }),
    );
    this.images.records.notePushed(record, sent.digest);
    return sent;
  }

  /** Sends a manifest and its blobs to a registry under a name that need not be known here. Throws what the registry says. */
  async pushManifest(name: string, manifest: Descriptor, signal: AbortSignal | undefined): Promise<void> {
    const reference = canonicalReference(name);
    const { config } = parseManifest(this.images.content.read(manifest.digest));
    const createdAt = new Date().toISOString();
    await this.push({ reference, manifest, id: config.digest, size: 0, createdAt }, { signal });
  }
}
