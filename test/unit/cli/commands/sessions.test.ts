/** Commands with a connection to a container: exec, attach, run. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEMO, idOf, row } from "../../../support/container-rows.ts";
import { FakeBayd, frame, lines, rejection } from "../../../support/fake-bayd.ts";
import { bay } from "../../../support/run-command.ts";

let bayd: FakeBayd;
const web = idOf("web");
const run = (words: string[], input?: string) =>
  bay(["-f", join(bayd.folder, "compose.yaml"), ...words], {
    bayd,
    cwd: bayd.folder,
    ...(input === undefined ? {} : { input }),
  });

beforeEach(async () => {
  bayd = await FakeBayd.start();
  writeFileSync(join(bayd.folder, "compose.yaml"), DEMO);
  bayd.on("GET /containers/json", [row("web"), row("web", 2), row("db", 1, { State: "paused" })]);
});
afterEach(() => bayd.stop());

describe("bay exec", () => {
  const upper = () => {
    bayd.on(`POST /containers/${web}/exec`, { Id: "e1" });
    bayd.onUpgrade("/exec/e1/start", (socket) => {
      const got: Buffer[] = [];
      socket.on("data", (bytes: Buffer) => got.push(bytes));
      socket.on("end", () => {
        const text = Buffer.concat(got).toString().replace(/^.*\}/s, "");
        // frames may be split anywhere
        const bytes = Buffer.concat([frame(1, text.toUpperCase()), frame(2, "a warning\n")]);
        socket.write(bytes.subarray(0, 5));
        socket.end(bytes.subarray(5));
      });
    });
  };

  it("passes input, output and the exit code of the command", async () => {
    upper();
    const states = [{ Running: true, ExitCode: null }];
    bayd.on("GET /exec/e1/json", () => states.shift() ?? { Running: false, ExitCode: 7 });
    const ran = await run(
      ["exec", "-e", "A=1", "-u", "app", "-w", "/srv", "web", "tr", "-u", "x"],
      "some words",
    );
    expect(ran).toEqual({ code: 7, stdout: "SOME WORDS", stderr: "a warning\n" });
    expect(bayd.bodyOf(`POST /containers/${web}/exec`)).toMatchObject({
      Cmd: ["tr", "-u", "x"],
      Tty: false,
      AttachStdin: true,
      Env: ["A=1"],
      User: "app",
      WorkingDir: "/srv",
    });
  });

  it("returns at once with --detach", async () => {
    bayd.on(`POST /containers/${web}/exec`, { Id: "e2" }).on("POST /exec/e2/start", undefined);
    expect(await run(["exec", "-d", "--privileged", "web", "sleep", "9"])).toMatchObject({
      code: 0,
      stdout: "",
    });
    expect(bayd.bodyOf("POST /exec/e2/start")).toEqual({ Detach: true });
    expect(bayd.bodyOf(`POST /containers/${web}/exec`)).toMatchObject({
      AttachStdin: false,
      Privileged: true,
    });
  });

  it("takes a variable without a value from this environment, and rejects an invalid one", async () => {
    bayd.on(`POST /containers/${web}/exec`, { Id: "e3" }).on("POST /exec/e3/start", undefined);
    await bay(["-p", "demo", "exec", "-d", "-e", "GIVEN", "-e", "ABSENT", "web", "true"], {
      bayd,
      cwd: bayd.folder,
      env: { GIVEN: "yes", ABSENT: undefined },
    });
    expect(bayd.bodyOf(`POST /containers/${web}/exec`)).toMatchObject({ Env: ["GIVEN=yes"] });
    const { code, stderr } = await run(["exec", "-e", "=x", "web", "true"]);
    expect([code, stderr]).toEqual([1, "error[BAD_OPTION]: -e expects NAME=value or NAME, got =x\n"]);
  });

  it.each([
    [["db"], "error[NOT_RUNNING]: the service db is paused\n  bay unpause db\n"],
    [
      ["--index", "3", "web"],
      "error[NO_CONTAINER]: the service web has no container with the number 3\n  its numbers are: 1, 2\n",
    ],
    [
      ["nothing"],
      "error[UNKNOWN_SERVICE]: the stack demo has no service nothing\n  its services are: db, web\n",
    ],
  ])("rejects %j", async (words, message) => {
    expect(await run(["exec", ...words, "true"])).toEqual({ code: 1, stdout: "", stderr: message });
  });

  it("names a service that has no container, or one that does not run", async () => {
    bayd.on("GET /containers/json", [row("db", 1, { State: "exited" })]);
    expect((await run(["exec", "web", "true"])).stderr).toBe(
      "error[NO_CONTAINER]: the service web has no container\n  bay up web creates one\n",
    );
    expect((await run(["exec", "db", "true"])).stderr).toBe(
      "error[NOT_RUNNING]: the service db is not running\n  bay up db starts it\n",
    );
  });

  it("reports why bayd rejects the connection", async () => {
    bayd.on(`POST /containers/${web}/exec`, { Id: "e9" });
    const { code, stderr } = await run(["exec", "web", "true"]);
    expect([code, stderr]).toEqual([1, "error[NOT_FOUND]: the fake bayd has no such session\n"]);
  });
});

describe("bay attach", () => {
  const inspected = (Running: boolean, ExitCode = 0) => ({
    Config: { Tty: false },
    State: { Running, ExitCode },
  });

  it("shows the output, and ends with the exit code of the container", async () => {
    bayd.on(`GET /containers/${web}/json`, inspected(false, 5));
    bayd.onUpgrade(`/containers/${web}/attach`, (socket) => socket.end(frame(1, "hello\n")));
    const ran = await run(["attach", "--no-stdin", "--detach-keys", "ctrl-x", "web"]);
    expect(ran).toEqual({ code: 5, stdout: "hello\n", stderr: "" });
    expect(bayd.calls.at(-2)!.query.get("stdin")).toBe("0");
    expect(bayd.calls.at(-2)!.query.get("detachKeys")).toBe("ctrl-x");
  });

  it("passes signals of this process to the container, and none with --sig-proxy=false", async () => {
    bayd.on(`GET /containers/${web}/json`, inspected(true));
    const killed: (string | null)[] = [];
    let left = () => {};
    bayd.on(`POST /containers/${web}/kill`, ({ query }: { query: URLSearchParams }) => {
      killed.push(query.get("signal"));
      left();
    });
    const before = process.listenerCount("SIGQUIT");
    let isPassed = true;
    bayd.onUpgrade(`/containers/${web}/attach`, (socket) => {
      left = () => socket.end();
      if (!isPassed) return void socket.end();
      const send = () => {
        if (process.listenerCount("SIGQUIT") > before) process.emit("SIGQUIT", "SIGQUIT");
        else setImmediate(send);
      };
      send();
    });
    expect((await run(["attach", "--no-stdin", "web"])).code).toBe(0);
    expect(killed).toEqual(["SIGQUIT"]);
    isPassed = false;
    await run(["attach", "--no-stdin", "--sig-proxy=false", "web"]);
    expect(killed).toEqual(["SIGQUIT"]);
    expect(process.listenerCount("SIGQUIT")).toBe(before);
  });

  it("rejects another value of --sig-proxy", async () => {
    const { code, stderr } = await run(["attach", "--sig-proxy=maybe", "web"]);
    expect(code).toBe(1);
    expect(stderr).toContain("Allowed choices are true, false");
  });
});

describe("bay run", () => {
  const created = { Id: "one", Name: "demo-web-run-1" };
  beforeEach(() => {
    bayd
      .on("POST /containers/one/start", undefined)
      .on("DELETE /containers/one", undefined)
      .on("POST /containers/one/wait", { StatusCode: 6 })
      .on("POST /bay/v1/up", lines({ result: { steps: [], warnings: ["a warning"] } }));
    bayd.onUpgrade("/containers/one/attach", (socket) => socket.end(frame(1, "out\n")));
  });

  it("asks for the dependencies first, and removes the container with --rm", async () => {
    bayd.on("POST /bay/v1/run", created);
    const ran = await run(["run", "--rm", "web", "echo", "-n", "x"]);
    expect(ran).toMatchObject({ code: 6, stdout: "out\n" });
    expect(ran.stderr).toContain("warning: a warning\n");
    expect(bayd.seen).toEqual([
      "POST /bay/v1/up",
      "POST /bay/v1/up",
      "POST /bay/v1/run",
      "UPGRADE /containers/one/attach?stream=1&stdout=1&stderr=1&stdin=1&detachKeys=",
      "POST /containers/one/wait?condition=next-exit",
      "POST /containers/one/start",
      "DELETE /containers/one?force=1&v=1",
    ]);
    const ups = bayd.calls.filter(({ path }) => path === "/bay/v1/up").map(({ body }) => body);
    expect(ups).toMatchObject([
      { options: { services: ["db"] } },
      { options: { services: ["web"], noDeps: true, baseOnly: true } },
    ]);
    expect(bayd.bodyOf("POST /bay/v1/run")).toMatchObject({
      service: "web",
      command: ["echo", "-n", "x"],
      autoRemove: true,
      start: false,
    });
  });

  it("needs one request if everything is ready", async () => {
    bayd.on("POST /bay/v1/run", created);
    const ran = await run(["run", "-d", "--no-deps", "web"]);
    expect(ran).toEqual({ code: 0, stdout: "demo-web-run-1\n", stderr: "" });
    expect(bayd.seen).toEqual(["POST /bay/v1/run"]);
    expect(bayd.bodyOf("POST /bay/v1/run")).toMatchObject({ ifReady: true, start: true });
  });

  it("applies what the container needs if something is missing", async () => {
    bayd.on("POST /bay/v1/run", ({ body }: { body: { ifReady?: boolean } }) =>
      body.ifReady ? { needsUp: true } : created,
    );
    await run(["run", "-d", "--quiet", "db"]);
    expect(bayd.seen).toEqual(["POST /bay/v1/run", "POST /bay/v1/up", "POST /bay/v1/run"]);
  });

  it("removes orphans with --remove-orphans", async () => {
    bayd.on("GET /containers/json", [row("web"), row("old")]);
    bayd.on(`DELETE /containers/${idOf("old")}`, undefined).on("POST /bay/v1/run", created);
    const { stderr } = await run(["run", "-d", "--remove-orphans", "--pull", "always", "--build", "db"]);
    expect(stderr).toContain("container demo-old-1 removed\n");
    expect(bayd.bodyOf("POST /bay/v1/up")).toMatchObject({ options: { build: true, pull: "always" } });
  });

  it("turns options into changes of the container", async () => {
    writeFileSync(join(bayd.folder, "vars"), "A=file\nB=$A-2\n");
    bayd.on("POST /bay/v1/run", created);
    await run([
      ...[
        "run",
        "-d",
        "--no-deps",
        "--env-from-file",
        "vars",
        "-e",
        "A=option",
        "-l",
        "tier=one",
        "-l",
        "bare",
      ],
      ...["-v", "./here:/there:ro", "-v", "data:/data", "-v", "/anonymous", "-p", "8080:80"],
      ...["--cap-add", "net_admin", "--cap-drop", "ALL", "--entrypoint", "sh -c", "-u", "app", "-w", "/w"],
      ...["--name", "mine", "--use-aliases", "-P", "web"],
    ]);
    expect(bayd.bodyOf("POST /bay/v1/run")).toMatchObject({
      name: "mine",
      entrypoint: ["sh", "-c"],
      labels: { tier: "one", bare: "" },
      servicePorts: true,
      useAliases: true,
      override: {
        tty: false,
        env: ["A=option", "B=file-2"],
        capAdd: ["net_admin"],
        capDrop: ["ALL"],
        user: "app",
        workdir: "/w",
        mounts: [
          { type: "bind", source: join(bayd.folder, "here"), target: "/there", readOnly: true },
          { type: "volume", source: "data", target: "/data", readOnly: false },
          { type: "volume", source: "", target: "/anonymous" },
        ],
        ports: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }],
      },
    });
  });

  it.each([
    [["--cap-add", "fly"], "error[BAD_OPTION]: --cap-add: the capability fly does not exist"],
    [["-v", "a:b"], "error[BAD_OPTION]: -v a:b: the path in the container must be absolute"],
    [["-p", "many"], "error[BAD_OPTION]: "],
    [["-l", "=x"], "error[BAD_OPTION]: --label: expected NAME=VALUE, got =x"],
    [["--env-from-file", "absent"], "error[NO_FILE]: --env-from-file: absent does not exist"],
    [["--pull", "sometimes"], "error: option '--pull <policy>' argument 'sometimes' is invalid"],
  ])("rejects %j before any request", async (words, message) => {
    const { code, stderr } = await run(["run", ...words, "web"]);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(bayd.seen).toEqual([]);
  });

  it("takes a name that is not a service for an image, and lists the services if there is none", async () => {
    bayd.on("POST /containers/create", rejection(404, "IMAGE_NOT_FOUND", "the image wbe does not exist"));
    const { code, stderr } = await run(["run", "--pull", "never", "wbe"]);
    expect(code).toBe(1);
    expect(bayd.bodyOf("POST /containers/create")).toMatchObject({ Image: "wbe" });
    expect(stderr).toContain("error[IMAGE_NOT_FOUND]: ");
    expect(stderr).toMatch(/the services are: .*web/);
  });

  it("rejects options of the other kind", async () => {
    expect((await run(["run", "--memory", "64m", "web"])).stderr).toContain(
      "--memory works only with an image",
    );
    expect((await run(["run", "--build", "wbe"])).stderr).toContain("--build works only with a service");
    expect(bayd.seen).toEqual([]);
  });

  it("reports an error of bayd", async () => {
    bayd.on("POST /bay/v1/run", rejection(409, "NAME_TAKEN", "the name is in use", "choose another"));
    const { code, stderr } = await run(["run", "-d", "--no-deps", "web"]);
    expect([code, stderr]).toEqual([1, "error[NAME_TAKEN]: the name is in use\n  choose another\n"]);
  });

  it("passes the error of an up", async () => {
    const error = { code: "IMAGE_NOT_FOUND", message: "there is no image db:1" };
    bayd.on("POST /bay/v1/up", lines({ error }));
    const { code, stderr } = await run(["run", "web"]);
    expect([code, stderr]).toEqual([1, "error[IMAGE_NOT_FOUND]: there is no image db:1\n"]);
  });
});
