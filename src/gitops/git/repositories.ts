/** The shared clones of followed repositories: one for each address, fetched with a time limit. */

import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type GitRepositories, type GitUrl, loadGit, parseGitUrl } from "../../build/index.ts";
import { BayError } from "../../core/errors.ts";
import { withoutPasswords } from "../../core/redaction.ts";
import type { Source } from "../model/source.ts";
import type { Commit } from "../model/status.ts";
import { boundPack, within } from "./bound-fetch.ts";
import { chooseCommit, type Target } from "./choose-commit.ts";
import type { GitCredentials } from "./credentials.ts";
import { forgetOldCommits } from "./forget-commits.ts";

const ASK_TIME = 60_000;
const FETCH_TIME = 10 * 60_000;
/** Milliseconds for which sources of the same repository share an answer. */
const SHARED_FOR = 2000;

/** Parses the address of a repository. Throws BAD_GITOPS, BAD_GIT_URL. */
export function repositoryUrl(repo: string): GitUrl {
  const fixed = { ref: undefined, folder: "", checksum: undefined, keepGitDir: false, submodules: false };
  if (repo.startsWith("/") || repo.startsWith("file:///"))
    return { remote: repo, credentials: undefined, ...fixed };
  if (!/^(https?|ssh|git):\/\/[^/]/.test(repo) && !/^[A-Za-z0-9_.-]+@[^/:\s]+:[^\s]+$/.test(repo))
    throw new BayError("BAD_GITOPS", `invalid repository ${JSON.stringify(withoutPasswords(repo))}`, {
      hint: "expected https://…, ssh://…, git://…, user@host:path, or an absolute path on this host",
    });
  if (/[#?]/.test(repo))
    throw new BayError("BAD_GITOPS", "the address of the repository must not have # or ?", {
      hint: "use --branch, --tag or --commit, and --path",
    });
  const url = parseGitUrl(repo);
  if (url.credentials !== undefined)
    throw new BayError("BAD_GITOPS", "the address of the repository must not have a user or a password", {
      hint: "put them into a file, and use --auth FILE",
    });
  return { ...url, ...fixed };
}

export class FollowedRepositories {
  #git: GitRepositories | undefined;
  readonly #answers = new Map<string, { at: number; refs: Promise<Map<string, string>> }>();

  constructor(
    readonly directory: string,
    readonly credentials: GitCredentials,
  ) {}

  async #repositories(): Promise<GitRepositories> {
    const { GitRepositories } = await loadGit();
    this.#git ??= new GitRepositories(this.directory);
    return this.#git;
  }

  /** The commit that a source follows now. Throws GIT_FAILED, GITOPS_TIMEOUT, NO_GIT_REF. */
  async resolve(source: Source, isForced: boolean, signal: AbortSignal): Promise<Target> {
    if (source.commit) return { commit: source.commit, ref: undefined };
    const url = repositoryUrl(source.repo);
    // an answer is shared only by sources that have no credentials of their own
    const hasSecrets = this.credentials.has(source.name);
    const known = hasSecrets || isForced ? undefined : this.#answers.get(url.remote);
    const isFresh = known && Date.now() - known.at < SHARED_FOR;
    const refs = isFresh ? known.refs : this.#ask(source, url, signal);
    if (!isFresh && !hasSecrets) {
      if (this.#answers.size > 1000) this.#answers.clear();
      this.#answers.set(url.remote, { at: Date.now(), refs });
    }
    return chooseCommit(source, await refs);
  }

  async #ask(source: Source, url: GitUrl, signal: AbortSignal): Promise<Map<string, string>> {
    const repositories = await this.#repositories();
    return within(ASK_TIME, signal, url.remote, (limit) =>
      repositories.refs(url, this.credentials.access(source.name, url.remote, limit)),
    );
  }

  /**
   * Fetches a commit and runs an action on the clone, while nothing else changes it. Throws GIT_FAILED, GITOPS_TIMEOUT,
   * GITOPS_COMMIT if the repository is too large.
   */
  async withCommit<T>(
    source: Source,
    { commit, ref }: Target,
    signal: AbortSignal,
    action: (clone: Clone) => Promise<T>,
  ): Promise<T> {
    const repositories = await this.#repositories();
    const url = { ...repositoryUrl(source.repo), ref };
    return within(FETCH_TIME, signal, url.remote, async (limit) => {
      const [bounded, end] = boundPack(repositories.repositoryOf(url.remote), limit);
      try {
        const access = this.credentials.access(source.name, url.remote, bounded);
        return await repositories.withCommit(url, commit, access, async (path) => {
          const { runGit } = await loadGit();
          const run = (words: readonly string[], environment: NodeJS.ProcessEnv = {}) =>
            runGit([`--git-dir=${path}`, ...words], url, {
              ...access,
              environment: { ...access.environment, ...environment },
            });
          const read = async (object: string) => {
            const words = [`--git-dir=${path}`, "cat-file", "blob", object];
            return Buffer.from(await runGit(words, url, { ...access, encoding: "latin1" }), "latin1");
          };
          const result = await action({ path, url, commit, run, read });
          await forgetOldCommits(run, commit);
          return result;
        });
      } finally {
        end();
      }
    });
  }

  /** Removes what an interrupted fetch left behind. Only at start, before any git runs. */
  sweep(): void {
    if (!existsSync(this.directory)) return;
    for (const name of readdirSync(this.directory)) {
      const repository = join(this.directory, name);
      if (!name.endsWith(".git") || !existsSync(join(repository, "HEAD"))) {
        rmSync(repository, { recursive: true, force: true });
        continue;
      }
      for (const folder of [".", "objects/pack", "refs/bay"]) {
        const path = join(repository, folder);
        if (!existsSync(path)) continue;
        for (const file of readdirSync(path))
          if (file.endsWith(".lock") || file.startsWith("tmp_") || file.startsWith("trust-"))
            rmSync(join(path, file), { recursive: true, force: true });
      }
    }
  }

  /** Removes the clones of repositories that no source follows. */
  keepOnly(remotes: readonly string[]): void {
    if (!existsSync(this.directory) || !this.#git) return;
    const kept = new Set(remotes.map((remote) => this.#git!.repositoryOf(remote)));
    for (const name of readdirSync(this.directory)) {
      const path = join(this.directory, name);
      if (!kept.has(path)) rmSync(path, { recursive: true, force: true });
    }
  }
}

/** A clone that has a commit. */
export interface Clone {
  path: string;
  url: GitUrl;
  commit: string;
  run: (words: readonly string[], environment?: NodeJS.ProcessEnv) => Promise<string>;
  /** The bytes of a file in the repository. */
  read: (object: string) => Promise<Buffer>;
}

const SEPARATOR = "%x1f";

/** The author and the subject of a commit, for status and logs. */
export async function describeCommit({ run, commit }: Pick<Clone, "run" | "commit">): Promise<Commit> {
  const format = `--format=%an${SEPARATOR}%cI${SEPARATOR}%s`;
  const out = await run(["show", "--no-patch", "--no-show-signature", format, commit, "--"]);
  const [author = "", committedAt = "", subject = ""] = out.trim().split("\x1f");
  const plain = (text: string) => text.replace(/\p{C}/gu, "?").slice(0, 200);
  return { id: commit, author: plain(author), committedAt: plain(committedAt), subject: plain(subject) };
}
