/**
 * Reading image archives: an OCI layout or a docker-archive (`docker save`), as a directory or a tar file.
 * A tar is unpacked into a directory of its own by the confined worker first.
 */
import { closeSync, createReadStream, fstatSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { BayError } from "../errors.ts";
import { O_NONBLOCK, O_RDONLY, openInRoot, readInRoot } from "../linux/index.ts";
import { runConfined } from "./confined.ts";
import type { ContentStore, Descriptor } from "./content-store.ts";
import { plainTar } from "./layer-store.ts";
import { MEDIA, parseIndex, parseManifest } from "./manifest.ts";

const dockerManifest = z.array(
  z.object({ Config: z.string(), RepoTags: z.array(z.string()).nullish(), Layers: z.array(z.string()) }),
);
const REF_NAME = "org.opencontainers.image.ref.name";

/** Imports one image into the content store and gives its manifest's descriptor. Throws BAD_ARCHIVE. */
export async function importArchive(
  content: ContentStore,
  path: string,
  reference: string | undefined,
  temporary: string,
): Promise<Descriptor> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) throw new BayError("BAD_ARCHIVE", `the archive ${path} does not exist`);
  if (stat.isDirectory()) return importDirectory(content, path, reference);
  mkdirSync(temporary, { recursive: true });
  try {
    const directory = join(temporary, "tree");
    mkdirSync(directory);
    const { file } = await plainTar(path, join(temporary, "plain.tar"));
    await runConfined({ kind: "unpack", tarFile: file, directory });
    return await importDirectory(content, directory, reference);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

async function importDirectory(
  content: ContentStore,
  root: string,
  reference: string | undefined,
): Promise<Descriptor> {
  if (readInRoot(root, "oci-layout")) return importLayout(content, root, reference);
  if (readInRoot(root, "manifest.json")) return importDocker(content, root, reference);
  throw new BayError("BAD_ARCHIVE", `${root} is neither an OCI layout nor a docker archive`, {
    hint: "for a plain file system use rootfs: instead of archive:",
  });
}

/** Copies a file of the untrusted tree into the store, verified where a digest is known. */
async function copyBlob(
  content: ContentStore,
  root: string,
  path: string,
  expected: string | undefined,
  mediaType: string,
): Promise<Descriptor> {
  if (expected && content.has(expected)) {
    return { mediaType, digest: expected, size: lstatSync(content.path(expected)).size };
  }
  // a FIFO or device that the archive brought along must not be opened for real
  const fd = openInRoot(root, path, O_RDONLY | O_NONBLOCK);
  if (!fstatSync(fd).isFile()) {
    closeSync(fd);
    throw new BayError("BAD_ARCHIVE", `${path} in the archive is no regular file`);
  }
  const writer = content.writer();
  try {
    for await (const chunk of createReadStream("", { fd, highWaterMark: 1 << 20 }))
      writer.write(chunk as Buffer);
    const descriptor = writer.commit(mediaType);
    if (expected && descriptor.digest !== expected) {
      content.remove(descriptor.digest);
      throw new BayError("WRONG_DIGEST", `${path} is ${descriptor.digest}, the archive says ${expected}`);
    }
    return descriptor;
  } catch (error) {
    if (!(error instanceof BayError)) writer.abort();
    throw error;
  }
}

const blobPath = (digest: string) => `blobs/${digest.replace(":", "/")}`;

async function importLayout(
  content: ContentStore,
  root: string,
  reference: string | undefined,
): Promise<Descriptor> {
  const bytes = readInRoot(root, "index.json");
  if (!bytes) throw new BayError("BAD_ARCHIVE", "the OCI layout has no index.json");
  const { manifests } = parseIndex(bytes);
  const named = reference ? manifests.filter((m) => m.annotations?.[REF_NAME] === reference) : manifests;
  let chosen = named[0];
  if (!chosen || (named.length > 1 && !reference)) {
    const names = manifests.map((m) => m.annotations?.[REF_NAME] ?? m.digest).join(", ");
    throw new BayError("BAD_ARCHIVE", `the archive holds ${manifests.length} images: ${names}`, {
      hint: "name one: archive: {path: …, reference: …}",
    });
  }
  if (chosen.mediaType === MEDIA.index) {
    const nested = parseIndex(readInRoot(root, blobPath(chosen.digest)) ?? Buffer.from("{}"));
    const architecture = process.arch === "arm64" ? "arm64" : "amd64";
    const match = nested.manifests.find(
      (m) => m.platform?.architecture === architecture && m.platform.os === "linux",
    );
    if (!match) throw new BayError("BAD_ARCHIVE", `the archive has no image for linux/${architecture}`);
    chosen = match;
  }
  const manifest = parseManifest(readInRoot(root, blobPath(chosen.digest)) ?? Buffer.from("{}"));
  for (const part of [manifest.config, ...manifest.layers]) {
    await copyBlob(content, root, blobPath(part.digest), part.digest, part.mediaType);
  }
  return copyBlob(content, root, blobPath(chosen.digest), chosen.digest, chosen.mediaType);
}

async function importDocker(
  content: ContentStore,
  root: string,
  reference: string | undefined,
): Promise<Descriptor> {
  const parsed = dockerManifest.safeParse(JSON.parse(readInRoot(root, "manifest.json")!.toString("utf8")));
  if (!parsed.success) throw new BayError("BAD_ARCHIVE", "the docker archive's manifest.json is malformed");
  const images = parsed.data;
  const wanted = reference ? images.filter((image) => image.RepoTags?.includes(reference)) : images;
  const image = wanted[0];
  if (!image || (wanted.length > 1 && !reference)) {
    const names = images.flatMap((candidate) => candidate.RepoTags ?? ["<untagged>"]).join(", ");
    throw new BayError("BAD_ARCHIVE", `the archive holds ${images.length} images: ${names}`, {
      hint: "name one: archive: {path: …, reference: …}",
    });
  }
  const config = await copyBlob(content, root, image.Config, undefined, MEDIA.config);
  const layers: Descriptor[] = [];
  for (const layer of image.Layers) layers.push(await copyBlob(content, root, layer, undefined, MEDIA.layer));
  return content.put(
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.manifest, config, layers }),
    MEDIA.manifest,
  );
}
