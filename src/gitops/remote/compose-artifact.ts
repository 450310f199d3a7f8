/**
 * Stack files as an artifact of a registry, in docker compose's format: a layer for each file, and one for each env file.
 * The first layers together are `compose.yaml`, as documents that override each other.
 */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import { type ArtifactPart, findCredentials, parseReference, web } from "../../image/index.ts";
import type { RemoteFile } from "../../stack/index.ts";
import { within } from "../git/bound-fetch.ts";
import { type Pins, placeOnce } from "./pins.ts";

export const ARTIFACT_TYPE = "application/vnd.docker.compose.project";
export const CONFIG_TYPE = "application/vnd.docker.compose.config.empty.v1+json";
export const FILE_TYPE = "application/vnd.docker.compose.file+yaml";
export const ENV_TYPE = "application/vnd.docker.compose.envfile";
export const FILE_NAME = "com.docker.compose.file";
export const ENV_NAME = "com.docker.compose.envfile";
const IS_EXTENDED = "com.docker.compose.extends";
const MAIN = "compose.yaml";
const FETCH_TIME = 10 * 60_000;

/** The names of files in an artifact must not form a path: they could overwrite files of the host. Throws REMOTE_FILE. */
export function artifactFiles(parts: readonly ArtifactPart[], address: string): Map<string, Buffer> {
  const bad = (message: string) => new BayError("REMOTE_FILE", `${address}: ${message}`);
  const files = new Map<string, Buffer>();
  const nameOf = (part: ArtifactPart, key: string): string => {
    const name = part.annotations[key];
    if (name === undefined) throw bad(`a part of the artifact has no annotation ${key}`);
    if (
      !/^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$/.test(name) &&
      !/^\.[A-Za-z0-9_][A-Za-z0-9._-]{0,253}$/.test(name)
    )
      throw bad(`the file name ${JSON.stringify(name.slice(0, 200))} is not allowed in an artifact`);
    return name;
  };
  for (const part of parts) {
    if (part.mediaType === FILE_TYPE) {
      const name = part.annotations[IS_EXTENDED] === undefined ? MAIN : nameOf(part, FILE_NAME);
      const before = files.get(name);
      files.set(name, before ? Buffer.concat([before, Buffer.from("\n---\n"), part.bytes]) : part.bytes);
    } else if (part.mediaType === ENV_TYPE) files.set(nameOf(part, ENV_NAME), part.bytes);
    else throw bad(`unknown type of a part: ${part.mediaType}`);
  }
  if (!files.has(MAIN)) throw bad("the artifact has no stack file");
  return files;
}

/** Fetches the artifact that the address names now. Throws errors of the registry, REMOTE_FILE, GITOPS_TIMEOUT. */
export async function fetchArtifact(address: string, pins: Pins): Promise<Omit<RemoteFile, "pinFile">> {
  const reference = parseReference(address.slice("oci://".length));
  const credentials = await findCredentials(reference.registry);
  const { types, digest, parts } = await within(FETCH_TIME, new AbortController().signal, address, (limit) =>
    web.pullArtifact(reference, credentials, limit),
  );
  if (!types.some((type) => type === ARTIFACT_TYPE || type === CONFIG_TYPE))
    throw new BayError("REMOTE_FILE", `${address}: this is ${types[0] ?? "an artifact"}, not a stack file`, {
      hint: "bay publish makes such artifacts, and so does docker compose publish",
    });
  const files = artifactFiles(parts, address);
  const root = join(pins.filesOf(address, digest), reference.repository.split("/").at(-1)!);
  if (!existsSync(root)) {
    const work = pins.workFolder();
    try {
      for (const [name, bytes] of files) writeFileSync(join(work, name), bytes, { mode: 0o600, flag: "wx" });
      placeOnce(work, root);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return { file: join(root, MAIN), root, version: digest };
}
