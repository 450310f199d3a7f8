/** Newer images that are committed to a branch: what is pushed there, and what is refused. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { remoteState } from "../../../src/gitops/images/push-images.ts";
import { isStackFile, writeBack } from "../../../src/gitops/images/write-back.ts";
import { GitopsRoom } from "../../support/gitops-room.ts";

let room: GitopsRoom;
beforeEach(async () => {
  room = await GitopsRoom.open();
  mkdirSync(room.directory, { recursive: true });
});
afterEach(() => room.close());

const CHANGES = [{ service: "web", from: "web:1.0", to: "web:1.1" }];
const write = (rules: object, base: string, branch: string, last?: string) =>
  writeBack(
    room.loop.services,
    room.source("shop", rules),
    { base, branch, last },
    CHANGES,
    new AbortController().signal,
  );
const git = (...words: string[]) =>
  execFileSync("git", ["--git-dir", room.repository.bare, ...words], { stdio: ["ignore", "pipe", "pipe"] });
const tip = (branch: string) => git("rev-parse", branch).toString().trim();

describe("a branch with newer images", () => {
  it.each([
    { rules: {}, what: "HEAD" },
    { rules: { branch: "main" }, what: "its name" },
  ])("only moves forward if it is followed by $what", async ({ rules }) => {
    const base = room.commit("web:1.0");
    const newer = room.commit("web:1.0", "# a newer commit\n");
    await expect(write(rules, base, "main")).rejects.toThrow(/git failed/);
    expect(tip("main")).toBe(newer);
    const commit = await write(rules, newer, "main");
    expect(tip("main")).toBe(commit);
    expect(tip("main~1")).toBe(newer);
  });

  it("only moves forward if another source follows it", async () => {
    const base = room.commit("web:1.0");
    room.repository.push("stage");
    const newer = room.repository.write("README", "text").commit("Newer");
    room.repository.push("stage");
    room.source("other", { branch: "stage" });
    await expect(write({}, base, "stage", newer)).rejects.toThrow(/git failed/);
    expect(tip("stage")).toBe(newer);
  });

  it.each([
    { commit: "base" },
    { tag: "v1.0.0" },
    { semver: "^1" },
  ])("keeps commits of others for a source with %j", async (rules) => {
    const base = room.commit("web:1.0");
    room.repository.git("tag", "v1.0.0");
    const newer = room.commit("web:1.0", "# a newer commit\n");
    const given = "commit" in rules ? { commit: base } : rules;
    await expect(write(given, base, "main")).rejects.toThrow(/did not push for this source/);
    expect(tip("main")).toBe(newer);
  });

  it("is created, and replaced as long as its last commit is that of bay", async () => {
    const base = room.commit("web:1.0");
    const first = await write({}, base, "images");
    expect(tip("images")).toBe(first);
    const next = room.commit("web:1.0", "# a newer commit\n");
    const second = await write({}, next, "images", first);
    expect(tip("images")).toBe(second);
    expect(tip("images~1")).toBe(next);
    await expect(write({}, next, "images", first)).rejects.toThrow(/did not push for this source/);
    await expect(write({}, next, "images")).rejects.toThrow(/did not push for this source/);
    expect(tip("images")).toBe(second);
    git("update-ref", "-d", "refs/heads/images");
    expect(await write({}, next, "images", second)).toBe(tip("images"));
  });

  it("is found by its full name", () => {
    const [one, two] = ["1".repeat(40), "2".repeat(40)];
    const listing = `ref: refs/heads/main\tHEAD\n${one}\tHEAD\n${two}\trefs/heads/refs/heads/a\n${one}\trefs/heads/a\n`;
    expect(remoteState(listing, "refs/heads/a")).toEqual({ head: "main", tip: one });
    expect(remoteState(listing, "refs/heads/b")).toEqual({ head: "main", tip: undefined });
    expect(remoteState(`${one}\tHEAD\n`, "refs/heads/a")).toEqual({ head: undefined, tip: undefined });
  });
});

describe("the text of a stack file", () => {
  it("is that of the repository, whatever its attributes convert", async () => {
    const text = "name: shop # $Id$\nservices: { web: { image: web:1.0, command: [serve] } }\n# ü\r\n";
    const base = room.repository.write("bay.yaml", text).commit("The stack");
    const attributed = room.repository
      .write(".gitattributes", "*.yaml ident text eol=crlf working-tree-encoding=UTF-16LE-BOM\n")
      .git("add", ".gitattributes");
    expect(attributed).toBe("");
    room.repository.git("commit", "-q", "-m", "Attributes");
    const head = room.repository.push();
    expect(head).not.toBe(base);
    await write({}, head, "images");
    expect(git("show", "images:bay.yaml").toString()).toBe(text.replace("web:1.0", "web:1.1"));
  });

  it("is not changed if it is not UTF-8, or too large", async () => {
    const stack = "name: shop\nservices: { web: { image: web:1.0 } }\n";
    const strange = room.repository
      .write("bay.yaml", Buffer.concat([Buffer.from(`${stack}# `), Buffer.from([0xe4, 0x0a])]))
      .commit("Latin 1");
    await expect(write({}, strange, "images")).rejects.toThrow(/bay.yaml is not valid UTF-8/);
    const large = room.repository.write("bay.yaml", stack + "#\n".repeat(1 << 20)).commit("Large");
    await expect(write({}, large, "images")).rejects.toThrow(/bay.yaml has .* at most 1/);
  });

  it.each([
    "services: { web: { image: &a web:1.0 }, other: { image: *a } }\n",
    'services: { web: { image: "web\\u003a1.0" } }\n',
    "services:\n  web:\n    image: >-\n      web:1.0\n    command: serve\n",
    "services: { web: { image: '${IMAGE}' } }\n",
  ])("%j", async (text) => {
    const base = room.repository.write("bay.yaml", text).commit("The stack");
    if (text.includes("&a")) {
      await write({}, base, "images");
      expect(git("show", "images:bay.yaml").toString()).toBe(text.replace("web:1.0", "web:1.1"));
    } else await expect(write({}, base, "images")).rejects.toThrow(/web:1.0 is not written in a stack file/);
  });

  it("is found by paths of the source in any spelling", () => {
    const part = fc.constantFrom("a", "b.yaml", "app");
    const gap = fc.constantFrom("/", "//", "/./");
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 3 }),
        gap,
        fc.constantFrom("", "./"),
        (parts, slash, before) => {
          const folder = before + parts.map((each) => each + slash).join("");
          const tree = parts.map((each) => `${each}/`).join("");
          expect(isStackFile({ path: folder, files: [] }, `${tree}compose.yaml`)).toBe(true);
          expect(isStackFile({ path: folder, files: [] }, `${tree}sub/compose.yaml`)).toBe(false);
          expect(isStackFile({ path: folder, files: [`${before}x${slash}y.yaml`] }, `${tree}x/y.yaml`)).toBe(
            true,
          );
          expect(isStackFile({ path: folder, files: ["x.yaml"] }, `${tree}compose.yaml`)).toBe(false);
        },
      ),
    );
  });
});
