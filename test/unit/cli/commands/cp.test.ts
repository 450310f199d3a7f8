/** `bay cp` and `bay container …`: files between a container and this host. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEMO, idOf, row } from "../../../support/container-rows.ts";
import { type Call, FakeBayd, Reply, rejection } from "../../../support/fake-bayd.ts";
import { bay } from "../../../support/run-command.ts";

let bayd: FakeBayd;
const web = idOf("web");
const FOLDER_MODE = 2 ** 31 + 0o755;
const run = (words: string[], input?: Buffer) =>
  bay(words, { bayd, cwd: bayd.folder, ...(input ? { input } : {}) });
const at = (name: string) => join(bayd.folder, name);
const stat = (more: object) => ({
  "x-docker-container-path-stat": Buffer.from(JSON.stringify(more)).toString("base64"),
});
/** An archive of some files, as bayd sends and receives it. */
const packed = (...names: string[]) => execFileSync("tar", ["-c", "-C", at("given"), ...names]);
/** The names in the archive that was sent. */
const sent = (call: Call) =>
  execFileSync("tar", ["-t"], { input: Buffer.from(call.body as string) })
    .toString()
    .trim()
    .split("\n");

beforeEach(async () => {
  bayd = await FakeBayd.start();
  writeFileSync(at("compose.yaml"), DEMO);
  mkdirSync(at("given/folder"), { recursive: true });
  writeFileSync(at("given/file"), "content");
  writeFileSync(at("given/folder/inner"), "inner");
  bayd.on("GET /containers/json", [row("web"), row("web", 2)]);
});
afterEach(() => bayd.stop());

describe("bay cp from a container", () => {
  const gives = (mode: number, ...names: string[]) =>
    bayd.on(`GET /containers/${web}/archive`, () => new Reply(200, packed(...names), stat({ mode })));

  it("copies a file under the name of the target, or into a directory", async () => {
    gives(0o644, "file");
    mkdirSync(at("into"));
    expect(await run(["cp", "web:/srv/file", "renamed"])).toEqual({ code: 0, stdout: "", stderr: "" });
    await run(["cp", "web:srv/file", "into"]);
    expect(readFileSync(at("renamed"), "utf8")).toBe("content");
    expect(readFileSync(at("into/file"), "utf8")).toBe("content");
    expect(bayd.calls.at(-1)!.query.get("path")).toBe("/srv/file");
  });

  it("renames a directory whose name has special characters of tar", async () => {
    gives(FOLDER_MODE, "folder");
    await run(["cp", "web:/folder", "a,b&c"]);
    expect(readFileSync(at("a,b&c/inner"), "utf8")).toBe("inner");
  });

  it("writes the archive to standard output for -", async () => {
    gives(0o644, "file");
    const { stdout } = await run(["cp", "web:/file", "-"]);
    expect(execFileSync("tar", ["-xO"], { input: stdout }).toString()).toBe("content");
  });

  it("follows links in the container with --follow-link", async () => {
    const links: Record<string, string> = { "/current": "releases/2", "/releases/2": "" };
    bayd.on(
      `HEAD /containers/${web}/archive`,
      ({ query }: Call) => new Reply(200, "", stat({ linkTarget: links[query.get("path")!] })),
    );
    gives(0o644, "file");
    await run(["cp", "-L", "web:/current", "copy"]);
    expect(bayd.calls.at(-1)!.query.get("path")).toBe("/releases/2");
    links["/releases/2"] = "/current";
    const { code, stderr } = await run(["cp", "-L", "web:/current", "copy"]);
    expect([code, stderr]).toEqual([1, "error[BAD_TARGET]: /current: too many symbolic links\n"]);
  });

  it("rejects targets that cannot hold the source", async () => {
    gives(FOLDER_MODE, "folder");
    writeFileSync(at("existing"), "");
    expect((await run(["cp", "web:/folder", "existing"])).stderr).toBe(
      "error[BAD_TARGET]: /folder is a directory, and existing is an existing file\n",
    );
    expect((await run(["cp", "web:/folder", "no/such/place"])).stderr).toBe(
      `error[BAD_TARGET]: the directory ${at("no/such")} does not exist\n`,
    );
    gives(0o644, "file");
    expect((await run(["cp", "web:/file", "absent/"])).stderr).toBe(
      "error[BAD_TARGET]: the directory absent/ does not exist\n",
    );
  });

  it("reports what bayd says of the path", async () => {
    bayd.on(`GET /containers/${web}/archive`, rejection(404, "NO_FILE", "/gone does not exist"));
    expect(await run(["cp", "web:/gone", "x"])).toMatchObject({
      code: 1,
      stderr: "error[NO_FILE]: /gone does not exist\n",
    });
  });
});

describe("bay cp into a container", () => {
  const takes = (mode: number | undefined) => {
    for (const id of [web, idOf("web", 2)]) {
      bayd.on(`HEAD /containers/${id}/archive`, () =>
        mode === undefined ? new Reply(404, "") : new Reply(200, "", stat({ mode })),
      );
      bayd.on(`PUT /containers/${id}/archive`, "");
    }
  };
  const puts = () => bayd.calls.filter(({ method }) => method === "PUT");

  it("copies into each container of the service", async () => {
    takes(FOLDER_MODE);
    expect(await run(["cp", "given/file", "web:/srv"])).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(puts().map(({ path, query }) => [path, query.get("path")])).toEqual([
      [`/containers/${web}/archive`, "/srv"],
      [`/containers/${idOf("web", 2)}/archive`, "/srv"],
    ]);
    expect(puts().map(sent)).toEqual([["file"], ["file"]]);
  });

  it("copies into one container with --index, under the name of the target", async () => {
    takes(undefined);
    await run(["cp", "--index", "2", "given/folder", "web:/srv/new"]);
    expect(puts().map(({ path, query }) => [path, query.get("path")])).toEqual([
      [`/containers/${idOf("web", 2)}/archive`, "/srv"],
    ]);
    expect(sent(puts()[0]!)).toEqual(["new/", "new/inner"]);
  });

  it("copies what a link points to with --follow-link", async () => {
    takes(FOLDER_MODE);
    symlinkSync("file", at("given/link"));
    await run(["cp", "--index", "1", "-L", "-a", "given/link", "web:/srv"]);
    expect(sent(puts()[0]!)).toEqual(["file"]);
  });

  it("sends standard input for -, to the first container", async () => {
    takes(FOLDER_MODE);
    await run(["cp", "-", "web:/srv"], packed("file"));
    expect(puts().map(sent)).toEqual([["file"]]);
  });

  it("shows what would be copied with --dry-run", async () => {
    const { stderr } = await run(["cp", "--dry-run", "given/file", "web:/srv"]);
    expect(stderr).toBe(
      ["demo-web-1", "demo-web-2"]
        .map((name) => `given/file would be copied to web:/srv (container ${name})\n`)
        .join(""),
    );
    expect(puts()).toEqual([]);
  });

  it("rejects sources that cannot be copied", async () => {
    takes(0o644);
    expect((await run(["cp", "given/folder", "web:/file"])).stderr).toBe(
      "error[BAD_TARGET]: given/folder is a directory, and /file is a file in the container\n",
    );
    expect((await run(["cp", "absent", "web:/srv"])).stderr).toBe("error[NO_FILE]: absent does not exist\n");
    takes(undefined);
    expect((await run(["cp", "given/file", "web:/srv/"])).stderr).toBe(
      "error[BAD_TARGET]: the container has no directory /srv/\n",
    );
    expect(puts()).toEqual([]);
  });

  it.each([
    [
      ["cp", "web:/a", "db:/b"],
      "error[BAD_OPTION]: cannot copy from one container to another: the source or the target must be a local path\n  copy to a local directory first\n",
    ],
    [["cp", "a", "./b"], "error[BAD_OPTION]: the source or the target must be SERVICE:PATH\n"],
    [
      ["cp", "--all", "--index", "1", "a", "web:/b"],
      "error[BAD_OPTION]: --all and --index cannot be used together\n",
    ],
  ])("rejects %j", async (words, message) => {
    bayd.on("GET /containers/json", [row("web"), row("db")]);
    expect(await run(words)).toEqual({ code: 1, stdout: "", stderr: message });
  });
});

describe("bay container", () => {
  beforeEach(() => {
    bayd.on("GET /containers/mine/json", { Id: "c1" });
    bayd.on("GET /containers/web/json", rejection(404, "CONTAINER_NOT_FOUND", "no such container"));
  });

  it("lists changed files by name, or by the service", async () => {
    const changes = [
      { Path: "/etc", Kind: 0 },
      { Path: "/etc/new\u0007", Kind: 1 },
      { Path: "/gone", Kind: 2 },
    ];
    bayd.on("GET /containers/c1/changes", changes).on(`GET /containers/${web}/changes`, []);
    expect((await run(["container", "diff", "mine"])).stdout).toBe("C /etc\nA /etc/new?\nD /gone\n");
    expect(JSON.parse((await run(["container", "diff", "--format", "json", "mine"])).stdout)).toEqual(
      changes,
    );
    expect(await run(["container", "diff", "web"])).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("commits with changes of the image's config", async () => {
    bayd.on("POST /commit", { Id: "sha256:1" });
    const { stdout } = await run([
      "container",
      "commit",
      "--no-pause",
      "-a",
      "Me",
      "-m",
      "why",
      "-c",
      "ENV A=1",
      "mine",
      "new:1",
    ]);
    expect(stdout).toBe("sha256:1\n");
    expect(Object.fromEntries(bayd.calls.at(-1)!.query)).toEqual({
      container: "c1",
      repo: "new:1",
      author: "Me",
      comment: "why",
      pause: "0",
      changes: "ENV A=1",
    });
    await run(["commit", "--index", "2", "web"]);
    expect(bayd.calls.at(-1)!.query.get("container")).toBe(idOf("web", 2));
  });

  it("exports to a file as a whole, or to standard output", async () => {
    bayd.on("GET /containers/c1/export", () => new Reply(200, packed("file")));
    await run(["container", "export", "-o", "out.tar", "mine"]);
    expect(execFileSync("tar", ["-t", "-f", at("out.tar")]).toString()).toBe("file\n");
    const { stdout } = await run(["container", "export", "mine"]);
    expect(execFileSync("tar", ["-t"], { input: stdout }).toString()).toBe("file\n");
    bayd.on("GET /containers/c1/export", rejection(500, "INTERNAL", "it failed"));
    const failed = await run(["container", "export", "-o", "out.tar", "mine"]);
    expect(failed).toMatchObject({ code: 1, stderr: "error[INTERNAL]: it failed\n" });
    expect(execFileSync("tar", ["-t", "-f", at("out.tar")]).toString()).toBe("file\n");
  });

  it("copies files of a container that no stack has", async () => {
    bayd.on("GET /containers/c1/archive", () => new Reply(200, packed("file"), stat({ mode: 0o644 })));
    await run(["container", "cp", "mine:/file", "here"]);
    expect(readFileSync(at("here"), "utf8")).toBe("content");
  });
});

describe("an answer that is cut", () => {
  const cut =
    (bytes: Buffer, headers = {}) =>
    (_call: Call, answer: ServerResponse) => {
      answer.writeHead(200, headers);
      answer.write(bytes.subarray(0, 100), () => answer.destroy());
    };
  const message =
    "error[DAEMON_LOST]: bayd closed the connection before all data was received\n  see the log of bayd for the reason: bayd.log in its root, or journalctl -u bay\n";

  it("is an error of the command, and leaves the earlier file", async () => {
    bayd.on("GET /containers/mine/json", { Id: "c1" });
    bayd.on("GET /containers/c1/export", cut(packed("file")));
    bayd.on(`GET /containers/${web}/archive`, cut(packed("file"), stat({ mode: 0o644 })));
    writeFileSync(at("out.tar"), "before");
    for (const words of [
      ["container", "export", "-o", "out.tar", "mine"],
      ["container", "export", "mine"],
      ["cp", "web:/file", "-"],
    ]) {
      const { code, stderr } = await run(words);
      expect([code, stderr.replace(/: aborted$/m, "")]).toEqual([1, message]);
    }
    expect(readFileSync(at("out.tar"), "utf8")).toBe("before");
  });
});
