/**
 * Git repositories in the syntax of builds (docker build, "Git repositories"): an address, and in its fragment
 * (`#REF:FOLDER`) or its query (`?ref=…&subdir=…`) the revision and directory.
 */
import { BayError } from "../../core/errors.ts";
import { withoutPasswords } from "../../core/redaction.ts";

export interface GitUrl {
  /** The address for git, without a password, because every user of the host can see a command's arguments. */
  remote: string;
  /** `user:password` of an http address. */
  credentials: string | undefined;
  /** A branch, a tag, a full `refs/…`, or a commit; undefined for the repository's default branch. */
  ref: string | undefined;
  /** Relative, without `..`; empty for the whole repository. */
  folder: string;
  /** The expected beginning of the commit ID. */
  checksum: string | undefined;
  keepGitDir: boolean;
  submodules: boolean;
}

/** `user@host:path`, the form of ssh. */
const SCP = /^[A-Za-z0-9_.-]+@[^/:\s]+:[^\s]+$/;
const SCHEME = /^(?:git|ssh|https?):\/\//;
const QUERY = ["ref", "branch", "tag", "commit", "subdir", "checksum", "keep-git-dir", "submodules"];

/** Whether a context or a source of ADD is a repository; an http URL is one if its path ends with .git. */
export function isGitUrl(text: string): boolean {
  if (/^(?:git|ssh):\/\//.test(text) || text.startsWith("github.com/")) return true;
  if (SCHEME.test(text)) return /^[^?#]+\.git(?:[?#]|$)/.test(text);
  return SCP.test(text);
}

/** Parses a text for which `isGitUrl` is true. Throws BAD_GIT_URL. */
export function parseGitUrl(text: string): GitUrl {
  const bad = (message: string) => new BayError("BAD_GIT_URL", `${withoutPasswords(text)}: ${message}`);
  const [beforeFragment = "", fragment] = splitAt(text, "#");
  const [address = "", query] = SCP.test(beforeFragment) ? [beforeFragment] : splitAt(beforeFragment, "?");
  const wishes = new URLSearchParams(query ?? "");
  for (const key of wishes.keys())
    if (!QUERY.includes(key))
      throw bad(`unknown key ${JSON.stringify(key)}; expected one of ${QUERY.join(", ")}`);
  const one = (...keys: string[]) => {
    const found = keys.flatMap((key) => wishes.getAll(key));
    if (found.length > 1) throw bad(`only one of ${keys.join(", ")} can be used`);
    return found[0] || undefined;
  };
  const [fragmentRef, fragmentFolder] = splitAt(fragment ?? "", ":");
  const ref = one("ref", "branch", "tag", "commit");
  const folder = one("subdir");
  if ((ref && fragmentRef) || (folder && fragmentFolder))
    throw bad("the fragment and the query contradict each other");
  const chosen = qualified(wishes, ref) ?? (fragmentRef || undefined);
  if (chosen !== undefined && !/^[A-Za-z0-9][^\s~^:?*[\\\p{C}]*$/u.test(chosen))
    throw bad(`invalid branch, tag or commit ${JSON.stringify(chosen)}`);
  const [, scheme = "", user, password] = /^(\w+:\/\/)([^/?#:@]*)(?::([^/?#@]*))?@/.exec(address) ?? [];
  const isWeb = scheme.startsWith("http") && user !== undefined;
  const bare = address.replace(/^(\w+:\/\/)([^/?#:@]*)(?::[^/?#@]*)?@/, isWeb ? "$1" : "$1$2@");
  return {
    remote: bare.startsWith("github.com/") ? `https://${bare}` : bare,
    credentials: isWeb ? `${decoded(user)}:${decoded(password ?? "")}` : undefined,
    ref: chosen,
    folder: cleanFolder(folder ?? fragmentFolder ?? "", bad),
    checksum: one("checksum"),
    keepGitDir: isYes(one("keep-git-dir") ?? (wishes.has("keep-git-dir") ? "true" : "false")),
    submodules: isYes(one("submodules") ?? "true"),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a literal %
  }
}

const isYes = (text: string) => text === "true" || text === "1";

/** `branch=` and `tag=` choose between a branch and a tag with the same name. */
function qualified(wishes: URLSearchParams, ref: string | undefined): string | undefined {
  if (ref === undefined || ref.startsWith("refs/")) return ref;
  if (wishes.has("branch")) return `refs/heads/${ref}`;
  return wishes.has("tag") ? `refs/tags/${ref}` : ref;
}

function splitAt(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function cleanFolder(text: string, bad: (message: string) => BayError): string {
  const parts = text.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw bad(`the directory ${JSON.stringify(text)} is outside of the repository`);
  return parts.join("/");
}
