/** Hostile repositories and clients of webhooks, with the host's git and real connections. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { checkOut } from "../../../src/gitops/git/check-out.ts";
import { GitCredentials } from "../../../src/gitops/git/credentials.ts";
import { FollowedRepositories } from "../../../src/gitops/git/repositories.ts";
import { checkTrust } from "../../../src/gitops/git/trust.ts";
import { HookListener } from "../../../src/gitops/hooks/listener.ts";
import { readSource } from "../../../src/gitops/model/source.ts";
import { GitRepository } from "../../support/git-repository.ts";
import { isLong } from "../../support/long.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-hostile-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const { signal } = new AbortController();

function followed(name: string) {
  const repository = new GitRepository(join(folder, name));
  const repositories = new FollowedRepositories(
    join(folder, name, "clones"),
    new GitCredentials(join(folder, name, "credentials")),
  );
  const source = (rules: object = {}) => readSource(name, { repo: repository.bare, ...rules });
  const target = join(folder, name, "out");
  const out = async (rules: object = {}) => {
    const found = await repositories.resolve(source(rules), true, signal);
    return repositories.withCommit(source(rules), found, signal, (clone) => checkOut(clone, target));
  };
  return { repository, repositories, source, out, target };
}

/** A commit on main, as git fast-import(1) reads it. */
function importCommit({ bare }: GitRepository, files: string): void {
  const head = "commit refs/heads/main\ncommitter A <a@example.org> 0 +0000\ndata 1\nx\n";
  execFileSync("git", ["--git-dir", bare, "fast-import", "--quiet"], {
    input: `${head}${files}\n`,
    stdio: ["pipe", "ignore", "inherit"],
  });
}

describe("a hostile repository", () => {
  it("cannot have 50,001 files", async () => {
    const { repository, out, target } = followed("files");
    const file = (at: number) => `M 100644 inline d${at % 100}/f${at}\ndata 1\nx\n`;
    importCommit(repository, Array.from({ length: 50_001 }, (_, at) => file(at)).join(""));
    await expect(out({ branch: "main" })).rejects.toThrow(/more than 50000 files/);
    expect(existsSync(target)).toBe(false);
  });

  // git compresses the file several times; the bound itself is tested with the other sizes
  it.skipIf(!isLong)("cannot have a file of 200 MB", async () => {
    const { repository, out, target } = followed("blob");
    execFileSync("truncate", ["--size=200M", join(repository.work, "blob")]);
    repository.commit("Large");
    await expect(out()).rejects.toThrow(/blob has 200 MiB; at most 100 MiB/);
    expect(existsSync(target)).toBe(false);
    expect(existsSync(`${target}.new`)).toBe(false);
  });

  it.each([
    "../../evil",
    "a/../../evil",
    ".git/hooks/post-checkout",
    ".GIT/config",
    "a/./b",
  ])("cannot have a file %s", async (path) => {
    const name = `path-${Buffer.from(path).toString("hex").slice(0, 20)}`;
    const { repository, out } = followed(name);
    repository.write("f", "x").commit("Begin");
    // git itself refuses such paths, so that the trees are written as bytes, from the innermost one
    const hash = (type: string, input: Buffer) =>
      execFileSync(
        "git",
        ["--git-dir", repository.bare, "hash-object", "-w", "-t", type, "--literally", "--stdin"],
        {
          input,
          encoding: "utf8",
        },
      ).trim();
    let [mode, id] = ["100644", hash("blob", Buffer.from("x"))];
    for (const part of path.split("/").reverse()) {
      const row = Buffer.concat([Buffer.from(`${mode} ${part}\0`), Buffer.from(id, "hex")]);
      [mode, id] = ["40000", hash("tree", row)];
    }
    const commit = hash(
      "commit",
      Buffer.from(`tree ${id}\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nx\n`),
    );
    execFileSync("git", ["--git-dir", repository.bare, "update-ref", "refs/heads/main", commit]);
    await expect(out({ branch: "main" })).rejects.toThrow(/not allowed in a repository|git failed/);
    expect(existsSync(join(folder, name, "evil"))).toBe(false);
    expect(existsSync(join(folder, "evil"))).toBe(false);
  });

  it("can move a tag: the commit that it names now is applied, or refused as rewritten history", async () => {
    const { repository, repositories, source, out, target } = followed("tag");
    const first = repository.write("f", "1").commit("One");
    repository.git("tag", "v1");
    repository.push();
    await out({ tag: "v1" });
    repository.git("checkout", "-q", "--orphan", "other");
    const second = repository.write("f", "2").commit("Two");
    repository.git("tag", "-f", "v1");
    repository.push();
    const rules = source({ tag: "v1", allow_rewind: false });
    const found = await repositories.resolve(rules, true, signal);
    expect(found.commit).toBe(second);
    const check = repositories.withCommit(rules, found, signal, (clone) =>
      checkTrust(clone, rules, first, found.ref),
    );
    await expect(check).rejects.toThrow(/history was rewritten/);
    expect((await out({ tag: "v1" })).directory).toBe(target);
  });

  it("runs nothing by its attributes, its submodules and its configuration", async () => {
    const { repository, out, target } = followed("programs");
    const mark = join(folder, "ran");
    writeFileSync(
      join(folder, "programs", "served", "project.git", "hooks", "post-update"),
      `touch ${mark}\n`,
    );
    repository
      .write(".gitattributes", "* filter=evil diff=evil merge=evil\n")
      .write(
        ".gitmodules",
        `[submodule "x"]\n\tpath = x\n\turl = ext::touch ${mark}\n\tupdate = !touch ${mark}\n`,
      )
      .write(".lfsconfig", `[lfs]\n\turl = ext::touch ${mark}\n`)
      .write("bay.yaml", "services: {}\n")
      .commit("Be hostile");
    await out();
    expect(existsSync(join(target, "bay.yaml"))).toBe(true);
    expect(existsSync(mark)).toBe(false);
  });
});

describe("a hostile client of webhooks", () => {
  it("that sends its request slowly is disconnected, and others are served meanwhile", async () => {
    const listener = new HookListener({
      address: "127.0.0.1",
      port: 0,
      tls: undefined,
      secretOf: () => undefined,
      onPush: () => {},
      metrics: () => "bay_gitops_x 1\n",
      log: () => {},
    });
    await listener.listen();
    const socket = connect(listener.port, "127.0.0.1");
    const ended = new Promise<void>((done) => socket.once("close", () => done()));
    socket.on("error", () => {});
    socket.resume();
    socket.write("POST /hooks/shop HTTP/1.1\r\nhost: x\r\n");
    const slow = setInterval(() => socket.writable && socket.write("x-a: b\r\n"), 200);
    const answer = await fetch(`http://127.0.0.1:${listener.port}/metrics`);
    expect(await answer.text()).toContain("bay_gitops_x 1");
    await ended;
    clearInterval(slow);
    await listener.close();
  });
});
