/** Pulls and pushes images: concurrent pulls of one image run once for all callers. */
import { canonicalReference, parseReference } from "../../core/image-reference.ts";
import { parseManifest } from "../model/manifest.ts";
import { hostPlatform, parsePlatform } from "../model/platform.ts";
import type { Descriptor } from "../store/content-store.ts";
import { type ImageRecord, isUntagged, registryDigests, untagged } from "../store/image-records.ts";
import type { Image, ImageStore } from "../store/image-store.ts";
import type { Credentials } from "./credentials.ts";
import type { PeerSource } from "./peer.ts";
import type { LazyImage } from "./pull.ts";
import type { PullProgress } from "./pull-request.ts";
import type { PushProgress } from "./push.ts";

export interface PullOptions {
  /** Such as `linux/arm64`; undefined is this machine's. */
  platform?: string | undefined;
  /** The name still refers to its current image. */
  isNameless?: boolean;
  /** For the image's own registry, instead of the saved ones. */
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
   * Fetches the missing parts of an image from its registry. Two calls for the same image pull it once. Throws errors of the
   * registry, and ABORTED.
   */
  pull(reference: string, options: PullOptions = {}): Promise<Image> {
    const key = `pull ${canonicalReference(reference)} ${options.platform ?? ""} ${options.isNameless ?? false}`;
    const running = this.images.making.get(key);
    // the other client may have disconnected
    if (running) return running.catch(() => this.pull(reference, options));
    const pulling = this.#pull(reference, options).finally(() => this.images.making.delete(key));
    this.images.making.set(key, pulling);
    return pulling;
  }

  /** Opens an image of a registry whose layers are fetched when they are needed; it gets no name here. Throws like `pull`. */
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

  /**
   * Fetches the missing parts of an image from another host, and gives it this name. Two calls for the same image fetch it once.
   * Throws errors of a registry, and ABORTED.
   */
  fetchFromPeer(reference: string, image: PeerSource, options: PullOptions = {}): Promise<Image> {
    const key = `fetch ${canonicalReference(reference)} ${image.manifest}`;
    const running = this.images.making.get(key);
    if (running) return running.catch(() => this.fetchFromPeer(reference, image, options));
    const fetching = this.#fetch(reference, image, options).finally(() => this.images.making.delete(key));
    this.images.making.set(key, fetching);
    return fetching;
  }

  async #fetch(reference: string, image: PeerSource, { onProgress, signal }: PullOptions): Promise<Image> {
    const { pullFromPeer } = await import("../registry/peer.ts");
    const progress = onProgress ? { onProgress } : {};
    const { content, layers } = this.images;
    const manifest = await pullFromPeer(content, layers, image, { ...progress, signal });
    return this.images.keep(canonicalReference(reference), manifest, {
      ...(image.made ? { made: image.made } : {}),
      fetched: { from: image.host, at: new Date().toISOString() },
    });
  }

  /** Pushes an image to the registry in its name. Throws errors of the registry. */
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

  /** Pushes a manifest and its blobs under a name that does not have to exist here. Throws errors of the registry. */
  async pushManifest(name: string, manifest: Descriptor, signal: AbortSignal | undefined): Promise<void> {
    const reference = canonicalReference(name);
    const { config } = parseManifest(this.images.content.read(manifest.digest));
    const createdAt = new Date().toISOString();
    await this.push({ reference, manifest, id: config.digest, size: 0, createdAt }, { signal });
  }
}
