/** Parses a context of a build (docker build, "Build context"; --build-context; Compose `build.context`). */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { BayError } from "../../core/errors.ts";
import { withoutPasswords } from "../../core/redaction.ts";
import type { ContextSource } from "../types.ts";
import { isGitUrl, parseGitUrl } from "./git-url.ts";

/** A directory, archive, repository, URL or image; paths are relative to `directory`. Throws NO_CONTEXT, BAD_GIT_URL. */
export function readSource(text: string, directory: string): ContextSource {
  const [, scheme, rest = ""] = /^([a-z][a-z0-9+.-]*):\/\/(.+)$/.exec(text) ?? [];
  if (scheme === "docker-image") return { kind: "image", reference: rest };
  if (scheme === "oci-layout") return layout(rest, directory);
  if (isGitUrl(text)) {
    parseGitUrl(text);
    return { kind: "git", url: text };
  }
  if (scheme === "http" || scheme === "https") return { kind: "web", url: text };
  if (scheme !== undefined)
    throw new BayError("NO_CONTEXT", `contexts with ${scheme}:// are not supported`, {
      hint: "use a directory, an archive, a git repository, an http(s) URL, docker-image:// or oci-layout://",
    });
  const path = resolve(directory, text);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) return { kind: "folder", path };
  if (stat?.isFile()) return { kind: "archive", path };
  throw new BayError("NO_CONTEXT", `the build directory ${text} does not exist`);
}

/** `PATH`, `PATH:TAG` or `PATH@DIGEST`. */
function layout(text: string, directory: string): ContextSource {
  const [, path = "", reference] = /^(.+?)(?:@(sha256:[0-9a-f]{64})|:[\w][\w.-]*)?$/.exec(text) ?? [];
  const tag = reference ?? (text.length > path.length ? text.slice(path.length + 1) : undefined);
  return { kind: "layout", path: resolve(directory, path), reference: tag };
}

/** A context with files; `what` describes it in messages. Throws NO_CONTEXT for an image. */
export function readFileSource(text: string, directory: string) {
  const source = readSource(text, directory);
  if (source.kind === "image" || source.kind === "layout")
    throw new BayError(
      "NO_CONTEXT",
      `${withoutPasswords(text)} is an image, which cannot be the main context of a build`,
    );
  return source;
}
