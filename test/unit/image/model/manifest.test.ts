/** What one tool takes for a manifest and another for an index is refused (CVE-2021-41190). */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { openArchive } from "../../../../src/image/archive/files.ts";
import { findImages } from "../../../../src/image/archive/read.ts";
import {
  agreedType,
  MEDIA,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from "../../../../src/image/model/manifest.ts";
import { PLAIN_ENTRY } from "../../../../src/image/tar/describe.ts";
import { encodeEntry, padding } from "../../../../src/image/tar/header.ts";
import { scanTar } from "../../../../src/image/tar/scan.ts";
import { runs } from "../../../support/property-runs.ts";

const digest = `sha256:${"a".repeat(64)}`;
const part = { mediaType: MEDIA.gzipLayer, digest, size: 1 };
const manifest = { schemaVersion: 2, mediaType: MEDIA.manifest, config: part, layers: [part] };
const index = { schemaVersion: 2, mediaType: MEDIA.index, manifests: [part] };
const bytes = (value: object) => Buffer.from(JSON.stringify(value));
const refusal = expect.objectContaining({ code: "BAD_MANIFEST" });

describe("a document that is a manifest and an index", () => {
  it("is rejected, while each alone is accepted", () => {
    expect(parseManifest(bytes(manifest)).layers).toHaveLength(1);
    expect(parseIndex(bytes(index)).manifests).toHaveLength(1);
    expect(parseManifest(bytes({ ...manifest, manifests: null })).layers).toHaveLength(1);
    for (const both of [
      { ...manifest, ...index },
      { ...index, ...manifest },
      { ...manifest, manifests: [] },
      { ...index, config: part },
      { ...index, layers: [] },
      { ...manifest, fsLayers: [] },
      { ...manifest, Manifests: [part] },
      { ...index, LAYERS: [part] },
      { ...manifest, mediaType: MEDIA.index },
      { ...index, mediaType: MEDIA.dockerManifest },
    ])
      for (const parse of [parseManifest, parseIndex]) expect(() => parse(bytes(both))).toThrow(refusal);
  });

  it("is read in one way only, whatever fields are put together", () => {
    const fields = fc.subarray([
      ...Object.entries({ ...manifest, ...index }),
      ["mediaType", MEDIA.manifest],
      ["mediaType", MEDIA.dockerList],
      ["Config", part],
      ["MANIFESTS", [part]],
    ] as [string, unknown][]);
    const reads = (parse: (from: Buffer) => unknown, from: Buffer) => {
      try {
        return parse(from) !== undefined;
      } catch {
        return false;
      }
    };
    fc.assert(
      fc.property(fields, (chosen) => {
        const document = bytes(Object.fromEntries(chosen));
        expect(reads(parseManifest, document) && reads(parseIndex, document)).toBe(false);
      }),
    );
  });

  it("is rejected if its header or descriptor says otherwise", () => {
    for (const [own, declared] of [
      [MEDIA.manifest, [MEDIA.index]],
      [MEDIA.index, [MEDIA.dockerManifest]],
      [MEDIA.dockerList, ["", MEDIA.manifest]],
      [undefined, [MEDIA.index, MEDIA.manifest]],
    ] as const)
      expect(() => agreedType(own, declared)).toThrow(refusal);
    expect(agreedType(MEDIA.manifest, ["application/json", undefined])).toBe(MEDIA.manifest);
    expect(agreedType(undefined, ["", MEDIA.dockerList])).toBe(MEDIA.dockerList);
  });
});

/** CVE-2021-21285: a malformed manifest ended the daemon. */
describe("a document of any form", () => {
  it("is read or refused, and nothing else happens", () => {
    const part = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(...Object.values({ ...manifest, ...index }), null, {}),
    );
    const document = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc
        .dictionary(
          fc.constantFrom("schemaVersion", "mediaType", "config", "layers", "manifests", "rootfs"),
          part,
        )
        .map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(document, (text) => {
        for (const parse of [parseManifest, parseIndex, parseImageConfig])
          try {
            parse(Buffer.from(text));
          } catch (error) {
            expect(error).toEqual(refusal);
          }
      }),
      runs(300),
    );
  });
});

/** CVE-2023-25153: an archive's index and configs were read into memory whatever their size. */
describe("the metadata of an archive", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-archive-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const entry = (name: string, content: Buffer) => [
    encodeEntry({ ...PLAIN_ENTRY, name, type: "file", mode: 0o644, size: content.length }),
    content,
    padding(content.length),
  ];
  const archive = (name: string, ...parts: Buffer[][]) => {
    const path = join(folder, name);
    writeFileSync(path, Buffer.concat([...parts.flat(), Buffer.alloc(1024)]));
    return path;
  };
  const tooLarge = expect.objectContaining({
    code: "BAD_ARCHIVE",
    message: expect.stringContaining("bytes"),
  });
  const platform = { os: "linux", architecture: "amd64" };

  it.each(["index.json", "manifest.json"])("is not read where %s is huge", async (name) => {
    const size = 2 ** 33;
    const path = archive("huge.tar", entry("oci-layout", Buffer.from("{}")), [
      encodeEntry({ ...PLAIN_ENTRY, name, type: "file", mode: 0o644, size }),
    ]);
    truncateSync(path, size + 8192); // a sparse file, which takes no room
    const files = await openArchive(path, join(folder, "temporary"));
    const before = process.memoryUsage().arrayBuffers;
    expect(() => findImages(files, platform)).toThrow(tooLarge);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20);
  });

  it("is not read a thousand times from one file that the index names as often", async () => {
    const config = Buffer.alloc(4 << 20, " ");
    const document = bytes({ ...manifest, layers: [] });
    const listed = { mediaType: MEDIA.manifest, digest: `sha256:${"b".repeat(64)}`, size: document.length };
    const path = archive(
      "many.tar",
      entry("oci-layout", Buffer.from("{}")),
      entry("index.json", bytes({ ...index, manifests: Array.from({ length: 1000 }, () => listed) })),
      entry(`blobs/sha256/${"b".repeat(64)}`, document),
      entry(`blobs/sha256/${"a".repeat(64)}`, config),
    );
    const files = await openArchive(path, join(folder, "temporary"));
    expect(() => findImages(files, platform)).toThrow(tooLarge);
  });

  it("has a bounded total length of names", () => {
    const name = "a/".repeat(1900);
    const path = archive(
      "names.tar",
      ...Array.from({ length: 5000 }, (_, at) => entry(`${name}${at}`, Buffer.of())),
    );
    expect(() => scanTar(path)).toThrow(/names in the archive/);
  });
});
