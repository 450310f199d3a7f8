/**
 * Fetches files of git repositories with the host's git: objects are kept between builds, and a checkout exists only
 * during its build. Repositories are untrusted: their hooks, filters and transports are not used.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import { withoutPasswords } from "../../core/redaction.ts";
import type { GitUrl } from "./git-url.ts";
import { type GitAccess, runGit as git } from "./run-git.ts";

export type { GitAccess } from "./run-git.ts";
export { runGit } from "./run-git.ts";

const COMMIT = /^[0-9a-f]{40}$/;
const LOCAL = "file";

export class GitRepositories {
  /** Fetches into the same repository run one after another. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(readonly directory: string) {}

  /** Resolves the requested commit in the remote repository. Throws GIT_FAILED, NO_GIT_REF, WRONG_DIGEST. */
  async resolve(url: GitUrl, access: GitAccess): Promise<string> {
    const { ref, checksum } = url;
    const commit = ref && COMMIT.test(ref) ? ref : await this.#ask(url, access);
    if (checksum && !commit.startsWith(checksum))
      throw new BayError(
        "WRONG_DIGEST",
        `${withoutPasswords(url.remote)}: the commit is ${commit}, expected ${checksum}`,
      );
    return commit;
  }

  /** The commits of all branches and tags by their full names, as the remote repository has them. Throws GIT_FAILED. */
  async refs(url: GitUrl, access: GitAccess): Promise<Map<string, string>> {
    const out = await git(["ls-remote", "--", url.remote], url, access);
    return new Map(out.split("\n").map((line) => line.split("\t").reverse() as [string, string]));
  }

  async #ask(url: GitUrl, access: GitAccess): Promise<string> {
    const { remote, ref } = url;
    const known = await this.refs(url, access);
    const names = ref === undefined ? ["HEAD"] : candidates(ref);
    const found = names.find((name) => known.has(name));
    if (found) return known.get(found)!;
    throw new BayError("NO_GIT_REF", `${withoutPasswords(remote)} has no ${ref ?? "HEAD"}`, {
      hint: "use a branch, a tag or a full commit hash",
    });
  }

  /** The directory of the kept objects of a remote repository. */
  repositoryOf(remote: string): string {
    return join(this.directory, `${createHash("sha256").update(remote).digest("hex").slice(0, 24)}.git`);
  }

  /** Fetches a commit, and runs an action while no other fetch changes the repository. Throws GIT_FAILED. */
  withCommit<T>(
    url: GitUrl,
    commit: string,
    access: GitAccess,
    action: (repository: string) => Promise<T>,
  ): Promise<T> {
    const repository = this.repositoryOf(url.remote);
    return this.#inTurn(repository, async () => {
      await this.#fetch(repository, url, commit, access);
      return action(repository);
    });
  }

  /** Checks out a commit into an empty directory. Throws GIT_FAILED. */
  async checkOut(url: GitUrl, commit: string, target: string, access: GitAccess): Promise<void> {
    const { remote } = url;
    const repository = this.repositoryOf(remote);
    await this.#inTurn(repository, async () => {
      await this.#fetch(repository, url, commit, access);
      utimesSync(repository, new Date(), new Date());
      // a separate repository, for submodules and if .git is kept
      await git(["init", "-q", target], url, access);
      const fetch = ["-C", target, "fetch", "-q", "--depth=1", repository, commit];
      await git(fetch, url, access, LOCAL);
    });
    await git(["-C", target, "checkout", "-q", "--force", "--detach", commit], url, access);
    if (url.submodules && existsSync(join(target, ".gitmodules"))) {
      await git(["-C", target, "remote", "add", "origin", remote], url, access);
      const update = ["submodule", "update", "-q", "--init", "--recursive", "--depth=1"];
      await git(["-C", target, ...update], url, access);
    }
    if (!url.keepGitDir) rmSync(join(target, ".git"), { recursive: true, force: true });
  }

  /** Fetches a commit; if the server does not allow that, its branch, and finally everything. */
  async #fetch(repository: string, url: GitUrl, commit: string, access: GitAccess): Promise<void> {
    const { remote, ref } = url;
    if (!existsSync(repository)) {
      mkdirSync(this.directory, { recursive: true, mode: 0o700 });
      await git(["init", "-q", "--bare", repository], url, access);
      await git(["-C", repository, "config", "uploadpack.allowAnySHA1InWant", "true"], url, access);
    }
    const has = () =>
      git(["-C", repository, "cat-file", "-e", `${commit}^{commit}`], url, access).then(
        () => true,
        () => false,
      );
    if (await has()) return;
    const keep = `+${commit}:refs/bay/${commit}`;
    const tries = [
      ["--depth=1", "--", remote, keep],
      ...(ref && !COMMIT.test(ref) ? [["--depth=1", "--", remote, `+${ref}:refs/bay/${commit}`]] : []),
      ["--tags", "--", remote, "+refs/*:refs/bay/all/*"],
    ];
    let failure: unknown;
    for (const words of tries) {
      try {
        await git(
          ["-C", repository, "fetch", "-q", "--no-auto-gc", "--no-write-fetch-head", ...words],
          url,
          access,
        );
        if (await has()) return;
      } catch (error) {
        if (access.signal?.aborted) throw error;
        failure = error;
      }
    }
    throw failure ?? new BayError("NO_GIT_REF", `${withoutPasswords(remote)} has no commit ${commit}`);
  }

  #inTurn<T>(name: string, action: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(action, action);
    this.#turns.set(name, turn);
    return turn.finally(() => this.#turns.get(name) === turn && this.#turns.delete(name));
  }
}

/** The refs that a short name can mean; a branch before a tag, as in git checkout. */
function candidates(ref: string): string[] {
  if (ref.startsWith("refs/")) return [`${ref}^{}`, ref];
  return [`refs/heads/${ref}`, `refs/tags/${ref}^{}`, `refs/tags/${ref}`, `refs/${ref}`, ref];
}
