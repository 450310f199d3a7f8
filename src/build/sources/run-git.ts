/** Runs the host's git without the user's settings, hooks and filters, and with an allow-list of transports. */
import { execFile } from "node:child_process";
import { BayError, hasCode } from "../../core/errors.ts";
import { withoutPasswords } from "../../core/redaction.ts";
import type { GitUrl } from "./git-url.ts";

/** Credentials for private repositories. */
export interface GitAccess {
  /** The socket of an SSH agent. */
  agent: string | undefined;
  /** A token, or a whole Authorization header, for a host. */
  secret: (id: string) => string | undefined;
  /** If its reason is a BayError, git fails with it. */
  signal: AbortSignal | undefined;
  /** Additional variables of git, such as GIT_SSL_CAINFO. */
  environment?: NodeJS.ProcessEnv;
  /** The address may be a path of this host. Never with submodules, because these could name any path. */
  allowFiles?: boolean;
  /** `latin1` keeps each byte of the output as a character. Default: utf8. */
  encoding?: "utf8" | "latin1";
}

const MAX_OUTPUT = 64 << 20;
/** A submodule must not refer to a repository of this host. */
const REMOTE = "git:http:https:ssh";

/** Runs git and returns its output. Throws GIT_FAILED with git's last line, MISSING_TOOL, ABORTED. */
export function runGit(
  words: readonly string[],
  { remote, credentials }: Pick<GitUrl, "remote" | "credentials">,
  access: GitAccess,
  protocols = access.allowFiles ? `${REMOTE}:file` : REMOTE,
): Promise<string> {
  const { signal } = access;
  const env: NodeJS.ProcessEnv = {
    ...environment(remote, credentials, access),
    GIT_ALLOW_PROTOCOL: protocols,
  };
  const options = { env, maxBuffer: MAX_OUTPUT, signal, encoding: access.encoding ?? ("utf8" as const) };
  return new Promise((resolve, reject) => {
    execFile("git", [...SAFE, ...words], options, (cause, out, told) => {
      if (!cause) return resolve(out);
      if (hasCode(cause, "ENOENT"))
        return reject(
          new BayError("MISSING_TOOL", "git is not installed", { hint: "apt-get install git", cause }),
        );
      if (signal?.aborted)
        return reject(
          signal.reason instanceof BayError
            ? signal.reason
            : new BayError("ABORTED", "the build was interrupted", { cause }),
        );
      const line = reasonIn(told).replace(/\p{C}/gu, "?");
      // git would ask for a user here, and says that it cannot
      const asks = /could not read (Username|Password)|terminal prompts disabled|Authentication failed/.test(
        line,
      );
      const why = asks
        ? `authentication failed: the server ${env.GIT_CONFIG_COUNT ? "rejected the credentials" : "requires credentials"}`
        : `git failed: ${withoutPasswords(line)}`;
      reject(new BayError("GIT_FAILED", `${withoutPasswords(remote)}: ${why}`));
    });
  });
}

/** The line of git's output that says why it failed: advice can follow it, and what ssh says comes before it. */
function reasonIn(told: string): string {
  const lines = told.split("\n").filter((line) => line.trim() !== "");
  const at = lines.findLastIndex((line) => /^(fatal|error): /.test(line));
  const isOfTransport = at > 0 && lines[at]!.includes("Could not read from remote repository");
  return (isOfTransport ? lines[at - 1] : (lines[at] ?? lines.at(-1))) ?? "";
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
  { agent, secret, environment: more }: GitAccess,
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
    ...more,
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
