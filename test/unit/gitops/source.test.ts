/** Sources of gitops: what is accepted, and what is refused with which message. */
import { describe, expect, it } from "vitest";
import { repositoryUrl } from "../../../src/gitops/git/repositories.ts";
import { readDocument } from "../../../src/gitops/model/document.ts";
import { followed, readSource } from "../../../src/gitops/model/source.ts";
import { isOpen, readWindow } from "../../../src/gitops/model/windows.ts";

const repo = "https://example.org/shop.git";

describe("a source", () => {
  it("has defaults, and reads durations", () => {
    expect(readSource("shop", { repo })).toMatchObject({
      name: "shop",
      interval: 60_000,
      wait_timeout: 300_000,
      policy: "auto",
      prune: true,
      drift: "repair",
      allow_rewind: true,
    });
    expect(readSource("shop", { repo, interval: "1h30m" }).interval).toBe(5_400_000);
    expect(followed(readSource("shop", { repo, semver: "^1" }))).toBe("semver ^1");
  });

  it.each([
    [{ repo, branch: "a", tag: "b" }, /branch and tag cannot be used together/],
    [{ repo, path: "../other" }, /path: the path is outside of the repository/],
    [{ repo, path: "/etc" }, /path: expected a path relative/],
    [{ repo, files: ["a/../../b"] }, /files\.0: the path is outside/],
    [{ repo, branch: "--upload-pack=x" }, /branch: expected the name/],
    [{ repo, commit: "abc" }, /commit: expected a full commit hash/],
    [{ repo, interval: "10" }, /interval: expected a duration/],
    [{ repo, interval: "0s" }, /interval: expected 1 seconds to 24 hours/],
    [{ repo, intervall: "1m" }, /intervall/],
    [{}, /repo/],
  ])("refuses %j", (input, message) => {
    expect(() => readSource("shop", input)).toThrow(message);
  });

  it("reports all problems at once", () => {
    expect(() => readSource("A b", { repo, path: "..", interval: "x" })).toThrow(
      /name: .*path: .*interval: /s,
    );
  });
});

describe("the address of a repository", () => {
  it.each([
    "https://h/r.git",
    "ssh://git@h/r",
    "git://h/r",
    "git@h:r.git",
    "/srv/r.git",
    "file:///srv/r",
  ])("accepts %s", (text) => {
    expect(repositoryUrl(text)).toMatchObject({ remote: text, submodules: false });
  });

  it.each([
    "ext::sh -c id",
    "--upload-pack=id",
    "file://host/r",
    "ftp://h/r",
    "https://h/r#main",
    "",
  ])("refuses %j", (text) => {
    expect(() => repositoryUrl(text)).toThrow();
  });

  it("refuses a password, and does not repeat it", () => {
    expect(() => repositoryUrl("https://me:geheim@h/r.git")).toThrow(/must not have a user or a password/);
    try {
      repositoryUrl("htps://me:geheim@h/r.git");
    } catch (error) {
      expect((error as Error).message).not.toContain("geheim");
    }
  });
});

describe("a gitops document", () => {
  it("describes sources", () => {
    const text = `gitops:\n  a: { repo: ${repo} }\n  b: { repo: ${repo}, branch: main }\n`;
    expect(readDocument(text, "f").map(({ source }) => source.name)).toEqual(["a", "b"]);
  });

  it.each([
    ["[]", /expected a mapping with the key gitops/],
    ["gitops: {}\nservices: {}", /unknown key services/],
    ["gitops: { a: { repo: x, repo: y } }", /unique/],
    ["gitops: { a: { repos: x }, B: { repo: x } }", /"a": .*"B": name: /s],
    ["gitops: {", /f: /],
  ])("refuses %j", (text, message) => {
    expect(() => readDocument(text, "f")).toThrow(message);
  });
});

describe("a window", () => {
  const at = (text: string) => new Date(text);
  it.each([
    ["Mon-Fri 08:00-17:00", "2026-11-27T08:00:00Z", true],
    ["Mon-Fri 08:00-17:00", "2026-11-27T17:00:00Z", false],
    ["Mon-Fri 08:00-17:00", "2026-11-28T10:00:00Z", false],
    ["Mon-Fri 08:00-17:00 Europe/Berlin", "2026-11-27T07:30:00Z", true],
    ["Fri-Mon 08:00-17:00", "2026-11-29T10:00:00Z", true],
    ["Fri 22:00-02:00", "2026-11-28T01:00:00Z", true],
    ["Fri 22:00-02:00", "2026-11-27T01:00:00Z", false],
  ])("%s at %s: %s", (window, time, open) => {
    expect(isOpen([window], at(time))).toBe(open);
  });

  it("is always open without windows", () => {
    expect(isOpen([], at("2026-11-28T10:00:00Z"))).toBe(true);
  });

  it.each([
    "Mon",
    "Mon-Fri 8:00-17:00",
    "Mox 08:00-17:00",
    "Mon 08:00-08:00",
    "Mon 25:00-26:00",
    "Mon 08:00-09:00 Moon/Base",
  ])("refuses %j", (text) => {
    expect(() => readWindow(text)).toThrow(/invalid window/);
  });
});
