/** The contract of image sources: what the store relies on, whatever an image is made from. */
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LayerStore } from "../../src/image/layers/layer-store.ts";
import { parseImageConfig, parseManifest } from "../../src/image/model/manifest.ts";
import { hostPlatform } from "../../src/image/model/platform.ts";
import type { AptCache } from "../../src/image/sources/apt/apt-cache.ts";
import { makeImage } from "../../src/image/sources/make-image.ts";
import type { ImageSource } from "../../src/image/sources/source.ts";
import { madeFrom, staleReason } from "../../src/image/sources/stale.ts";
import { ContentStore } from "../../src/image/store/content-store.ts";

export interface SourceCase {
  /** Makes the source's files in the folder; returns the source, and a file whose change must be noticed. */
  prepare(folder: string): { source: ImageSource; changing: string };
  /** The source for a file that does not exist. */
  absent(base: string): ImageSource;
}

/** `layersAt`: the store of unpacked layers, real or noting. */
export function imageSourceContract(
  name: string,
  given: SourceCase,
  layersAt: (root: string) => LayerStore,
): void {
  describe(`the contract of image sources: ${name}`, () => {
    let folder: string;
    let source: ImageSource;
    let changing: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "bay-source-"));
      mkdirSync(join(folder, "files"));
      ({ source, changing } = given.prepare(join(folder, "files")));
    });
    afterEach(() => rmSync(folder, { recursive: true, force: true }));
    const open = (at: string) => {
      mkdirSync(join(folder, at, "blobs/sha256"), { recursive: true });
      const content = new ContentStore(join(folder, at));
      const layers = layersAt(join(folder, at));
      const make = (from: ImageSource) =>
        makeImage(from, { content, layers, apt: undefined as unknown as AptCache });
      return { content, layers, make };
    };

    it("gives an image whose blobs are all in the store, for this platform", async () => {
      const { content, make } = open("one");
      const { manifest } = await make(source);
      const { config, layers } = parseManifest(content.read(manifest.digest));
      const read = parseImageConfig(content.read(config.digest));
      expect(layers.every(({ digest, size }) => content.piece(digest).size === size)).toBe(true);
      expect(read.rootfs.diff_ids).toHaveLength(layers.length);
      expect(read.architecture).toBe(hostPlatform().architecture);
      expect((await content.digestOf(layers[0]!.digest)) === layers[0]!.digest).toBe(true);
    });

    it("gives the same image for the same files, in another store too", async () => {
      const [one, two] = [await open("one").make(source), await open("two").make(source)];
      expect(two.manifest).toEqual(one.manifest);
    });

    it("has the config of the definition", async () => {
      const { content, make } = open("one");
      const config = { Cmd: ["/serve"], User: "app" };
      const { manifest } = await make({ ...source, config });
      const { digest } = parseManifest(content.read(manifest.digest)).config;
      expect(parseImageConfig(content.read(digest)).config).toMatchObject(config);
    });

    it("is outdated when a file changes, and for another definition", async () => {
      const { manifest, inputs } = await open("one").make(source);
      expect(inputs.length).toBeGreaterThan(0);
      expect(inputs.every((path) => existsSync(path))).toBe(true);
      const record = {
        reference: "a",
        manifest,
        id: "",
        size: 0,
        createdAt: "",
        made: madeFrom(source, inputs),
      };
      expect(staleReason(record, source)).toBeUndefined();
      expect(staleReason(record, { ...source, config: { User: "x" } })).toBeDefined();
      appendFileSync(changing, "more");
      expect(staleReason(record, source)).toBe(`${relative(source.base, changing)} changed`);
    });

    it("leaves nothing in the store where it fails", async () => {
      const { content, layers, make } = open("one");
      await expect(make(given.absent(folder))).rejects.toMatchObject({ name: "BayError" });
      expect([content.list(), content.unfinished(), layers.list()]).toEqual([[], [], []]);
    });
  });
}

/** The sources that need neither a network nor root. */
export function sourceCases(
  pack: (folder: string, target: string) => void,
  archive: (target: string) => Promise<void> | void,
): Record<string, SourceCase> {
  const tree = (folder: string) => {
    mkdirSync(join(folder, "tree/etc"), { recursive: true });
    appendFileSync(join(folder, "tree/etc/conf"), "content");
    return join(folder, "tree");
  };
  const rootfs = (path: string) => ({ kind: "rootfs", path, config: {} }) as const;
  return {
    "a directory": {
      prepare: (folder) => {
        tree(folder);
        return { source: { ...rootfs("tree"), base: folder }, changing: join(folder, "tree/etc/conf") };
      },
      absent: (base) => ({ ...rootfs("absent"), base }),
    },
    "a tar of a file system": {
      prepare: (folder) => {
        pack(tree(folder), join(folder, "root.tar"));
        return { source: { ...rootfs("root.tar"), base: folder }, changing: join(folder, "root.tar") };
      },
      absent: (base) => ({ ...rootfs("absent"), base }),
    },
    "an archive of an image": {
      prepare: (folder) => {
        archive(join(folder, "image.tar"));
        const source = {
          kind: "archive",
          path: "image.tar",
          reference: undefined,
          base: folder,
          config: {},
        } as const;
        return { source, changing: join(folder, "image.tar") };
      },
      absent: (base) => ({ kind: "archive", path: "absent", reference: undefined, config: {}, base }),
    },
    "files of the host": {
      prepare: (folder) => {
        appendFileSync(join(folder, "script"), "#!/bin/sh\necho\n", { mode: 0o755 });
        const source = {
          kind: "host",
          entries: ["/bin/sh", "./script:/usr/local/bin/script"],
          users: [],
          base: folder,
          config: {},
        } satisfies ImageSource;
        return { source, changing: join(folder, "script") };
      },
      absent: (base) => ({ kind: "host", entries: ["no-such-command-here"], users: [], config: {}, base }),
    },
  };
}
