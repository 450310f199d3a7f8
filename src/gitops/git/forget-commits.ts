/** Keeps the clone of a followed repository small: objects of earlier commits are removed from time to time. */
import type { Clone } from "./repositories.ts";

/** Fetched commits that are kept. Each further one would need its objects until the next collection. */
const MAX_KEPT = 16;
const FETCHED = /^refs\/bay\/[0-9a-f]{40}$/;

/**
 * If many commits were fetched, removes all but the current one. A commit that is needed again is fetched again. Never throws:
 * a clone that is larger than necessary is not a failure of the commit.
 */
export async function forgetOldCommits(run: Clone["run"], current: string): Promise<void> {
  try {
    const refs = (await run(["for-each-ref", "--format=%(refname)", "refs/bay"])).split("\n");
    const old = refs.filter((ref) => FETCHED.test(ref) && ref !== `refs/bay/${current}`);
    if (old.length < MAX_KEPT) return;
    for (const ref of old) await run(["update-ref", "-d", ref]);
    // reflogs do not exist in a bare repository, so that nothing else refers to the objects
    await run(["-c", "gc.pruneExpire=now", "-c", "gc.autoDetach=false", "gc", "--quiet"]);
  } catch {
    // the next fetch tries again
  }
}
