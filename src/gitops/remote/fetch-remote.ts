/** Fetches remote stack files once, and tells when a file is fetched and what it is pinned to. */
import { join } from "node:path";
import { withoutPasswords } from "../../core/redaction.ts";
import type { RemoteFile } from "../../stack/index.ts";
import { Pins } from "./pins.ts";

/** The local copy of a file that was fetched before; undefined if it was not. */
export const pinnedFile = (root: string, address: string): RemoteFile | undefined =>
  new Pins(join(root, "remote-files")).get(address);

/**
 * The local copy of the file. With `isRefreshed`, it is fetched again; otherwise only if it was not fetched before. The server
 * of an address that is `isForeign`, because a fetched file names it, gets no credentials but its own. Throws REMOTE_FILE, BAD_GIT_URL, GIT_FAILED, NO_GIT_REF, GITOPS_COMMIT, and errors of registries.
 */
export async function remoteFile(
  root: string,
  address: string,
  { isRefreshed, isForeign }: { isRefreshed: boolean; isForeign: boolean },
): Promise<RemoteFile> {
  const pins = new Pins(join(root, "remote-files"));
  const known = pins.get(address);
  if (known && !isRefreshed) return known;
  const fetched = address.startsWith("oci://")
    ? await (await import("./compose-artifact.ts")).fetchArtifact(address, pins)
    : await (await import("./fetch-git.ts")).fetchGitFile(address, pins, isForeign);
  if (known?.version !== fetched.version) {
    const change = known ? `${known.version} -> ${fetched.version}` : fetched.version;
    process.stderr.write(`fetched ${withoutPasswords(address)}: ${change}\n`);
  }
  return pins.put(address, fetched);
}
