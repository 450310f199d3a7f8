/** Image references as Docker reads them: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`. */
import { BayError, messageOf } from "./errors.ts";

export interface Reference {
  registry: string;
  repository: string;
  tag: string | undefined;
  digest: string | undefined;
}

const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
/** A host with a port, or an IPv6 address in brackets (the distribution project's reference grammar). */
const REGISTRY =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Throws BAD_REFERENCE. `nginx` is docker.io/library/nginx:latest. */
export function parseReference(text: string): Reference {
  const bad = (why: string) =>
    new BayError("BAD_REFERENCE", `invalid image reference ${JSON.stringify(text)}: ${why}`);
  const [named = "", digest, ...rest] = text.split("@");
  if (rest.length > 0 || (digest !== undefined && !DIGEST.test(digest)))
    throw bad("the digest must be sha256: and 64 hexadecimal digits");
  const slash = named.indexOf("/");
  const head = named.slice(0, Math.max(slash, 0));
  const hasRegistry = slash > 0 && (/[.:]/.test(head) || head === "localhost");
  if (hasRegistry && !REGISTRY.test(head))
    throw bad("the registry must be a host name with an optional port");
  const remainder = hasRegistry ? named.slice(slash + 1) : named;
  const colon = remainder.lastIndexOf(":");
  const path = colon === -1 ? remainder : remainder.slice(0, colon);
  const tag = colon === -1 ? undefined : remainder.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) throw bad(`the tag ${JSON.stringify(tag)}`);
  if (!PATH.test(path) || path.length > 255) {
    throw bad(path === path.toLowerCase() ? "the name" : "the name must be lower case");
  }
  // Docker's own configuration files use this name for the registry
  const registry = hasRegistry && head !== "index.docker.io" ? head : "docker.io";
  const repository = registry === "docker.io" && !path.includes("/") ? `library/${path}` : path;
  return { registry, repository, tag: tag ?? (digest ? undefined : "latest"), digest };
}

/** Describes why a reference is invalid; undefined if it is valid. */
export function whyNoReference(text: string): string | undefined {
  try {
    parseReference(text);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** The canonical form, for keys: always with registry and tag or digest. */
export function canonicalReference(text: string): string {
  const { registry, repository, tag, digest } = parseReference(text);
  return `${registry}/${repository}${tag ? `:${tag}` : ""}${digest ? `@${digest}` : ""}`;
}

/** The short form that people write: without docker.io/library and :latest stays. */
export function familiarReference(canonical: string): string {
  return canonical.replace(/^docker\.io\/(library\/)?/, "");
}

/** The canonical form of a text that may be a name; an ID is returned unchanged. */
export function nameOrId(text: string): string {
  try {
    return canonicalReference(text);
  } catch {
    return text;
  }
}
