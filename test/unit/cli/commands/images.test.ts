/** Commands on images and registries. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEMO } from "../../../support/container-rows.ts";
import { type Call, FakeBayd, lines, Reply, rejection } from "../../../support/fake-bayd.ts";
import { FakeRegistry } from "../../../support/fake-registry.ts";
import { bay, type RunOptions } from "../../../support/run-command.ts";

let bayd: FakeBayd;
const at = (name: string) => join(bayd.folder, name);
const runWith = (options: RunOptions, ...words: string[]) =>
  bay(words, { bayd, cwd: bayd.folder, ...options });
const run = (...words: string[]) => runWith({}, ...words);
const rejects = async (words: string[], message: string) =>
  expect(await run(...words)).toEqual({ code: 1, stdout: "", stderr: message });
const ID = `sha256:${"ab".repeat(32)}`;

beforeEach(async () => {
  bayd = await FakeBayd.start();
  writeFileSync(at("compose.yaml"), DEMO);
});
afterEach(() => bayd.stop());

describe("bay image ls", () => {
  const created = Math.floor(Date.now() / 1000) - 7200;
  beforeEach(() => {
    bayd.on("GET /images/json", [
      {
        Id: ID,
        RepoTags: ["web:2", "localhost:5000/web:1"],
        RepoDigests: ["localhost:5000/web@sha256:77"],
        Created: created,
        Size: 2048,
        Containers: 1,
      },
      { Id: "sha256:other", RepoTags: [], RepoDigests: [], Created: created, Size: 10, Containers: 0 },
    ]);
  });

  it("lists each name of an image", async () => {
    const { stdout } = await run("image", "ls", "--digests");
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => line.split(/ {2,}/)),
    ).toEqual([
      ["IMAGE", "DIGEST", "ID", "LOADED", "SIZE", "CONTAINERS"],
      ["<none>", "<none>", "other", "2 hours ago", "10B", "0"],
      ["localhost:5000/web:1", "sha256:77", "abababababab", "2 hours ago", "2KiB", "1"],
      ["web:2", "<none>", "abababababab", "2 hours ago", "2KiB", "1"],
    ]);
    expect((await run("image", "ls", "-q", "--no-trunc")).stdout).toBe(`${ID}\nsha256:other\n`);
    expect(JSON.parse((await run("image", "ls", "--format", "json")).stdout)).toHaveLength(2);
    expect((await run("image", "ls", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}")).stdout).toBe(
      "web 2 sha256:77\nlocalhost:5000/web 1 sha256:77\n<none> <none> <none>\n",
    );
  });

  it("passes filters, and rejects one without a value", async () => {
    await run("image", "ls", "-f", "label=a", "-f", "label=b", "web");
    expect(JSON.parse(bayd.calls.at(-1)!.query.get("filters")!)).toEqual({
      label: ["a", "b"],
      reference: ["web"],
    });
    await rejects(
      ["image", "ls", "-f", "dangling"],
      'error[BAD_OPTION]: invalid filter "dangling"\n  expected KEY=VALUE, for example label=KEY\n',
    );
  });
});

describe("bay image", () => {
  it("shows details and the history", async () => {
    bayd.on("GET /images/a:1/json", { Id: ID });
    expect(JSON.parse((await run("image", "inspect", "a:1")).stdout)).toEqual([{ Id: ID }]);
    const long = `RUN ${"x".repeat(80)}`;
    bayd.on("GET /images/a:1/history", [{ Created: 0, CreatedBy: long, Size: 2048, Comment: "why" }]);
    expect((await run("image", "history", "a:1")).stdout).toContain(`${long.slice(0, 59)}…  why`);
    expect((await run("image", "history", "--no-trunc", "a:1")).stdout).toContain(`2KiB  ${long}  why`);
    expect(JSON.parse((await run("image", "history", "--format", "json", "a:1")).stdout)).toHaveLength(1);
  });

  it("adds and removes names", async () => {
    bayd.on("POST /images/a:1/tag", undefined);
    await run("image", "tag", "a:1", "b:2");
    expect(bayd.calls.at(-1)!.query.get("repo")).toBe("b:2");
    bayd.on("DELETE /images/a:1", [{ Untagged: "a:1" }, { Deleted: ID }]);
    expect((await run("image", "rm", "-f", "a:1")).stdout).toBe("untagged a:1\nremoved abababababab\n");
    expect(bayd.calls.at(-1)!.query.get("force")).toBe("1");
  });

  it("verifies the content", async () => {
    bayd.on("GET /bay/v1/images/verify", { checked: 3, problems: [], damaged: [] });
    expect(await run("image", "verify")).toMatchObject({
      code: 0,
      stdout: "3 blobs are intact\n",
    });
    const problem = { image: "a:1", digest: "sha256:1", message: "has other content" };
    bayd.on("GET /bay/v1/images/verify", { checked: 3, problems: [problem], damaged: ["sha256:1"] });
    const { code, stdout } = await run("image", "verify");
    expect(code).toBe(1);
    expect(stdout).toContain("a:1: sha256:1: has other content\ndamaged content is no longer used\n");
    expect(JSON.parse((await run("image", "verify", "--format", "json")).stdout).problems).toEqual([problem]);
  });

  it("searches a registry with the user's credentials", async () => {
    const auth = { auths: { "example.test": { auth: Buffer.from("me:secret").toString("base64") } } };
    writeFileSync(at("config.json"), JSON.stringify(auth));
    bayd.on("GET /images/search", [{ name: "example.test/web" }]);
    expect((await run("image", "search", "--limit", "3", "example.test/we")).stdout).toBe(
      "example.test/web\n",
    );
    const { query, headers } = bayd.calls.at(-1)!;
    expect([query.get("term"), query.get("limit")]).toEqual(["example.test/we", "3"]);
    expect(JSON.parse(Buffer.from(String(headers["x-registry-auth"]), "base64url").toString())).toMatchObject(
      {
        username: "me",
        password: "secret",
      },
    );
    bayd.on("GET /images/search", []);
    expect((await run("image", "search", "x/y")).stdout).toBe("nothing found\n");
    expect((await run("image", "search", "--format", "json", "x/y")).stdout).toBe("[]\n");
    bayd.on("GET /images/search", rejection(501, "UNSUPPORTED", "the registry has no catalogue"));
    await rejects(["image", "search", "x/y"], "error[UNSUPPORTED]: the registry has no catalogue\n");
  });
});

describe("archives of images", () => {
  it("are written by bayd to a file beside the output, or received", async () => {
    bayd.on("POST /bay/v1/images/save", ({ body }: Call) => {
      writeFileSync((body as { path: string }).path, "archive");
      return lines({ status: "done" });
    });
    expect(await run("image", "save", "-o", "out.tar", "a:1", "b:1")).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    expect(readFileSync(at("out.tar"), "utf8")).toBe("archive");
    expect(bayd.bodyOf("POST /bay/v1/images/save")).toMatchObject({ names: ["a:1", "b:1"] });
    bayd.on("GET /images/get", new Reply(200, "stream"));
    expect((await run("image", "save", "a:1", "b:1")).stdout).toBe("stream");
    expect(bayd.calls.at(-1)!.query.getAll("names")).toEqual(["a:1", "b:1"]);
    bayd.on("POST /bay/v1/images/save", rejection(409, "OTHER_FILE", "it is another file"));
    await run("image", "save", "-o", "out.tar", "a:1");
    expect(readFileSync(at("out.tar"), "utf8")).toBe("stream");
  });

  it("are not written if bayd fails", async () => {
    writeFileSync(at("out.tar"), "before");
    bayd.on(
      "POST /bay/v1/images/save",
      lines({ error: "no image a:1", code: "IMAGE_NOT_FOUND", hint: "pull it" }),
    );
    await rejects(
      ["image", "save", "-o", "out.tar", "a:1"],
      "error[IMAGE_NOT_FOUND]: no image a:1\n  pull it\n",
    );
    bayd.on("GET /images/get", rejection(404, "IMAGE_NOT_FOUND", "no image a:1"));
    await rejects(["image", "save", "a:1"], "error[IMAGE_NOT_FOUND]: no image a:1\n");
    expect(readFileSync(at("out.tar"), "utf8")).toBe("before");
  });

  it("are loaded from a file by bayd, or from standard input", async () => {
    writeFileSync(at("in.tar"), "archive");
    bayd.on("POST /bay/v1/images/load", lines({ stream: "Loaded image: a:1\n" }));
    bayd.on("POST /images/load", lines({ stream: "Loaded image: b:1\n" }));
    expect((await run("image", "load", "-i", "in.tar")).stdout).toBe("loaded image: a:1\n");
    expect(bayd.bodyOf("POST /bay/v1/images/load")).toEqual({ path: at("in.tar") });
    expect((await runWith({ input: "bytes" }, "image", "load")).stdout).toBe("loaded image: b:1\n");
    expect(bayd.bodyOf("POST /images/load")).toBe("bytes");
    await rejects(
      ["image", "load", "-i", "absent"],
      "error[BAD_ARCHIVE]: the archive absent does not exist\n",
    );
  });

  it("of file systems become images", async () => {
    writeFileSync(at("root.tar"), "bytes");
    bayd.on("POST /images/create", lines({ status: ID }));
    expect((await run("image", "import", "-c", 'CMD ["x"]', "root.tar", "a:1")).stdout).toBe(`${ID}\n`);
    expect(Object.fromEntries(bayd.calls.at(-1)!.query)).toEqual({
      fromSrc: "-",
      repo: "a:1",
      message: "Imported from root.tar",
      platform: "",
      changes: 'CMD ["x"]',
    });
    await run("image", "import", "http://example.test/root.tar");
    expect(bayd.calls.at(-1)!.query.get("fromSrc")).toBe("http://example.test/root.tar");
    await rejects(["image", "import", "absent"], "error[NO_FILE]: the file absent does not exist\n");
    expect((await run("image", "import", "-c", "RUN x", "root.tar")).stderr).toContain("error[");
    bayd.on("POST /images/create", new Reply(200, ""));
    await rejects(["image", "import", "http://example.test/x"], "error[DAEMON]: bayd sent an empty answer\n");
  });
});

describe("pull and push", () => {
  const pulls = () =>
    bayd.calls.filter(({ path }) => path === "/images/create").map(({ query }) => query.get("fromImage"));

  it("show each layer that is ready, and the result", async () => {
    bayd.on(
      "POST /images/create",
      lines(
        { status: "Downloading", id: "0123456789ab", progressDetail: { current: 1, total: 2 } },
        { status: "Pull complete", id: "0123456789ab" },
        { status: "Status: Downloaded newer image for web:1" },
      ),
    );
    expect(await run("image", "pull", "web:1")).toEqual({
      code: 0,
      stdout: "Downloaded newer image for web:1\n",
      stderr: "0123456789ab Pull complete\n",
    });
    expect(await run("image", "pull", "-q", "web:1")).toEqual({ code: 0, stdout: "web:1\n", stderr: "" });
    expect((await run("--progress", "json", "image", "pull", "web:1")).stderr.split("\n")).toHaveLength(3);
  });

  it("pull each image of the services once", async () => {
    writeFileSync(at("compose.yaml"), `${DEMO}  again:\n    image: web:1\n  built:\n    build: .\n`);
    bayd.on("POST /images/create", lines({ status: "Status: up to date" }));
    await run("pull");
    expect(pulls().sort()).toEqual(["db:1", "web:1"]);
    await run("pull", "--include-deps", "web");
    expect(pulls().slice(2).sort()).toEqual(["db:1", "web:1"]);
    expect((await run("pull", "built")).stdout).toBe("no service uses an image from a registry\n");
    expect((await run("pull", "--dry-run", "web")).stdout).toBe("web:1 would be pulled\n");
  });

  it("skip images of this host with --policy missing", async () => {
    bayd.on("GET /images/web:1/json", { Id: ID });
    bayd.on("GET /images/db:1/json", rejection(404, "IMAGE_NOT_FOUND", "no image"));
    bayd.on("POST /images/create", lines({ status: "done" }));
    await run("pull", "--policy", "missing");
    expect(pulls()).toEqual(["db:1"]);
  });

  it("go on after a failure only on request, and warn where a build can help", async () => {
    bayd.on("POST /images/create", lines({ error: "no such image", code: "IMAGE_NOT_FOUND" }));
    await rejects(["pull", "web"], "error[IMAGE_NOT_FOUND]: no such image\n");
    const lenient = await run("pull", "--ignore-pull-failures");
    expect(lenient.code).toBe(1);
    expect(lenient.stderr.split("\n").sort()).toEqual([
      "",
      "warning: db:1: no such image",
      "warning: web:1: no such image",
    ]);
    writeFileSync(at("compose.yaml"), "name: demo\nservices:\n  own: {image: own:1, build: .}\n");
    expect(await run("pull")).toEqual({
      code: 0,
      stdout: "",
      stderr: "warning: own:1: no such image; bay build creates it\n",
    });
    expect((await run("pull", "--ignore-buildable")).stdout).toBe(
      "no service uses an image from a registry\n",
    );
  });

  it("push the images of services", async () => {
    bayd.on(
      "POST /images/web:1/push",
      lines({ status: "Pushed", id: "0123456789ab" }, { status: "1: digest: x" }),
    );
    expect(await run("push", "web")).toEqual({
      code: 0,
      stdout: "web:1 1: digest: x\n",
      stderr: "0123456789ab Pushed\n",
    });
    expect((await run("image", "push", "-q", "web:1")).stdout).toBe("web:1\n");
    expect((await run("push", "--include-deps", "--dry-run", "web")).stdout.split("\n").sort()).toEqual([
      "",
      "db:1 would be pushed",
      "web:1 would be pushed",
    ]);
  });

  it.each([
    [["pull", "--parallel"], "--parallel is not supported"],
    [["build", "--compress"], "--compress is not supported: bayd reads the context in place"],
    [["build", "-m", "1g"], "--memory is not supported"],
  ])("refuse %j by name", async (words, message) => {
    expect((await run(...words)).stderr).toContain(`error[UNSUPPORTED_OPTION]: ${message}`);
  });
});

describe("bay login and bay logout", () => {
  it("keep credentials that the registry accepts", async () => {
    const registry = await FakeRegistry.start();
    try {
      registry.fault = (call, answer) => {
        if (call.headers.authorization === `Basic ${Buffer.from("me:secret").toString("base64")}`)
          return false;
        answer.writeHead(401, { "www-authenticate": 'Basic realm="test"' }).end("{}");
        return true;
      };
      const login = (input: string) =>
        runWith({ input }, "login", "-u", "me", "--password-stdin", registry.host);
      const wrong = await login("other\n");
      expect(wrong.code).toBe(1);
      expect(wrong.stderr).toContain("error[");
      expect(await login("secret\n")).toMatchObject({
        code: 0,
        stdout: `logged in to ${registry.host} as me\n`,
      });
      const { auths } = JSON.parse(readFileSync(at("bay/auth.json"), "utf8"));
      expect(Buffer.from(auths[registry.host].auth, "base64").toString()).toBe("me:secret");
      expect((await run("logout", registry.host)).stdout).toBe(`logged out of ${registry.host}\n`);
      expect((await run("logout", registry.host)).stdout).toBe(`not logged in to ${registry.host}\n`);
    } finally {
      await registry.stop();
    }
  });

  it("reject a visible password, and a missing name", async () => {
    expect((await run("login", "-p", "secret")).stderr).toContain("visible to every process on this host");
    await rejects(["login", "--password-stdin"], "error[BAD_OPTION]: --password-stdin needs --username\n");
    expect((await run("login")).stderr).toContain("cannot ask for input without a terminal");
  });
});

describe("bay image build", () => {
  const built = (more: object = {}) => ({ image: { id: ID, digest: "sha256:dd", ...more } });
  const asked = () => bayd.bodyOf("POST /bay/v1/build") as Record<string, unknown>;
  beforeEach(() => {
    mkdirSync(at("ctx"));
    writeFileSync(at("ctx/Dockerfile"), "FROM scratch\n");
    bayd.on("POST /bay/v1/build", lines(built()));
  });

  it("sends the Dockerfile and the options", async () => {
    writeFileSync(at("secret"), "x");
    const { code, stdout } = await runWith(
      { env: { FROM_ENV: "here", SOURCE_DATE_EPOCH: "7" } },
      ...[
        "image",
        "build",
        "-t",
        "a:1",
        "--target",
        "final",
        "--build-arg",
        "A=1",
        "--build-arg",
        "FROM_ENV",
      ],
      ...["--label", "l=1", "--no-cache", "--pull", "--network", "none", "--add-host", "db:[::1]"],
      ...["--add-host", "gw=host-gateway", "--shm-size", "64m", "--ulimit", "nofile=10:20"],
      ...["--secret", "id=s,src=secret", "--secret", "id=e,env=FROM_ENV", "--ssh", "key=/agent"],
      ...["--allow", "security.insecure", "--no-cache-filter", "one,two", "--platform", "linux/arm64"],
      ...["--build-context", "base=docker-image://web:1", "ctx"],
    );
    expect([code, stdout]).toEqual([0, "built a:1 (abababababab)\n"]);
    expect(asked()).toMatchObject({
      context: { kind: "folder", path: at("ctx") },
      dockerfile: { source: "FROM scratch\n", file: "Dockerfile", path: at("ctx/Dockerfile") },
      tags: ["a:1"],
      target: "final",
      args: { SOURCE_DATE_EPOCH: "7", A: "1", FROM_ENV: "here" },
      labels: { l: "1" },
      noCache: true,
      noCacheFilter: ["one", "two"],
      pull: true,
      network: "none",
      extraHosts: ["db=::1", "gw=host-gateway"],
      shmSize: 64 * 1024 ** 2,
      ulimits: { nofile: { soft: 10, hard: 20 } },
      secrets: { s: { file: at("secret") }, e: { value: "here" } },
      ssh: { key: "/agent" },
      insecure: true,
      hostNetwork: false,
      platform: "linux/arm64",
      contexts: { base: { kind: "image" } },
    });
  });

  it("reads a Dockerfile, or an archive of the context, from standard input", async () => {
    await runWith({ input: "FROM a\n" }, "image", "build", "-");
    expect(asked()).toMatchObject({ dockerfile: { source: "FROM a\n" } });
    expect(asked().context).toBeUndefined();
    await runWith({ input: "FROM b\n" }, "image", "build", "-f", "-", "ctx");
    expect(asked()).toMatchObject({ dockerfile: { source: "FROM b\n" }, context: { kind: "folder" } });
    const { execFileSync } = await import("node:child_process");
    const input = execFileSync("tar", ["-c", "-C", at("ctx"), "Dockerfile"]);
    await runWith({ input }, "image", "build", "-");
    expect(asked()).toMatchObject({ context: { kind: "archive" }, dockerfile: { inContext: "" } });
    await rejects(
      ["image", "build", "-f", "-", "-"],
      "error[BAD_OPTION]: standard input cannot be both the Dockerfile and the context\n  give one of them as a file or directory\n",
    );
  });

  it("shows the progress in lines", async () => {
    const news = (kind: string, more: object = {}) => ({ news: { step: 1, kind, title: "RUN x", ...more } });
    bayd.on(
      "POST /bay/v1/build",
      lines(
        news("note", { text: "a note" }),
        news("started"),
        news("output", { text: "one\ntw" }),
        news("output", { text: "o\r\nthree" }),
        news("done", { seconds: 1.25 }),
        { news: { step: 2, kind: "cached", title: "COPY y" } },
        { news: { step: 3, kind: "started", title: "RUN z" } },
        { news: { step: 3, kind: "failed", title: "RUN z" } },
        built(),
      ),
    );
    const { stdout, stderr } = await run("image", "build", "-q", "--progress", "plain", "ctx");
    expect([stdout, stderr]).toEqual([`${ID}\n`, ""]);
    expect((await run("image", "build", "--progress", "plain", "ctx")).stderr.split("\n")).toEqual([
      "a note",
      "#1 RUN x",
      "#1 one",
      "#1 two",
      "#1 three",
      "#1 DONE 1.3s",
      "#2 COPY y",
      "#2 CACHED",
      "#3 RUN z",
      "#3 FAILED",
      "",
    ]);
    expect((await run("image", "build", "--progress", "json", "ctx")).stderr.split("\n")).toHaveLength(9);
  });

  it("passes bayd's error, and reports an answer without an image", async () => {
    bayd.on("POST /bay/v1/build", lines({ error: { code: "BUILD_FAILED", message: "RUN failed" } }));
    expect((await run("image", "build", "ctx")).stderr).toMatch(/^error\[[A-Z_]+\]: RUN failed\n$/);
    bayd.on("POST /bay/v1/build", lines());
    await rejects(
      ["image", "build", "ctx"],
      "error[DAEMON_LOST]: bayd stopped during the build\n  run the command again\n",
    );
  });

  it("writes the ID and the metadata, and pushes", async () => {
    bayd.on("POST /images/a:1/push", lines({ status: "done" }));
    await run("image", "build", "-t", "a:1", "--iidfile", "id", "--metadata-file", "meta", "--push", "ctx");
    expect(readFileSync(at("id"), "utf8")).toBe(ID);
    expect(JSON.parse(readFileSync(at("meta"), "utf8"))).toEqual({
      "containerimage.config.digest": ID,
      "containerimage.digest": "sha256:dd",
      "image.name": "a:1",
    });
    expect(bayd.seen.at(-1)).toBe("POST /images/a%3A1/push");
    await rejects(
      ["image", "build", "--iidfile", "no/dir/id", "ctx"],
      "error[BAD_OPTION]: --iidfile: the directory no/dir does not exist\n",
    );
    const { stderr } = await run("image", "build", "--push", "ctx");
    expect(stderr).toContain("error[BAD_OPTION]: an image without a name cannot be pushed\n  -t NAME\n");
  });

  it("delivers the files or an archive, and keeps no image without a name", async () => {
    bayd.on(`GET /images/${ID}/json`, { RepoTags: [] }).on(`DELETE /images/${ID}`, undefined);
    bayd.on("POST /bay/v1/image/files", undefined);
    bayd.on(`GET /bay/v1/image/${ID}/files`, new Reply(200, "files"));
    bayd.on(`GET /bay/v1/image/${ID}/archive`, new Reply(200, "archive"));
    await run("image", "build", "-t", "a:1", "-o", "out", "ctx");
    expect(bayd.bodyOf("POST /bay/v1/image/files")).toMatchObject({ id: ID, folder: at("out") });
    expect(asked().tags).toEqual([]);
    expect(bayd.seen.at(-1)).toBe(`DELETE /images/${ID}`);
    expect((await run("image", "build", "-o", "-", "ctx")).stdout).toBe("files");
    expect((await run("image", "build", "-o", "type=oci,dest=o.tar", "-t", "a:1", "ctx")).code).toBe(0);
    expect(readFileSync(at("o.tar"), "utf8")).toBe("archive");
    expect(
      (await run("image", "build", "-o", "type=image,name=b:1", "-o", "type=docker,dest=d.tar", "ctx"))
        .stdout,
    ).toBe("built b:1 (abababababab)\n");
    expect(readFileSync(at("d.tar"), "utf8")).toBe("archive");
    bayd.on(`GET /bay/v1/image/${ID}/files`, rejection(500, "INTERNAL", "unreadable"));
    expect((await run("image", "build", "-o", "type=tar,dest=t.tar", "ctx")).stderr).toBe(
      "error[INTERNAL]: unreadable\n",
    );
  });

  it.each([
    [
      ["-o", "dest=x"],
      '--output "dest=x": the type is missing\n  type=image, registry, local, tar, oci, docker, cacheonly\n',
    ],
    [
      ["-o", "type=zip"],
      '--output "type=zip": unknown type "zip"\n  expected one of image, registry, local, tar, oci, docker, cacheonly\n',
    ],
    [
      ["-o", "type=local,dset=x"],
      '--output "type=local,dset=x": type=local does not support "dset"\n  did you mean dest?\n',
    ],
    [["-o", "type=local"], '--output "type=local": type=local needs a dest\n'],
    [["-o", "type=oci,tar=false"], '--output "type=oci,tar=false": tar=false needs a dest\n'],
    [["-o", "-", "-o", "type=oci"], "only one --output can go to standard output\n"],
    [["-o", "type=tar,dest=no/x"], "--output: the directory "],
    [["--network", "mine"], "--network: expected default, host or none, got mine\n"],
    [["--add-host", "db"], "--add-host: expected NAME=ADDRESS, got db\n"],
    [["--ulimit", "nofile"], "--ulimit: expected NAME=SOFT[:HARD], got nofile\n"],
    [["--shm-size", "big"], "--shm-size: invalid size big\n  for example 128m\n"],
    [["--allow", "all"], "--allow: unknown entitlement all\n  expected security.insecure or network.host\n"],
    [["--build-arg", "=x"], "--build-arg: expected NAME=VALUE, got =x\n"],
    [["--build-context", "base"], "--build-context: expected NAME=CONTEXT, got base\n"],
  ])("rejects %j before any request", async (words, message) => {
    const { code, stderr } = await run("image", "build", ...words, "ctx");
    expect(code).toBe(1);
    expect(stderr).toContain(`error[BAD_OPTION]: ${message}`);
    expect(bayd.seen).toEqual([]);
  });

  it("names what is missing on this host", async () => {
    await rejects(
      ["image", "build", "."],
      `error[NO_DOCKERFILE]: ${bayd.folder} has no Dockerfile\n  use -f to name another file\n`,
    );
    expect((await run("image", "build", "--secret", "id=s,src=none", "ctx")).stderr).toBe(
      `error[NO_SECRET]: the secret s: ${at("none")} does not exist\n`,
    );
    expect((await run("image", "build", "--secret", "id=s,env=NOT_SET_HERE", "ctx")).stderr).toBe(
      "error[NO_SECRET]: the variable NOT_SET_HERE is not set\n",
    );
    const ssh = await runWith(
      { env: { SSH_AUTH_SOCK: undefined } },
      "image",
      "build",
      "--ssh",
      "default",
      "ctx",
    );
    expect(ssh.stderr).toBe("error[NO_SSH]: no SSH agent is running\n  set SSH_AUTH_SOCK to its socket\n");
  });

  it("checks a Dockerfile with --check, without bayd", async () => {
    writeFileSync(at("ctx/Dockerfile"), "FROM scratch as base\n");
    const { code, stdout } = await run("image", "build", "--check", "ctx");
    expect(code).toBe(1);
    expect(stdout).toContain("FromAsCasing");
    writeFileSync(at("ctx/Dockerfile"), "FRM scratch\n");
    expect((await run("image", "build", "--check", "ctx")).stderr).toContain("error[BAD_DOCKERFILE]");
    writeFileSync(at("ctx/Dockerfile"), "FROM scratch\nCOPY a /b\n");
    expect(await run("image", "build", "--check", "ctx")).toMatchObject({
      code: 0,
      stdout: "no problems found\n",
    });
    expect(bayd.seen).toEqual([]);
  });
});

describe("bay build", () => {
  beforeEach(() => {
    writeFileSync(
      at("compose.yaml"),
      "name: demo\nservices:\n  app:\n    build: {context: ., secrets: [token]}\n  db: {image: db:1}\nsecrets: {token: {environment: TOKEN}}\n",
    );
    writeFileSync(at("Dockerfile"), "FROM scratch\n");
    bayd.on("POST /bay/v1/stack/build", lines({ image: { id: ID, digest: "d", service: "app" } }));
  });
  const withToken = (...words: string[]) => runWith({ env: { TOKEN: "sesame" } }, ...words);

  it("builds the services that have a build", async () => {
    const { code, stdout } = await withToken("build", "--build-arg", "A=1", "--no-cache", "--pull");
    expect([code, stdout]).toEqual([0, "built demo-app (abababababab)\n"]);
    expect(bayd.bodyOf("POST /bay/v1/stack/build")).toMatchObject({
      services: ["app"],
      changes: { args: { A: "1" }, noCache: true, pull: true },
    });
    expect((await withToken("build", "-q")).stdout).toBe(`${ID}\n`);
    expect((await withToken("build", "db")).stdout).toBe("no service of the stack has a build\n");
    expect((await withToken("build", "--dry-run")).stdout).toBe(
      "image demo-app of the service app would be built\n",
    );
  });

  it("prints requests without secrets, and checks Dockerfiles", async () => {
    const { stdout } = await withToken("build", "--print");
    expect(JSON.parse(stdout)).toMatchObject([{ secrets: { token: "(hidden)" } }]);
    expect(stdout).not.toContain("sesame");
    expect(await withToken("build", "--check")).toMatchObject({ code: 0, stdout: "no problems found\n" });
  });

  it("pushes with --push, and refuses attestations", async () => {
    bayd.on("POST /images/demo-app/push", lines({ status: "done" }));
    expect((await withToken("build", "--push", "--provenance=false")).stdout).toBe(
      "built demo-app (abababababab)\ndemo-app done\n",
    );
    expect((await withToken("build", "--sbom")).stderr).toBe(
      "error[UNSUPPORTED_OPTION]: --sbom is not supported: images get no attestations\n  leave it out, or write --sbom=false\n",
    );
  });
});
