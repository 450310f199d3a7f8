/** Pushes a commit of bay to a branch, without a loss of commits that others have pushed. */
import { BayError } from "../../core/errors.ts";
import type { Clone } from "../git/repositories.ts";
import type { Source } from "../model/source.ts";

/** The branch that HEAD refers to, and the commit of one branch, both from the repository itself. */
interface RemoteState {
  head: string | undefined;
  tip: string | undefined;
}

/** Parses `git ls-remote --symref`, which also lists refs whose names only end like the one that was asked for. */
export function remoteState(listing: string, ref: string): RemoteState {
  const rows = listing.split("\n").map((row) => row.split("\t"));
  const captured = (name: string, pattern: RegExp) =>
    rows.map(([value = "", key]) => (key === name ? pattern.exec(value)?.[1] : undefined)).find(Boolean);
  return {
    head: captured("HEAD", /^ref: refs\/heads\/(.+)$/),
    tip: captured(ref, /^([0-9a-f]{40,64})$/),
  };
}

/** The branch that a source follows; undefined for a tag, a range of versions or a commit. */
const followedBranch = ({ branch, tag, semver, commit }: Source, head: string | undefined) =>
  branch ?? ((tag ?? semver ?? commit) ? undefined : head);

/**
 * Pushes a commit. A branch that one of the sources follows only moves forward. Another branch is replaced if it does not
 * exist, or if its last commit is `last`, which bay has pushed before. Throws GIT_FAILED, GITOPS_COMMIT.
 */
export async function pushImages(
  { run, url }: Pick<Clone, "run" | "url">,
  commit: string,
  { branch, last, sources }: { branch: string; last: string | undefined; sources: readonly Source[] },
): Promise<void> {
  const ref = `refs/heads/${branch}`;
  const { head, tip } = remoteState(await run(["ls-remote", "--symref", "--", url.remote, "HEAD", ref]), ref);
  const isFollowed = sources.some((source) => followedBranch(source, head) === branch);
  if (!isFollowed && tip !== undefined && tip !== last)
    throw new BayError(
      "GITOPS_COMMIT",
      `the branch ends with ${tip.slice(0, 12)}, a commit that bay did not push for this source, and is not replaced: delete the branch, or use another one for write_back`,
    );
  const lease = isFollowed ? [] : [`--force-with-lease=${ref}:${tip ?? ""}`];
  await run(["push", "-q", ...lease, "--", url.remote, `${commit}:${ref}`]);
}
