/** Texts of builds that name something elsewhere: caches, contexts, repositories. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCacheSource, readCacheTarget } from "../../../src/build/cache/cache-option.ts";
import { isGitUrl, parseGitUrl } from "../../../src/build/sources/git-url.ts";
import { readFileSource, readSource } from "../../../src/build/sources/read-source.ts";

const code = (name: string, message?: string | RegExp) =>
  expect.objectContaining({
    code: name,
    ...(message === undefined ? {} : { message: expect.stringMatching(message) }),
  });

describe("a cache of builds", () => {
  it("is read from a registry, a directory, or an image", () => {
    expect(readCacheSource("example.test/app:cache", "/d")).toEqual({
      kind: "registry",
      reference: "example.test/app:cache",
    });
    expect(readCacheSource("type=registry,ref=a:1", "/d")).toEqual({ kind: "registry", reference: "a:1" });
    expect(readCacheSource('type=local,"src=with,comma"', "/d")).toEqual({
      kind: "local",
      path: "/d/with,comma",
    });
  });

  it("is written with its mode", () => {
    expect(readCacheTarget("type=local,dest=out,mode=max,ignore-error=true", "/d")).toEqual({
      kind: "local",
      path: "/d/out",
      mode: "max",
      ignoreError: true,
    });
    expect(readCacheTarget("type=inline", "/d")).toEqual({ kind: "inline", mode: "min", ignoreError: false });
    expect(readCacheTarget("a:1", "/d")).toMatchObject({ kind: "registry", mode: "min" });
  });

  it.each([
    ["type=inline", readCacheSource, "an inline cache is imported with type=registry"],
    ["type=registry", readCacheSource, "type=registry needs a ref"],
    ["type=local", readCacheSource, "type=local needs a src"],
    ["type=local", readCacheTarget, "type=local needs a dest"],
    ["type=s3,ref=a", readCacheSource, "type=s3 is not supported; use registry, local or inline"],
    ["type=disk", readCacheTarget, 'unknown type "disk"'],
    ["ref=a", readCacheSource, "the type is missing"],
    ["type=local,dest=x,mode=some", readCacheTarget, "mode: expected min or max, got some"],
    ["type=inline,mode=max", readCacheTarget, "an inline cache holds the steps of the image only"],
    ["type=local,dest=x,compression=gzip", readCacheTarget, "compression=gzip is not supported"],
    ["type=local,dest=x,oci-mediatypes=false", readCacheTarget, "oci-mediatypes=false is not supported"],
    ["type=local,desk=x", readCacheTarget, 'unknown key "desk"'],
    ["type=local,=,src", readCacheSource, "unknown key|has no value"],
  ])("is rejected: %s", (text, read, message) => {
    expect(() => read(text, "/d")).toThrow(code("BAD_OPTION", message));
  });
});

describe("a git repository", () => {
  it.each([
    "https://example.test/a.git",
    "http://example.test/a.git#main",
    "git://example.test/a",
    "ssh://git@example.test/a",
    "git@example.test:a/b",
    "github.com/a/b",
  ])("is %s", (text) => expect(isGitUrl(text)).toBe(true));
  it.each([
    "https://example.test/a.tar",
    "./a.git",
    "a",
    "https://example.test/?x=a.git",
  ])("is not %s", (text) => expect(isGitUrl(text)).toBe(false));

  it("has its revision and its directory in the fragment or the query", () => {
    expect(parseGitUrl("https://example.test/a.git#v1:sub/./dir")).toEqual({
      remote: "https://example.test/a.git",
      credentials: undefined,
      ref: "v1",
      folder: "sub/dir",
      checksum: undefined,
      keepGitDir: false,
      submodules: true,
    });
    expect(
      parseGitUrl("https://example.test/a.git?branch=v1&subdir=x&checksum=ab&keep-git-dir&submodules=false"),
    ).toMatchObject({
      ref: "refs/heads/v1",
      folder: "x",
      checksum: "ab",
      keepGitDir: true,
      submodules: false,
    });
    expect(parseGitUrl("https://example.test/a.git?tag=v1").ref).toBe("refs/tags/v1");
    expect(parseGitUrl("https://example.test/a.git?ref=refs/pull/1/head").ref).toBe("refs/pull/1/head");
    expect(parseGitUrl("github.com/a/b#main").remote).toBe("https://github.com/a/b");
    expect(parseGitUrl("git@example.test:a/b#main")).toMatchObject({
      remote: "git@example.test:a/b",
      ref: "main",
    });
  });

  it("never has its password in the address for git", () => {
    const part = fc.stringMatching(/^[A-Za-z0-9._~-]{1,12}$/);
    fc.assert(
      fc.property(part, part, (user, password) => {
        const { remote, credentials } = parseGitUrl(`https://${user}:${password}@example.test/a.git`);
        expect([remote, credentials]).toEqual(["https://example.test/a.git", `${user}:${password}`]);
      }),
    );
    expect(parseGitUrl("https://me:a%40b@example.test/a.git").credentials).toBe("me:a@b");
    expect(parseGitUrl("https://me:100%@example.test/a.git").credentials).toBe("me:100%");
    expect(parseGitUrl("ssh://git:x@example.test/a").remote).toBe("ssh://git@example.test/a");
    expect(() => parseGitUrl("https://me:sesame@example.test/a.git#a b")).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("sesame") }),
    );
  });

  it.each([
    ["https://e.test/a.git?depth=1", 'unknown key "depth"'],
    ["https://e.test/a.git?ref=a&tag=b", "only one of ref, branch, tag, commit can be used"],
    ["https://e.test/a.git?ref=a#b", "the fragment and the query contradict each other"],
    ["https://e.test/a.git#:../x", 'the directory "../x" is outside of the repository'],
    ["https://e.test/a.git#--upload-pack=x", "invalid branch, tag or commit"],
    ["https://e.test/a.git#a..b:~", "."],
  ])("is rejected: %s", (text, message) => {
    if (message === ".") return expect(parseGitUrl(text).folder).toBe("~");
    expect(() => parseGitUrl(text)).toThrow(code("BAD_GIT_URL", message));
  });
});

describe("the context of a build", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "bay-sources-"));
    mkdirSync(join(folder, "dir"));
    writeFileSync(join(folder, "file.tar"), "");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("is a directory, an archive, a repository, a URL or an image", () => {
    const kinds = ["dir", "file.tar", "git://e.test/a", "https://e.test/a.tar", "docker-image://a:1"].map(
      (text) => readSource(text, folder),
    );
    expect(kinds).toEqual([
      { kind: "folder", path: join(folder, "dir") },
      { kind: "archive", path: join(folder, "file.tar") },
      { kind: "git", url: "git://e.test/a" },
      { kind: "web", url: "https://e.test/a.tar" },
      { kind: "image", reference: "a:1" },
    ]);
  });

  it("is an image of an OCI layout, by tag or digest", () => {
    const digest = `sha256:${"a".repeat(64)}`;
    expect(readSource("oci-layout://dir:1", folder)).toMatchObject({
      path: join(folder, "dir"),
      reference: "1",
    });
    expect(readSource(`oci-layout://dir@${digest}`, folder)).toMatchObject({ reference: digest });
    expect(readSource("oci-layout://dir", folder)).toMatchObject({ reference: undefined });
  });

  it("must exist, and have files", () => {
    expect(() => readSource("absent", folder)).toThrow(
      code("NO_CONTEXT", "the build directory absent does not exist"),
    );
    expect(() => readSource("s3://a", folder)).toThrow(
      code("NO_CONTEXT", "contexts with s3:// are not supported"),
    );
    expect(() => readFileSource("docker-image://a", folder)).toThrow(code("NO_CONTEXT", "is an image"));
    expect(readFileSource("dir", folder).kind).toBe("folder");
  });
});
