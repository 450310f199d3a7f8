/**
 * Fetches files of git repositories with the host's git: objects are kept between builds, and a checkout exists only
 * during its build. Repositories are untrusted: their hooks, filters and transports are not used.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { BayError, hasCode } from "../../core/errors.ts";
import { withoutPasswords } from "../../core/redaction.ts";
import type { GitUrl } from "./git-url.ts";

/** The build's credentials for private repositories. */
export interface GitAccess {
  /** The socket of an SSH agent. */
  agent: string | undefined;
  /** A token, or a whole Authorization header, for a host. */
  secret: (id: string) => string | undefined;
  signal: AbortSignal | undefined;
}

const COMMIT = /^[0-9a-f]{40}$/;
const MAX_OUTPUT = 64 << 20;
/** A submodule must not refer to a repository of this host. */
const REMOTE = "git:http:https:ssh";
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

  async #ask(url: GitUrl, access: GitAccess): Promise<string> {
    const { remote, ref } = url;
    const out = await git(["ls-remote", "--", remote], url, access);
    const known = new Map(out.split("\n").map((line) => line.split("\t").reverse() as [string, string]));
    const names = ref === undefined ? ["HEAD"] : candidates(ref);
    const found = names.find((name) => known.has(name));
    if (found) return known.get(found)!;
    throw new BayError("NO_GIT_REF", `${withoutPasswords(remote)} has no ${ref ?? "HEAD"}`, {
      hint: "use a branch, a tag or a full commit hash",
    });
  }

  /** Checks out a commit into an empty directory. Throws GIT_FAILED. */
  async checkOut(url: GitUrl, commit: string, target: string, access: GitAccess): Promise<void> {
    const { remote } = url;
    const repository = join(
      this.directory,
      `${createHash("sha256").update(remote).digest("hex").slice(0, 24)}.git`,
    );
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

/** Runs git and returns its output. Throws GIT_FAILED with git's last line, MISSING_TOOL, ABORTED. */
function git(
  words: readonly string[],
  { remote, credentials }: GitUrl,
  access: GitAccess,
  protocols = REMOTE,
): Promise<string> {
  const { signal } = access;
  const env = { ...environment(remote, credentials, access), GIT_ALLOW_PROTOCOL: protocols };
  const options = { env, maxBuffer: MAX_OUTPUT, signal };
  return new Promise((resolve, reject) => {
    execFile("git", [...SAFE, ...words], options, (cause, out, told) => {
      if (!cause) return resolve(out);
      if (hasCode(cause, "ENOENT"))
        return reject(
          new BayError("MISSING_TOOL", "git is not installed", { hint: "apt-get install git", cause }),
        );
      if (signal?.aborted) return reject(new BayError("ABORTED", "the build was interrupted", { cause }));
      const line = told.trim().split("\n").at(-1)!.replace(/\p{C}/gu, "?");
      reject(
        new BayError("GIT_FAILED", `${withoutPasswords(remote)}: git failed: ${withoutPasswords(line)}`),
      );
    });
  });
}

/** Options that keep an untrusted repository from running programs. */
const SAFE = [
  "-c",
  "core.hooksPath=/dev/null",
  "-c",
  "core.fsmonitor=false",
  "-c",
  "advice.detachedHead=false",
];

/** Ignores the user's settings; secrets are passed in the environment, which other users cannot see. */
function environment(
  remote: string,
  credentials: string | undefined,
  { agent, secret }: GitAccess,
): NodeJS.ProcessEnv {
  const { PATH, HOME, SSL_CERT_FILE, SSL_CERT_DIR } = process.env;
  const proxies = Object.entries(process.env).filter(([name]) => /^(https?|no|all)_proxy$/i.test(name));
  const header = authorization(remote, credentials, secret);
  return {
    ...Object.fromEntries(proxies),
    PATH,
    HOME,
    SSL_CERT_FILE,
    SSL_CERT_DIR,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    GIT_SSH_COMMAND: "ssh -o BatchMode=yes",
    ...(agent ? { SSH_AUTH_SOCK: agent } : {}),
    ...(header
      ? {
          GIT_CONFIG_COUNT: "1",
          GIT_CONFIG_KEY_0: `http.${new URL(remote).origin}/.extraHeader`,
          GIT_CONFIG_VALUE_0: `Authorization: ${header}`,
        }
      : {}),
  };
}

/** BuildKit's names: GIT_AUTH_TOKEN and GIT_AUTH_HEADER, optionally with a host; or else the address's credentials. */
function authorization(
  remote: string,
  credentials: string | undefined,
  secret: GitAccess["secret"],
): string | undefined {
  if (!/^https?:/.test(remote)) return undefined;
  const { host } = new URL(remote);
  const header = secret(`GIT_AUTH_HEADER.${host}`) ?? secret("GIT_AUTH_HEADER");
  if (header) return header.trim();
  const token = secret(`GIT_AUTH_TOKEN.${host}`) ?? secret("GIT_AUTH_TOKEN");
  const pair = token ? `x-access-token:${token.trim()}` : credentials;
  return pair && `Basic ${Buffer.from(pair).toString("base64")}`;
}
