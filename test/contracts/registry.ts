/** The contract of registries: what bay's client relies on, by a registry in memory and by Debian's docker-registry. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseReference } from "../../src/core/image-reference.ts";
import { LayerStore } from "../../src/image/layers/layer-store.ts";
import { MEDIA } from "../../src/image/model/manifest.ts";
import { hostPlatform } from "../../src/image/model/platform.ts";
import { pullImage, resolveDigest } from "../../src/image/registry/pull.ts";
import { pushImage } from "../../src/image/registry/push.ts";
import { ContentStore, type Descriptor } from "../../src/image/store/content-store.ts";

export interface RunningRegistry {
  host: string;
  stop(): Promise<void>;
}

/** Layers whose content does not matter: they only note what was unpacked. */
export class NotedLayers extends LayerStore {
  readonly unpacked = new Set<string>();
  override has(diffId: string): boolean {
    return this.unpacked.has(diffId);
  }
  override async unpack(_piece: unknown, diffId: string): Promise<void> {
    this.unpacked.add(diffId);
  }
}

const sha256 = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** An image with one layer of some bytes. */
export function putImage(content: ContentStore, text: string): { manifest: Descriptor; diffId: string } {
  const bytes = Buffer.from(text.repeat(1000));
  const diffId = sha256(bytes);
  const layer = content.put(bytes, "application/vnd.oci.image.layer.v1.tar");
  const { os, architecture } = hostPlatform();
  const config = content.put(
    JSON.stringify({ os, architecture, config: {}, rootfs: { type: "layers", diff_ids: [diffId] } }),
    "application/vnd.oci.image.config.v1+json",
  );
  const manifest = content.put(
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.manifest, config, layers: [layer] }),
    MEDIA.manifest,
  );
  return { manifest, diffId };
}

const credentialsOf = async () => undefined;

export function registryContract(name: string, start: () => Promise<RunningRegistry>): void {
  describe(`the contract of registries: ${name}`, () => {
    let registry: RunningRegistry;
    let folder: string;
    let source: ContentStore;
    const makeStores = (where: string) => ({
      content: new ContentStore(join(folder, where)),
      layers: new NotedLayers(join(folder, where)),
    });
    const push = (manifest: Descriptor, repository: string, siblings: string[] = []) => {
      const statuses: string[] = [];
      return pushImage(source, {
        reference: parseReference(`${registry.host}/${repository}`),
        manifest,
        siblings,
        credentials: undefined,
        onProgress: ({ status }) => statuses.push(status),
      }).then((pushed) => ({ ...pushed, statuses }));
    };
    const pull = (to: ReturnType<typeof makeStores>, repository: string) =>
      pullImage(to.content, to.layers, {
        reference: parseReference(`${registry.host}/${repository}`),
        platform: hostPlatform(),
        credentialsOf,
      });
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "bay-registry-contract-"));
      registry = await start();
      source = new ContentStore(join(folder, "source"));
    });
    afterAll(async () => {
      await registry.stop();
      rmSync(folder, { recursive: true });
    });

    it("gives back by tag and by digest what was pushed", async () => {
      const { manifest, diffId } = putImage(source, "one");
      const { digest } = await push(manifest, "contract/one:1");
      expect(digest).toBe(manifest.digest);
      for (const [index, what] of [":1", `@${digest}`].entries()) {
        const to = makeStores(`pulled-${index}`);
        expect(await pull(to, `contract/one${what}`)).toMatchObject({ digest, manifest });
        expect([...to.layers.unpacked]).toEqual([diffId]);
        expect(to.content.list().map((blob) => blob.digest)).toEqual(
          expect.arrayContaining([digest, diffId]),
        );
      }
      const reference = parseReference(`${registry.host}/contract/one:1`);
      expect(await resolveDigest(reference, credentialsOf)).toBe(digest);
    });

    it("is not sent a blob that it has", async () => {
      const { manifest } = putImage(source, "two");
      expect((await push(manifest, "contract/two:1")).statuses).toContain("Pushing");
      const again = await push(manifest, "contract/two:2");
      expect(again.statuses.sort()).toEqual(["Layer already exists", "Layer already exists", "Pushed"]);
    });

    it("mounts the blobs of another repository", async () => {
      const { manifest } = putImage(source, "three");
      await push(manifest, "contract/three:1");
      const { statuses } = await push(manifest, "contract/four:1", ["contract/three"]);
      expect(statuses.filter((status) => status === "Mounted")).toHaveLength(2);
      expect((await pull(makeStores("mounted"), "contract/four:1")).digest).toBe(manifest.digest);
    });

    it("moves a tag to the image that was pushed last", async () => {
      const [first, second] = ["five", "six"].map((text) => putImage(source, text).manifest);
      await push(first!, "contract/moved:1");
      await push(second!, "contract/moved:1");
      const to = makeStores("moved");
      expect((await pull(to, "contract/moved:1")).digest).toBe(second!.digest);
      expect((await pull(to, `contract/moved@${first!.digest}`)).digest).toBe(first!.digest);
    });

    it("says that an image does not exist", async () => {
      const to = makeStores("nothing");
      await expect(pull(to, "contract/nothing:1")).rejects.toMatchObject({ name: "BayError" });
      expect(to.content.list()).toEqual([]);
    });
  });
}
