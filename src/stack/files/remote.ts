/**
 * Stack files in git repositories and registries, as -f and `include` name them. They are fetched before the stack is loaded,
 * so that loading itself uses no network: a file that is missing is asked for, and the stack is loaded again.
 */
import { resolve } from "node:path";
import { BayError } from "../../core/errors.ts";
import { withoutPasswords } from "../../core/redaction.ts";

/** A fetched stack file. */
export interface RemoteFile {
  /** Absolute. */
  file: string;
  /** The directory of everything that was fetched with it, which its paths must not leave. */
  root: string;
  /** The commit or the digest. */
  version: string;
  /** A change of this file means that the address was fetched again. */
  pinFile: string;
}

export interface RemoteOptions {
  /** Fetched files by their addresses. */
  remotes?: Readonly<Record<string, RemoteFile>>;
  /** Called for an address that was not fetched yet. `isForeign`: a fetched file names it, and not the user. */
  onRemote?: (address: string, isForeign: boolean) => void;
}

const REMOTE = /^(oci|https?|ssh|git|file):\/\/|^[A-Za-z0-9_.-]+@[^/:\s]+:|^github\.com\/|\.git(#|$)/;

/** Whether a path names a file in a git repository or a registry. */
export const isRemote = (path: string): boolean => REMOTE.test(path);

const ON_A_SERVER = /^(oci|https?|ssh|git):\/\/[^/]|^[A-Za-z0-9_.-]+@[^/:\s]+:|^github\.com\//;

/** Whether an address names a server. The others name a repository of this host. */
export const isOnServer = (address: string): boolean => ON_A_SERVER.test(address);

/** Whether a path is in a directory, or the directory itself. Both are absolute. */
export const isWithin = (root: string, path: string): boolean => path === root || path.startsWith(`${root}/`);

/** What was fetched with a file; undefined for a file of this host. */
export function rootOf({ remotes = {} }: RemoteOptions, path: string): string | undefined {
  return Object.values(remotes).find(({ root }) => isWithin(root, resolve(path)))?.root;
}

/** The local copy. Throws REMOTE_FILE if it was not fetched. */
export function fetchedFile({ remotes, onRemote }: RemoteOptions, address: string): string {
  const known = remotes?.[address];
  if (known) return known.file;
  onRemote?.(address, false);
  throw new BayError("REMOTE_FILE", `the stack file ${withoutPasswords(address)} was not fetched`);
}
