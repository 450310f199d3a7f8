/** Where the files of a build come from: repositories, archives, URLs, layouts, and other services. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/bay.ts";
import { BASE, Builds } from "../support/builds.ts";

const PORT = 41_418;
const TOKEN = "let-me-in-4711";

describe("a build's files", () => {
  const builds = new Builds();
  const { bay, context, put, build, say } = builds;
  const repositories = join(bay.folder, "repositories");
  const work = join(bay.folder, "work");
  const remote = `git://127.0.0.1:${PORT}/project.git`;
  let daemon: ChildProcess;
  let server: Server;
  let web = "";
  let commits: string[] = [];

  const git = (...words: string[]) =>
    execFileSync("git", ["-C", work, ...words], {
      encoding: "utf8",
      env: {
        PATH: process.env.PATH,
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_AUTHOR_NAME: "a",
        GIT_AUTHOR_EMAIL: "a@b",
        GIT_COMMITTER_NAME: "a",
        GIT_COMMITTER_EMAIL: "a@b",
      },
    }).trim();
  const commit = (files: Record<string, string>) => {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(work, name, ".."), { recursive: true });
      writeFileSync(join(work, name), text);
    }
    git("add", "-A");
    git("commit", "-qm", "change");
    return git("rev-parse", "HEAD");
  };
  const image = (path: string, ...options: string[]) =>
    bay.run(["image", "build", "-t", "test:1", "--progress", "plain", ...options, path]);
  const imageOk = (path: string, ...options: string[]) => {
    const { code, out, err } = image(path, ...options);
    if (code !== 0) throw new Error(`${out}${err}${bay.log()}`);
    return err;
  };

  beforeAll(async () => {
    mkdirSync(work);
    git("init", "-q", "-b", "main");
    copyFileSync("/bin/busybox", join(work, "busybox"));
    const first = commit({
      Dockerfile: `${BASE}FROM base\nCOPY . /all/\n`,
      "sub/Dockerfile": "FROM scratch\nCOPY word /word\n",
      "sub/word": "one",
      ".dockerignore": "busybox\n!busybox\nhidden\n",
      hidden: "x",
    });
    git("tag", "-a", "v1", "-m", "v1");
    git("checkout", "-qb", "other");
    const second = commit({ "sub/word": "two" });
    git("checkout", "-q", "main");
    commits = [first, second];
    mkdirSync(repositories);
    execFileSync("git", ["clone", "-q", "--bare", work, join(repositories, "project.git")]);
    const options = ["--reuseaddr", "--export-all", "--listen=127.0.0.1", `--port=${PORT}`];
    daemon = spawn("git", ["daemon", ...options, `--base-path=${repositories}`, repositories], {
      stdio: "ignore",
      detached: true,
    });
    // git over HTTP without a program: what git update-server-info wrote, for who has the token
    execFileSync("git", ["-C", join(repositories, "project.git"), "update-server-info"]);
    server = createServer((asked, response) => {
      const path = asked.url!.split("?")[0]!;
      const wanted = `Basic ${Buffer.from(`x-access-token:${TOKEN}`).toString("base64")}`;
      if (path.startsWith("/project.git") && asked.headers.authorization !== wanted)
        return void response.writeHead(401, { "WWW-Authenticate": 'Basic realm="test"' }).end();
      try {
        response.end(readFileSync(join(repositories, path)));
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    web = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await eventually(() => void execFileSync("git", ["ls-remote", remote], { stdio: "ignore" }));
  });
  beforeEach(() => builds.empty());
  afterAll(() => {
    process.kill(-daemon.pid!);
    server.close();
    bay.close();
  });

  it("are a repository's, at a branch, a tag, a commit, and a folder of it", () => {
    imageOk(remote);
    expect(say("ls -A /all; cat /all/sub/word")).toBe(".dockerignore\nDockerfile\nbusybox\nsub\none");
    const word = () => {
      bay.ok("image", "save", "-o", join(bay.folder, "x.tar"), "test:1");
      return execFileSync("sh", [
        "-c",
        `cd ${bay.folder} && rm -rf x && mkdir x && tar -xf x.tar -C x && for b in x/blobs/sha256/*; do tar -xOf $b word 2>/dev/null; done; true`,
      ]).toString();
    };
    for (const [url, expected] of [
      [`${remote}#other:sub`, "two"],
      [`${remote}#v1:sub`, "one"],
      [`${remote}#${commits[1]}:sub`, "two"],
      [`${remote}?branch=other&subdir=sub`, "two"],
      [`${remote}?tag=v1&subdir=sub&checksum=${commits[0]!.slice(0, 10)}`, "one"],
    ] as const) {
      imageOk(url);
      expect(word(), url).toBe(expected);
    }
    // nothing of what was checked out stays
    expect(
      readdirSync(join(bay.folder, "root", "build-sources")).filter((name) => name.startsWith(".")),
    ).toEqual([]);
  });

  it("say what is wrong with a repository", () => {
    const wrong = (url: string) => image(url).err;
    expect(wrong(`${remote}#nowhere`)).toContain("has no nowhere");
    expect(wrong(`${remote}?tag=v1&checksum=abcdef0`)).toContain("expected abcdef0");
    expect(wrong(`${remote}#main:../..`)).toContain("is outside of the repository");
    expect(wrong(`${remote}?nothing=1`)).toContain('unknown key "nothing"');
    expect(wrong(`${remote}#--upload-pack=x`)).toContain("invalid branch, tag or commit");
    expect(wrong(`git://127.0.0.1:${PORT}/absent.git`)).toContain("git failed");
    expect(wrong(`${remote}#main:absent`)).toContain("has no directory absent");
  });

  it("are a private repository's for who has its token, which is never shown", async () => {
    const far = (...options: string[]) =>
      bay.call(["image", "build", "-t", "test:1", ...options, `${web}/project.git`]);
    expect((await far()).err).toContain("authentication failed");
    const file = join(bay.folder, "token");
    writeFileSync(file, `${TOKEN}\n`);
    expect((await far("--secret", `id=GIT_AUTH_TOKEN,src=${file}`)).code).toBe(0);
    expect(say("cat /all/sub/word")).toBe("one");
    const kept = join(bay.folder, "root", "build-sources");
    expect(
      execFileSync("sh", ["-c", `grep -r ${TOKEN} ${kept} ${bay.folder}/root/bayd.log; true`]).toString(),
    ).toBe("");
  });

  it("are fetched with the password of their address, which is never shown", async () => {
    const address = (word: string) => web.replace("//", `//x-access-token:${word}@`);
    const shown: Record<string, string> = {};
    const told = async (title: string, words: string[]) => {
      const { code, out, err } = await bay.call(words);
      shown[title] = `${out}${err}`;
      return code;
    };
    const plain = ["image", "build", "-t", "test:1", "--progress", "plain", "--no-cache"];
    const good = address(TOKEN);
    expect(await told("of the context", [...plain, `${good}/project.git`]), shown["of the context"]).toBe(0);
    put(
      "Dockerfile",
      `${BASE}FROM base\nADD --keep-git-dir=true ${good}/project.git /repo\n` +
        `ADD ${good}/file /file\nRUN grep -r ${TOKEN.slice(0, 6)} /repo/.git/config; true\n`,
    );
    writeFileSync(join(repositories, "file"), "x");
    expect(await told("of ADD", [...plain, context]), shown["of ADD"]).toBe(0);
    for (const [title, path] of [
      ["of a wrong ref", `${good}/project.git#nowhere`],
      ["of an absent repository", `${good}/absent.git`],
      ["of a wrong folder", `${good}/project.git#main:absent`],
      ["of an archive", `${good}/absent.tar`],
    ] as const)
      expect(await told(title, [...plain, path]), shown[title]).not.toBe(0);
    const wrong = TOKEN.replace("4711", "4712");
    expect(await told("of a wrong password", [...plain, `${address(wrong)}/project.git`])).not.toBe(0);
    for (const [title, line] of [
      ["of a wrong checksum", `ADD --checksum=sha256:${"0".repeat(64)} ${good}/file /file`],
      ["of a missing file", `ADD ${good}/missing /file`],
      ["of COPY", `COPY ${good}/file /file`],
      ["of a bad query", `ADD ${good}/project.git?nothing=1 /file`],
    ] as const) {
      put("Dockerfile.wrong", `${BASE}FROM base\n${line}\n`);
      expect(await told(title, [...plain, "-f", join(context, "Dockerfile.wrong"), context])).not.toBe(0);
    }
    await told("of the history", ["image", "history", "--no-trunc", "test:1"]);
    await told("of inspect", ["image", "inspect", "test:1"]);
    await told("of the builder", ["builder", "du", "--verbose"]);
    const kept = join(bay.folder, "root");
    shown["of bayd's files"] = execFileSync("sh", ["-c", `grep -arl let-me-in- ${kept}; true`]).toString();
    expect(Object.entries(shown).filter(([, text]) => text.includes("let-me-in-"))).toEqual([]);
    expect(shown["of bayd's files"]).toBe("");
  });

  it("are added from a repository, and not again where it is the same", () => {
    const file = (ref: string, flags = "") => `FROM base\nADD ${flags} ${remote}#${ref} /repo\n`;
    build(file("main"));
    expect(say("ls -A /repo; stat -c %u:%g /repo/sub/word")).toBe(
      ".dockerignore\nDockerfile\nbusybox\nhidden\nsub\n0:0\n",
    );
    expect(build(file("main"))).not.toContain("DONE");
    build(file("other:sub"));
    expect(say("ls -A /repo; cat /repo/word")).toBe("Dockerfile\nword\ntwo");
    build(file("main", `--keep-git-dir --checksum=${commits[0]}`));
    expect(say("ls -d /repo/.git")).toBe("/repo/.git\n");
    expect(builds.run(`${BASE}${file("main", `--checksum=${commits[1]}`)}`).err).toContain("expected ");
  });

  it("are an archive's: of a file, standard input, or a URL, packed in any way", () => {
    put("Dockerfile", `${BASE}FROM base\nCOPY word /word\n`);
    put("word", "of the archive");
    for (const [flag, name] of [
      ["", "plain.tar"],
      ["z", "c.tar.gz"],
      ["j", "c.tar.bz2"],
      ["J", "c.tar.xz"],
    ] as const) {
      const file = join(repositories, name);
      execFileSync("tar", [`-c${flag}f`, file, "-C", context, "Dockerfile", "word", "busybox"]);
      imageOk(file);
      expect(say("cat /word"), name).toBe("of the archive");
    }
    const input = readFileSync(join(repositories, "c.tar.xz"));
    const { code, err } = bay.run(["image", "build", "-t", "test:2", "-"], {
      input: input as unknown as string,
    });
    expect(err).toContain("COPY word");
    expect(code).toBe(0);
    expect(image(`${repositories}/absent.tar`).err).toContain("does not exist");
  });

  it("are at a URL: an archive, or a Dockerfile alone", async () => {
    put("Dockerfile", `${BASE}FROM base\nCOPY word /word\n`);
    put("word", "of the web");
    execFileSync("tar", [
      "-czf",
      join(repositories, "w.tgz"),
      "-C",
      context,
      "Dockerfile",
      "word",
      "busybox",
    ]);
    const far = await bay.call(["image", "build", "-t", "test:1", `${web}/w.tgz`]);
    expect(far.err).toContain("COPY word");
    expect(say("cat /word")).toBe("of the web");
    writeFileSync(join(repositories, "alone"), "FROM test:1\nRUN echo more > /more\n");
    expect((await bay.call(["image", "build", "-t", "test:1", `${web}/alone`])).code).toBe(0);
    expect(say("cat /more")).toBe("more\n");
    expect((await bay.call(["image", "build", `${web}/absent`])).err).toContain("the server answered 404");
  });

  it("are other contexts': repositories, archives and layouts", () => {
    build("FROM base\nRUN echo layout > /layout\n");
    bay.ok("image", "save", "-o", join(bay.folder, "layout.tar"), "test:1");
    const layout = join(bay.folder, "layout");
    mkdirSync(layout);
    execFileSync("tar", ["-xf", join(bay.folder, "layout.tar"), "-C", layout]);
    put("extra/file", "extra");
    execFileSync("tar", ["-cf", join(bay.folder, "extra.tar"), "-C", join(context, "extra"), "file"]);
    build(
      "FROM base\nCOPY --from=repo word /word\nCOPY --from=tar file /file\nCOPY --from=image /layout /layout\n" +
        "RUN --mount=from=tar,target=/m cat /m/file > /mounted\n",
      "--build-context",
      `repo=${remote}#other:sub`,
      "--build-context",
      `tar=${join(bay.folder, "extra.tar")}`,
      "--build-context",
      `image=oci-layout://${layout}:1`,
    );
    expect(say("cat /word /file /layout /mounted")).toBe("twoextralayout\nextra");
    // a context's name stands for an image too
    build("FROM other\nRUN echo >> /layout\n", "--build-context", `other=oci-layout://${layout}`);
    expect(say("cat /layout")).toBe("layout\n\n");
  });

  it("are other services', with secrets of the stack, and repositories in a stack file", async () => {
    put("Dockerfile", `${BASE}FROM base\nRUN echo one > /one\n`);
    writeFileSync(join(bay.folder, "password"), "from a file");
    bay.write(`name: built
secrets:
  a: { file: ${bay.folder}/password }
  b: { environment: THE_SECRET }
services:
  second:
    build:
      context: ${context}
      dockerfile_inline: |
        FROM first
        RUN --mount=type=secret,id=a --mount=type=secret,id=other cat /run/secrets/* > /two
      additional_contexts: { first: "service:first" }
      secrets: [a, { source: b, target: other }]
    command: [cat, /one, /two]
    network_mode: none
  first:
    build: ${context}
    scale: 0
  far:
    build: { context: "${remote}#other:sub" }
    scale: 0
`);
    bay.env.THE_SECRET = "of the environment";
    expect(bay.ok("config")).not.toContain("of the environment");
    bay.ok("up", "-d", "--build");
    expect(bay.ok("logs", "--no-log-prefix", "second")).toBe("one\nfrom a fileof the environment");
    put("Dockerfile", `${BASE}FROM base\nRUN echo changed > /one\n`);
    const plan = bay.run(["plan", "--detailed-exitcode"]);
    expect(plan.code).toBe(2);
    expect(plan.out).toContain("built-second-1");
    expect(plan.out).toContain("its base image built-first is rebuilt");
    bay.ok("up", "-d");
    await eventually(() => {
      expect(bay.ok("logs", "--no-log-prefix", "second")).toBe("changed\nfrom a fileof the environment");
    });
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
    bay.ok("down");
    bay.ok("image", "rm", "-f", "built-first", "built-second");
    bay.ok("build", "second");
    bay.write(
      "name: built\nservices:\n  a:\n    build: { context: ., additional_contexts: { x: 'service:b' }, secrets: [s] }\n",
    );
    const wrong = bay.run(["config"]).err;
    expect(wrong).toContain("depends on b, which is not a service");
    expect(wrong).toContain("uses the secret s, which is not declared");
  });

  it("come by Docker's API too", async () => {
    put(
      "sub/Dockerfile",
      `${BASE}FROM base\nARG A\nLABEL own=label\nCOPY word /word\nRUN echo $A >> /word; cat /word\n`,
    );
    put("word", "docker's ");
    const archive = execFileSync("tar", ["-cz", "-C", context, "sub", "word", "busybox"], {
      maxBuffer: 1 << 26,
    });
    const call = (query: Record<string, string>, body: Buffer) =>
      new Promise<{ status: number; text: string }>((resolve, reject) => {
        const path = `/v1.43/build?${new URLSearchParams(query)}`;
        let reply: { status: number; text: string };
        const asked = request({ socketPath: bay.socket, method: "POST", path }, (answer) => {
          reply = { status: answer.statusCode!, text: "" };
          answer.setEncoding("utf8").on("data", (part: string) => {
            reply.text += part;
          });
        });
        // not at the end of the answer: the client's last, empty write follows, and fails if bayd was stopped before
        asked.on("close", () => resolve(reply));
        asked.on("error", reject);
        asked.end(body);
      });
    bay.ok("image", "ls");
    const query = {
      t: "api:1",
      dockerfile: "sub/Dockerfile",
      buildargs: '{"A":"given"}',
      labels: '{"more":"1"}',
      version: "1",
    };
    const { status, text } = await call(query, archive);
    expect(status).toBe(200);
    const lines = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { stream?: string; aux?: { ID: string }; error?: string });
    expect(lines.map(({ stream = "" }) => stream).join("")).toMatch(
      /docker's given\n[\s\S]*Successfully tagged api:1\n$/,
    );
    const [inspected] = JSON.parse(bay.ok("image", "inspect", "api:1")) as [
      { Id: string; Config: { Labels: object } },
    ];
    expect(lines.find(({ aux }) => aux)?.aux?.ID).toBe(inspected.Id);
    expect(inspected.Config.Labels).toEqual({ own: "label", more: "1" });
    expect((await call({ ...query, dockerfile: "absent" }, archive)).text).toContain(
      "the context has no absent",
    );
    expect((await call({ ...query, version: "2" }, archive)).text).toContain("DOCKER_BUILDKIT=0");
    expect((await call({ ...query, buildargs: "x" }, archive)).status).toBe(400);
  });
});
