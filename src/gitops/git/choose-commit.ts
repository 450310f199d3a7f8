/** The commit that a source follows, from the branches and tags of the remote repository. */
import { BayError } from "../../core/errors.ts";
import type { SourceRules } from "../model/source.ts";

export interface Target {
  commit: string;
  /** The full name of the branch or tag; undefined for a fixed commit. */
  ref: string | undefined;
}

/** `refs` are commits by full names, with `NAME^{}` for what an annotated tag refers to. Throws NO_GIT_REF, BAD_GITOPS. */
export async function chooseCommit(source: SourceRules, refs: ReadonlyMap<string, string>): Promise<Target> {
  const { branch, tag, semver, commit } = source;
  if (commit) return { commit, ref: undefined };
  if (semver) return newest(semver, refs);
  const ref = branch ? `refs/heads/${branch}` : tag ? `refs/tags/${tag}` : "HEAD";
  const found = refs.get(`${ref}^{}`) ?? refs.get(ref);
  if (found && COMMIT.test(found)) return { commit: found, ref };
  const what = branch ? `the branch ${branch}` : tag ? `the tag ${tag}` : "the default branch";
  throw new BayError("NO_GIT_REF", `${what} does not exist in the repository`);
}

const COMMIT = /^[0-9a-f]{40}$/;

/** The highest version of all tags that are in a range of versions (semver.org, in the notation of npm). */
async function newest(range: string, refs: ReadonlyMap<string, string>): Promise<Target> {
  const { default: semver } = await import("semver");
  if (semver.validRange(range) === null)
    throw new BayError("BAD_GITOPS", `invalid range of versions ${JSON.stringify(range)}`);
  const tags = [...refs.keys()].filter((name) => name.startsWith("refs/tags/") && !name.endsWith("^{}"));
  const versions = tags.flatMap((ref) => {
    const version = semver.parse(ref.slice("refs/tags/".length), { loose: true });
    return version && semver.satisfies(version, range) ? [{ ref, version }] : [];
  });
  const [best] = versions.sort((a, b) => semver.rcompare(a.version, b.version));
  if (!best) throw new BayError("NO_GIT_REF", `the repository has no tag in the range ${range}`);
  return { commit: refs.get(`${best.ref}^{}`) ?? refs.get(best.ref)!, ref: best.ref };
}
