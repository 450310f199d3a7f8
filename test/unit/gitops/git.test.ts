/** The files of a commit, and the choice of the commit, with the host's git. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { checkOut, readTree } from "../../../src/gitops/git/check-out.ts";
import { chooseCommit } from "../../../src/gitops/git/choose-commit.ts";
import { GitCredentials } from "../../../src/gitops/git/credentials.ts";
import { describeCommit, FollowedRepositories } from "../../../src/gitops/git/repositories.ts";
import { checkTrust, splitKeys } from "../../../src/gitops/git/trust.ts";
import { readSource } from "../../../src/gitops/model/source.ts";
import { GitRepository } from "../../support/git-repository.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-gitops-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const { signal } = new AbortController();
const hasGpg = () => spawnSync("gpg", ["--version"]).status === 0;

function followed(name: string) {
  const repository = new GitRepository(join(folder, name));
  const credentials = new GitCredentials(join(folder, name, "credentials"));
  const repositories = new FollowedRepositories(join(folder, name, "clones"), credentials);
  const source = (rules: object = {}) => readSource(name, { repo: repository.bare, ...rules });
  const target = join(folder, name, "out");
  const out = async (rules: object = {}) => {
    const found = await repositories.resolve(source(rules), true, signal);
    return repositories.withCommit(source(rules), found, signal, (clone) => checkOut(clone, target));
  };
  return { repository, repositories, source, out, target };
}

const refs = new Map([
  ["HEAD", "a".repeat(40)],
  ["refs/heads/main", "a".repeat(40)],
  ["refs/tags/v1.2.0", "b".repeat(40)],
  ["refs/tags/v1.10.0", "c".repeat(40)],
  ["refs/tags/v1.10.0^{}", "d".repeat(40)],
  ["refs/tags/v2.0.0-rc.1", "e".repeat(40)],
]);

describe("the commit that a source follows", () => {
  const choose = (rules: object) => chooseCommit(readSource("a", { repo: "/r", ...rules }), refs);
  it.each([
    [{}, "a"],
    [{ branch: "main" }, "a"],
    [{ tag: "v1.2.0" }, "b"],
    [{ semver: "^1.2" }, "d"],
    [{ semver: ">=2.0.0-0" }, "e"],
    [{ commit: "f".repeat(40) }, "f"],
  ])("%j", async (rules, letter) => {
    expect((await choose(rules)).commit).toBe(letter.repeat(40));
  });
  it.each([
    [{ branch: "gone" }, /the branch gone does not exist/],
    [{ semver: "^3" }, /no tag in the range/],
    [{ semver: "what" }, /invalid range/],
  ])("%j is refused", async (rules, message) => {
    await expect(choose(rules)).rejects.toThrow(message);
  });
});

describe("the files of a commit", () => {
  it("are checked out without links that lead out, hooks or filters", async () => {
    const { repository, out, target } = followed("links");
    const ran = join(folder, "ran");
    repository
      .write("a/file", "text")
      .write(".gitattributes", "* filter=evil diff=evil\n")
      .write(".gitmodules", `[submodule "x"]\n\tpath = x\n\turl = ext::touch ${ran}\n`)
      .link("a/inner", "file")
      .link("abs", "/etc/passwd")
      .link("up", "../../../etc")
      .link("chain", "a/hop")
      .link("a/hop", "../abs");
    repository.commit("Links");
    const { leading, entries } = await out();
    expect([...leading.keys()].sort()).toEqual(["a/hop", "abs", "chain", "up"]);
    expect(readFileSync(join(target, "a/inner"), "utf8")).toBe("text");
    expect(existsSync(join(target, "abs"))).toBe(false);
    expect(entries.get("a")!.mode).toBe("040000");
    expect(existsSync(ran)).toBe(false);
    expect(readdirSync(join(folder, "links")).filter((name) => name.endsWith(".new"))).toEqual([]);
  });

  it("names files of Git LFS", async () => {
    const { repository, out } = followed("lfs");
    repository
      .write("big", `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 12345\n`)
      .commit("LFS");
    expect((await out()).pointers).toEqual(["big"]);
  });

  it("are refused if they are too large or too many", () => {
    const row = (path: string, size: number | string) => `100644 blob ${"0".repeat(40)} ${size}\t${path}\0`;
    expect(() => readTree(row("big", 200 << 20))).toThrow(/big has 200 MiB; at most 100 MiB/);
    expect(() =>
      readTree(Array.from({ length: 10 }, (_, index) => row(`${index}`, 60 << 20)).join("")),
    ).toThrow(/more than 512 MiB/);
    expect(() => readTree(Array.from({ length: 50_001 }, (_, index) => row(`${index}`, 1)).join(""))).toThrow(
      /more than 50000 files/,
    );
    for (const path of ["a/../b", ".git/config", "a/.GIT/hooks/x"])
      expect(() => readTree(row(path, 1))).toThrow(/is not allowed/);
  });

  it("follow a force-push, and a vanished branch is named", async () => {
    const { repository, out, target, repositories, source } = followed("force");
    repository.write("f", "1").commit("One");
    await out({ branch: "main" });
    repository.git("commit", "-q", "--amend", "-m", "Other");
    repository.write("f", "2").commit("Two");
    await out({ branch: "main" });
    expect(readFileSync(join(target, "f"), "utf8")).toBe("2");
    await expect(repositories.resolve(source({ branch: "gone" }), true, signal)).rejects.toThrow(
      /branch gone/,
    );
  });

  it("are fetched again after an interrupted fetch", async () => {
    const { repository, out, repositories } = followed("half");
    repository.write("f", "1").commit("One");
    await out();
    const [clone] = readdirSync(repositories.directory);
    const path = (name: string) => join(repositories.directory, clone!, name);
    for (const name of ["shallow.lock", "objects/pack/tmp_pack_x", "config.lock"])
      writeFileSync(path(name), "");
    repositories.sweep();
    for (const name of ["shallow.lock", "objects/pack/tmp_pack_x", "config.lock"])
      expect(existsSync(path(name))).toBe(false);
    repository.write("f", "2").commit("Two");
    await out();
  });
});

describe("trust", () => {
  it("refuses history that was rewritten, if the source says so", async () => {
    const { repository, repositories, source } = followed("rewind");
    repository.write("f", "1").commit("One");
    const second = repository.write("f", "2").commit("Two");
    const rules = source({ branch: "main", allow_rewind: false });
    const check = async () => {
      const found = await repositories.resolve(rules, true, signal);
      await repositories.withCommit(rules, found, signal, (clone) =>
        checkTrust(clone, rules, second, found.ref),
      );
    };
    repository.write("f", "3").commit("Three");
    await check();
    repository.git("reset", "-q", "--hard", "HEAD~2");
    repository.write("f", "4").commit("Four");
    await expect(check()).rejects.toThrow(/history was rewritten/);
  });

  it("accepts only commits that are signed by a listed key", async () => {
    const { repository, repositories, source } = followed("signed");
    const credentials = new GitCredentials(join(folder, "keys"));
    const [good] = [await credentials.publicKey("good"), await credentials.publicKey("other")];
    const rules = source({ verify: `ada@example.org ${good}\n` });
    const check = async () => {
      const found = await repositories.resolve(rules, true, signal);
      return repositories.withCommit(rules, found, signal, async (clone) => {
        await checkTrust(clone, rules, undefined, found.ref);
        return describeCommit(clone);
      });
    };
    const sign = (key: string) => {
      repository.git("config", "gpg.format", "ssh");
      repository.git("config", "user.signingkey", join(folder, "keys", `${key}.key`));
    };
    repository.write("f", "1").commit("Unsigned");
    await expect(check()).rejects.toThrow(/not signed by an allowed key/);
    sign("other");
    repository.write("f", "2").commit("Other", "-S");
    await expect(check()).rejects.toThrow(/not signed by an allowed key/);
    sign("good");
    repository.write("f", "3").commit("Good", "-S");
    expect(await check()).toMatchObject({ subject: "Good", author: "Ada" });
  });

  it.skipIf(!hasGpg())("accepts only commits that are signed by a listed OpenPGP key", async () => {
    const { repository, repositories, source } = followed("openpgp");
    const home = join(folder, "gpg");
    mkdirSync(home, { mode: 0o700 });
    const gpg = (...words: string[]) =>
      execFileSync("gpg", ["--batch", "--quiet", ...words], {
        env: { PATH: process.env.PATH, GNUPGHOME: home },
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
    try {
      for (const name of ["good", "other"])
        gpg("--passphrase", "", "--quick-gen-key", `${name}@example.org`, "ed25519", "sign", "never");
      const program = join(folder, "sign-with-gpg");
      writeFileSync(program, `#!/bin/sh\nGNUPGHOME=${home} exec gpg "$@"\n`, { mode: 0o755 });
      repository.git("config", "gpg.program", program);
      const rules = source({ verify: gpg("--armor", "--export", "good@example.org") });
      const check = async () => {
        const found = await repositories.resolve(rules, true, signal);
        return repositories.withCommit(rules, found, signal, (clone) =>
          checkTrust(clone, rules, undefined, found.ref),
        );
      };
      repository.write("f", "1").commit("Unsigned");
      await expect(check()).rejects.toThrow(/not signed by an allowed key/);
      repository.write("f", "2").commit("Other", "-Sother@example.org");
      await expect(check()).rejects.toThrow(/not signed by an allowed key/);
      repository.write("f", "3").commit("Good", "-Sgood@example.org");
      await check();
      // the keyring exists only during the check
      const [clone] = readdirSync(join(folder, "openpgp", "clones"));
      expect(readdirSync(join(folder, "openpgp", "clones", clone!))).not.toContain("trust-openpgp");
    } finally {
      execFileSync("gpgconf", ["--kill", "all"], { env: { PATH: process.env.PATH, GNUPGHOME: home } });
    }
  });

  it("separates SSH keys from OpenPGP keys", () => {
    const block = (text: string) =>
      `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${text}\n-----END PGP PUBLIC KEY BLOCK-----`;
    const { signers, keys } = splitKeys(
      `ada ssh-ed25519 AAAA\n${block("one")}\n${block("two")}\nbob ssh-rsa BBBB\n`,
    );
    expect(signers).toBe("ada ssh-ed25519 AAAA\n\n\nbob ssh-rsa BBBB\n");
    expect(keys).toBe(`${block("one")}\n${block("two")}`);
  });
});

describe("the clone of a followed repository", () => {
  it("forgets earlier commits, and their objects", async () => {
    const { repository, out, repositories, source } = followed("many");
    const commits: string[] = [];
    for (let count = 0; count < 20; count++) {
      commits.push(repository.write("file", `${count}`).commit(`Commit ${count}`));
      await out();
    }
    const last = await repositories.resolve(source(), true, signal);
    const has = (commit: string) =>
      repositories.withCommit(source(), last, signal, ({ run }) =>
        run(["cat-file", "-e", commit]).then(
          () => true,
          () => false,
        ),
      );
    expect(await has(commits[0]!)).toBe(false);
    expect(await has(commits.at(-1)!)).toBe(true);
    // it is fetched again when it is needed again
    expect((await out({ commit: commits[0] })).entries.has("file")).toBe(true);
  }, 120_000);
});
