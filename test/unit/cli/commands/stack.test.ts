/** Commands on a stack as a whole: up, down, plan, apply, history, config, lint. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Plan, Step } from "../../../../src/reconcile/index.ts";
import { loadStack } from "../../../../src/stack/index.ts";
import { DEMO, idOf, row } from "../../../support/container-rows.ts";
import { type Call, FakeBayd, frame, lines, Reply, rejection } from "../../../support/fake-bayd.ts";
import { bay } from "../../../support/run-command.ts";

let bayd: FakeBayd;
const file = () => join(bayd.folder, "compose.yaml");
const run = (...words: string[]) => bay(["-f", file(), ...words], { bayd, cwd: bayd.folder });
const rejects = async (words: string[], message: string) =>
  expect(await run(...words)).toEqual({ code: 1, stdout: "", stderr: message });

const step = (kind: Step["kind"], name: string, service?: string): Step => ({
  id: `${kind}:${name}`,
  kind,
  name,
  service,
  after: [],
  afterEnd: [],
  waits: [],
  container: undefined,
  reasons: [{ field: "", from: undefined, to: undefined, text: "it does not exist", drift: false }],
});
const plan = (...steps: Step[]): Plan => ({ stack: "demo", steps, warnings: [] });
const NOTHING = plan();
const CREATE = plan(step("network.create", "demo_default"), step("container.create", "demo-web-1", "web"));

beforeEach(async () => {
  bayd = await FakeBayd.start();
  writeFileSync(file(), DEMO);
});
afterEach(() => bayd.stop());

describe("bay up", () => {
  beforeEach(() => void bayd.on("POST /bay/v1/up", lines({ result: NOTHING })));
  const asked = () => (bayd.bodyOf("POST /bay/v1/up") as { options: object }).options;

  it("says so if there is nothing to do", async () => {
    expect(await run("up", "-d")).toEqual({
      code: 0,
      stdout: "demo: nothing to do, the host matches the file\n",
      stderr: "",
    });
    expect(bayd.bodyOf("POST /bay/v1/up")).toMatchObject({
      stack: { name: "demo" },
      pid: process.pid,
      options: { services: [], noDeps: false, removeOrphans: false, noRecreate: false },
    });
  });

  it("shows progress and warnings on standard error", async () => {
    const progress = { step: "network.create:demo_default", kind: "network.create", name: "demo_default" };
    bayd.on(
      "POST /bay/v1/up",
      lines(
        { waiting: "waiting for bay down (pid 7)" },
        { progress: { ...progress, state: "running" } },
        { progress: { ...progress, state: "done" } },
        { result: { ...CREATE, warnings: ["the disk is nearly full"] } },
      ),
    );
    const { code, stdout, stderr } = await run("up", "-d");
    expect([code, stdout]).toEqual([0, ""]);
    expect(stderr).toBe(
      "waiting for bay down (pid 7)\nnetwork demo_default created\nwarning: the disk is nearly full\n",
    );
    expect((await run("--progress", "quiet", "up", "-d")).stderr).toBe("warning: the disk is nearly full\n");
    const json = (await run("--progress", "json", "up", "-d")).stderr.split("\n");
    expect(JSON.parse(json[1]!)).toMatchObject({ name: "demo_default", state: "running" });
  });

  it("turns its options into those of the plan", async () => {
    await run(
      ...["up", "-d", "--scale", "web=3", "--no-deps", "--remove-orphans", "--force-recreate", "-V"],
      ...["--rerun", "web", "--pull", "never", "--always-recreate-deps", "--build", "--", "web"],
    );
    expect(asked()).toMatchObject({
      services: ["web"],
      scale: { web: 3 },
      noDeps: true,
      removeOrphans: true,
      forceRecreate: true,
      renewVolumes: true,
      rerun: ["web"],
      pull: "never",
      recreateDependencies: true,
      build: true,
    });
    await run("up", "--wait", "--wait-timeout", "9", "-t", "4", "--no-build", "--rerun");
    expect(bayd.bodyOf("POST /bay/v1/up")).toMatchObject({
      wait: true,
      waitTimeoutMs: 9000,
      graceMs: 4000,
      options: { build: false, rerun: [] },
    });
  });

  it("reads settings of docker compose from the environment and the stack's env file", async () => {
    const withEnv = (env: Record<string, string>) =>
      bay(["-f", file(), "up", "-d"], { bayd, cwd: bayd.folder, env });
    await withEnv({ COMPOSE_REMOVE_ORPHANS: "true" });
    expect(asked()).toMatchObject({ removeOrphans: true });
    await withEnv({ COMPOSE_IGNORE_ORPHANS: "1" });
    expect(asked()).toMatchObject({ ignoreOrphans: true, removeOrphans: false });
    expect((await withEnv({ COMPOSE_REMOVE_ORPHANS: "1", COMPOSE_IGNORE_ORPHANS: "1" })).stderr).toBe(
      "error[BAD_OPTION]: COMPOSE_IGNORE_ORPHANS cannot be used together with --remove-orphans\n",
    );
    writeFileSync(
      join(bayd.folder, ".env"),
      "COMPOSE_PARALLEL_LIMIT=3\nCOMPOSE_PROGRESS=loud\nCOMPOSE_STATUS_STDOUT=1\n",
    );
    expect((await run("up", "-d")).stderr).toBe(
      'warning: COMPOSE_PROGRESS: expected auto, tty, plain, json, quiet, got "loud"\n',
    );
    expect(bayd.bodyOf("POST /bay/v1/up")).toMatchObject({ parallel: 3 });
    writeFileSync(join(bayd.folder, ".env"), "COMPOSE_PARALLEL_LIMIT=many\n");
    expect((await run("up", "-d")).stderr).toBe(
      'warning: COMPOSE_PARALLEL_LIMIT: expected a whole number from 1, or -1, got "many"\n',
    );
    await run("--parallel", "7", "up", "-d");
    expect(bayd.bodyOf("POST /bay/v1/up")).toMatchObject({ parallel: 7 });
  });

  it.each([
    [["--force-recreate", "--no-recreate"], "--force-recreate and --no-recreate contradict each other\n"],
    [
      ["--always-recreate-deps", "--no-recreate"],
      "--always-recreate-deps and --no-recreate contradict each other\n",
    ],
    [
      ["-d", "--exit-code-from", "web", "--abort-on-container-exit"],
      "-d and --wait cannot be used with --abort-on-container-exit and --exit-code-from\n  omit -d and --wait\n",
    ],
    [
      ["--abort-on-container-exit", "--abort-on-container-failure"],
      "--abort-on-container-exit and --abort-on-container-failure cannot be used together\n",
    ],
    [["-d", "--scale", "web"], "invalid --scale web: expected SERVICE=COUNT\n"],
  ])("rejects %j", async (words, message) => {
    await rejects(["up", ...words], `error[BAD_OPTION]: ${message}`);
    expect(bayd.seen).toEqual([]);
  });

  it.each([
    [["up", "--menu"], "--menu is not supported: bay up reads no keys; Ctrl-C stops the stack"],
    [["config", "--models"], "--models is not supported: bay has no models"],
    [["--verbose", "up"], "--verbose is not supported: BAY_DEBUG=1 in the environment"],
  ])("refuses %j by name", async (words, message) => {
    const { code, stderr } = await run(...words);
    expect(code).toBe(1);
    expect(stderr).toContain(`error[UNSUPPORTED_OPTION]: ${message}`);
  });

  it("refuses commands of docker compose by name", async () => {
    const { code, stderr } = await run("bridge", "convert");
    expect([code, stderr]).toEqual([
      1,
      "error[UNSUPPORTED_COMMAND]: bay bridge is not supported: bay does not generate files for other orchestrators\n",
    ]);
  });

  it("names a service that the file does not have", async () => {
    const { stderr } = await run("up", "-d", "--rerun", "wbe");
    expect(stderr).toContain("error[UNKNOWN_SERVICE]: ");
    expect(stderr).toContain("web");
  });

  it("passes bayd's error, and reports an answer without a result", async () => {
    bayd.on(
      "POST /bay/v1/up",
      lines({ error: { code: "DISK_FULL", message: "no space", hint: "free some" } }),
    );
    await rejects(["up", "-d"], "error[DISK_FULL]: no space\n  free some\n");
    bayd.on("POST /bay/v1/up", lines());
    await rejects(
      ["up", "-d"],
      "error[DAEMON_LOST]: bayd stopped during the request\n  it restarts by itself unless it was stopped; run the command again\n",
    );
    bayd.on("POST /bay/v1/up", rejection(409, "BUSY", "another command works on it"));
    expect((await run("up", "-d")).stderr).toContain("another command works on it\n");
  });
});

describe("bay up in the foreground", () => {
  const state = { web: "running", db: "running" };
  const codes = { web: 0, db: 0 };
  let look: (() => void) | undefined;
  beforeEach(() => {
    Object.assign(state, { web: "running", db: "running" });
    Object.assign(codes, { web: 0, db: 0 });
    look = undefined;
    bayd.on("POST /bay/v1/up", lines({ result: CREATE }));
    bayd.on("GET /bay/v1/stacks/demo/activity", { isChanging: false, restarting: [] });
    bayd.on("GET /containers/json", () => {
      const rows = [row("web", 1, { State: state.web }), row("db", 1, { State: state.db })];
      look?.();
      return rows;
    });
    for (const service of ["web", "db"] as const) {
      const id = idOf(service);
      bayd.on(`GET /containers/${id}/json`, () => ({
        Config: { Tty: false },
        State: { ExitCode: codes[service], ...(codes[service] ? { EndedBy: "out of memory" } : {}) },
      }));
      bayd.on(
        `GET /containers/${id}/logs`,
        new Reply(200, frame(1, `2026-01-02T03:04:05.001Z from ${service}\n`), {
          "content-type": "application/vnd.docker.multiplexed-stream",
        }),
      );
      const end = () => {
        state[service] = "exited";
      };
      bayd
        .on(`POST /containers/demo-${service}-1/stop`, end)
        .on(`POST /containers/demo-${service}-1/kill`, end);
    }
    bayd.on("GET /events", lines({}, {}, {}));
  });
  const ended = (service: "web" | "db", code: number) => {
    state[service] = "exited";
    codes[service] = code;
  };

  it("shows the logs until no container runs", async () => {
    look = () => {
      ended("web", 3);
      ended("db", 0);
    };
    const { code, stdout, stderr } = await run("up");
    expect(code).toBe(0);
    expect(stdout.split("\n").sort()).toEqual(["", "db-1  | from db", "web-1 | from web"]);
    expect(stderr).toContain("demo-web-1 exited with code 3 (out of memory)\n");
    expect(stderr).toContain("demo-db-1 exited with code 0\n");
  });

  it("hides the logs of some services", async () => {
    look = () => {
      ended("web", 0);
      ended("db", 0);
    };
    expect((await run("up", "--no-attach", "db")).stdout).toBe("web-1 | from web\n");
    Object.assign(state, { web: "running", db: "running" });
    expect((await run("up", "--attach", "db", "--no-log-prefix")).stdout).toBe("from db\n");
  });

  it("stops the rest with --abort-on-container-exit, and has the code of the first", async () => {
    look = () => ended("web", 5);
    const { code } = await run("up", "--abort-on-container-exit", "-t", "2");
    expect(code).toBe(5);
    expect(bayd.seen).toContain("POST /containers/demo-db-1/stop?t=2");
  });

  it("has the code of the named service with --exit-code-from", async () => {
    look = () => {
      ended("web", 5);
      codes.db = 9;
    };
    expect((await run("up", "--exit-code-from", "db")).code).toBe(9);
  });

  it("goes on after an end with code 0 with --abort-on-container-failure", async () => {
    let looks = 0;
    look = () => {
      looks += 1;
      ended("web", 0);
      if (looks > 1) ended("db", 4);
    };
    expect((await run("up", "--abort-on-container-failure")).code).toBe(4);
  });

  it("stops the stack on the first Ctrl-C, and kills it on the second", async () => {
    let looks = 0;
    look = () => {
      looks += 1;
      if (looks <= 2) process.emit("SIGINT", "SIGINT");
    };
    const stops: string[] = [];
    for (const name of ["web", "db"]) {
      bayd.on(`POST /containers/demo-${name}-1/stop`, () => void stops.push(`stop ${name}`));
      bayd.on(`POST /containers/demo-${name}-1/kill`, ({ query }: Call) => {
        stops.push(`${query.get("signal")} ${name}`);
        state[name as "web" | "db"] = "exited";
      });
    }
    bayd.on("GET /events", lines({}, {}, {}, {}, {}));
    const { code, stderr } = await run("up");
    expect(code).toBe(130);
    expect(stderr).toContain("\nstopping; press Ctrl-C again to kill\n");
    expect(stderr).toContain("killing\n");
    expect(stops.filter((each) => each.startsWith("SIGKILL")).sort()).toEqual(["SIGKILL db", "SIGKILL web"]);
    expect(process.listenerCount("SIGINT")).toBe(0);
  });
});

describe("bay create and bay scale", () => {
  it("are an up that starts nothing, or that changes one service", async () => {
    bayd.on("POST /bay/v1/up", lines({ result: NOTHING }));
    await run("create", "--pull", "build", "web");
    expect(bayd.bodyOf("POST /bay/v1/up")).toMatchObject({
      options: { noStart: true, build: true, services: ["web"] },
    });
    await run("scale", "--no-deps", "web=2", "db=0");
    expect(bayd.bodyOf("POST /bay/v1/up")).toMatchObject({
      options: { services: ["web", "db"], scale: { web: 2, db: 0 }, noDeps: true },
    });
  });
});

describe("bay down", () => {
  beforeEach(() => {
    bayd.on("POST /bay/v1/down", lines({ result: NOTHING })).on("GET /containers/json", [row("web")]);
  });

  it("removes the stack", async () => {
    expect((await run("down", "-v", "-t", "2")).stdout).toBe("demo: nothing to remove\n");
    expect(bayd.bodyOf("POST /bay/v1/down")).toMatchObject({
      name: "demo",
      volumes: true,
      removeOrphans: false,
      services: ["web", "db"],
      graceMs: 2000,
    });
  });

  it("needs no file with -p, and asks for one otherwise", async () => {
    const nowhere = { bayd, cwd: "/" };
    expect((await bay(["-p", "other", "down"], nowhere)).stdout).toBe("other: nothing to remove\n");
    expect(bayd.bodyOf("POST /bay/v1/down")).toMatchObject({ name: "other", removeOrphans: false });
    expect((await bay(["down"], nowhere)).stderr).toContain("error[NO_STACK_FILE]");
  });

  it("shows the plan with --dry-run", async () => {
    bayd.on("POST /bay/v1/down/plan", plan(step("container.remove", "demo-web-1", "web")));
    const { stdout } = await run("down", "--dry-run", "web");
    expect(stdout).toContain("service web\n  - container demo-web-1");
    expect(bayd.bodyOf("POST /bay/v1/down/plan")).toMatchObject({ only: ["web"] });
    expect(bayd.bodyOf("POST /bay/v1/down")).toBeUndefined();
  });

  it("removes images with --rmi", async () => {
    writeFileSync(file(), `${DEMO}  built:\n    build: .\n`);
    writeFileSync(join(bayd.folder, "Dockerfile"), "FROM scratch\n");
    const removed = () => bayd.seen.filter((line) => line.startsWith("DELETE"));
    bayd.on("DELETE /images/demo-built", undefined);
    expect((await run("down", "--rmi", "local")).stdout).toContain("image demo-built removed\n");
    expect(removed()).toEqual(["DELETE /images/demo-built"]);
    bayd.on("DELETE /images/web:1", rejection(409, "IMAGE_IN_USE", "web:1 is in use"));
    bayd.on("DELETE /images/db:1", rejection(404, "IMAGE_NOT_FOUND", "no image"));
    expect((await run("down", "--rmi", "all")).stderr).toBe("warning: web:1 is in use\n");
    await rejects(["down", "--rmi", "some"], "error[BAD_OPTION]: --rmi: expected all or local, got some\n");
  });
});

describe("bay plan and bay apply", () => {
  beforeEach(() => void bayd.on("POST /bay/v1/plan", CREATE));

  it("print the steps, and the exit code tells of changes on request", async () => {
    const { code, stdout } = await run("plan");
    expect(code).toBe(0);
    expect(stdout).toContain("demo\n  + network demo_default");
    expect(stdout).toContain("service web\n  + container demo-web-1");
    expect((await run("plan", "--detailed-exitcode")).code).toBe(2);
    bayd.on("POST /bay/v1/plan", NOTHING);
    expect((await run("plan", "--detailed-exitcode")).code).toBe(0);
    bayd.on("POST /bay/v1/plan", { ...NOTHING, problems: ["the image cannot be made"] });
    expect((await run("plan")).code).toBe(1);
  });

  it("colour signs with --ansi always", async () => {
    expect((await run("--ansi", "always", "plan")).stdout).toContain("\x1b[32m  + \x1b[0mnetwork");
  });

  it("print JSON, its schema, and graphs", async () => {
    expect(JSON.parse((await run("plan", "--json")).stdout)).toMatchObject({ stack: "demo" });
    expect(JSON.parse((await run("plan", "--json-schema")).stdout)).toMatchObject({ type: "object" });
    expect((await run("plan", "--graph", "mermaid")).stdout).toMatch(/^flowchart|^graph/);
    expect((await run("plan", "--graph", "dot")).stdout).toMatch(/^digraph/);
    const { code, stderr } = await run("plan", "--graph", "png");
    expect([code, stderr.includes("Allowed choices are mermaid, dot, svg")]).toEqual([1, true]);
  });

  it("apply what was saved if the host is the same", async () => {
    bayd.on("POST /bay/v1/up", lines({ result: CREATE }));
    await run("plan", "-o", "saved", "--scale", "web=2", "--build");
    expect(await run("apply", "saved")).toMatchObject({ code: 0 });
    expect(bayd.bodyOf("POST /bay/v1/up")).toMatchObject({ options: { scale: { web: 2 }, build: true } });
    bayd.on("POST /bay/v1/plan", NOTHING);
    await rejects(
      ["apply", "saved"],
      "error[STALE_PLAN]: the host has changed since the plan was made\n  create a new one with bay plan -o FILE\n",
    );
  });

  it("reject a file that is not a plan", async () => {
    writeFileSync(join(bayd.folder, "other"), "{}");
    await rejects(
      ["apply", "other"],
      "error[BAD_PLAN_FILE]: other is not a plan written by bay\n  create one with bay plan -o FILE\n",
    );
    expect((await run("apply", "absent")).stderr).toContain(
      "error[BAD_PLAN_FILE]: absent cannot be read as a plan",
    );
  });
});

describe("bay history, diff and rollback", () => {
  const stackOf = (text: string) => {
    writeFileSync(file(), text);
    return loadStack({ files: [file()], cwd: bayd.folder, environment: {} }).stack;
  };
  beforeEach(() => {
    const [first, second] = [stackOf(DEMO), stackOf(DEMO.replace("web:1", "web:2"))];
    const at = "2026-01-02T03:04:05Z";
    bayd.on("GET /bay/v1/stacks/demo/history", [
      { number: 1, at, stack: first, images: { "web:1": "sha256:a", "db:1": "sha256:b" } },
      { number: 2, at, stack: second, images: { "db:1": "sha256:c" } },
      { number: 3, at, stack: first, images: {}, from: 1 },
      { number: 4, at, stack: first, images: {}, recreated: ["web"] },
      { number: 5, at, stack: first, images: {} },
    ]);
  });

  it("list revisions, the newest first, with what changed", async () => {
    const { stdout } = await run("history");
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => line.split(/ {2,}/).at(-1)),
    ).toEqual([
      "CHANGES",
      "location of the stack files",
      "recreated: web",
      "rolled back to 1",
      "services.web.image, services.db.image",
      "first",
    ]);
    const json = JSON.parse((await run("history", "--format", "json")).stdout);
    expect(json[0]).toEqual({
      number: 5,
      at: "2026-01-02T03:04:05Z",
      services: 2,
      what: "location of the stack files",
    });
    bayd.on("GET /bay/v1/stacks/demo/history", []);
    expect((await run("history")).stdout).toBe("demo: no revision has been applied yet\n");
  });

  it("show the differences between revisions and to the file", async () => {
    expect((await run("diff", "1", "2")).stdout).toBe(
      "from revision 1 to revision 2\n  ~ services.web.image: web:1 -> web:2\n  ~ services.db.image: db:1 (b) -> db:1 (c)\n",
    );
    expect((await run("diff", "2")).stdout).toBe("the file does not differ from revision 2\n");
    expect(JSON.parse((await run("diff", "--json", "1")).stdout)).toEqual([
      { path: "services.web.image", from: "web:1", to: "web:2" },
    ]);
    await rejects(
      ["diff", "9"],
      "error[NO_REVISION]: the stack demo has no revision 9\n  bay history lists the revisions\n",
    );
    await rejects(
      ["diff", "x"],
      "error[BAD_OPTION]: invalid revision x\n  bay history lists the revisions\n",
    );
  });

  it("restore a revision", async () => {
    bayd.on("POST /bay/v1/stacks/demo/rollback", lines({ result: NOTHING }));
    bayd.on("POST /bay/v1/stacks/demo/rollback/plan", CREATE);
    expect((await run("rollback", "1", "-t", "1")).stdout).toBe(
      "demo: nothing to do, the host matches that revision\n",
    );
    expect(bayd.bodyOf("POST /bay/v1/stacks/demo/rollback")).toMatchObject({ revision: 1, graceMs: 1000 });
    expect((await run("rollback", "--dry-run")).stdout).toContain("+ network demo_default");
  });

  it("work without a stack file, and say how", async () => {
    expect((await bay(["-p", "demo", "history"], { bayd, cwd: "/" })).code).toBe(0);
    expect((await bay(["history"], { bayd, cwd: "/" })).stderr).toContain(
      "use -p NAME if there is no stack file",
    );
  });
});

describe("bay config", () => {
  it("prints parts of the stack", async () => {
    writeFileSync(
      file(),
      `${DEMO}  extra:\n    image: \${NAME:-web}:1\n    profiles: [more]\n    volumes: ['data:/d']\nvolumes: {data: {}}\n`,
    );
    const text = async (...words: string[]) => (await run("config", ...words)).stdout;
    expect(await text("--services")).toBe("web\ndb\n");
    expect(await text("--images")).toBe("web:1\ndb:1\n");
    expect(await text("--volumes")).toBe("data\n");
    expect(await text("--networks")).toBe("default\n");
    expect(await text("--profiles")).toBe("more\n");
    expect(await text("-q")).toBe("");
    expect(await text("--no-interpolate")).toContain("${NAME:-web}:1");
    expect(await text("--variables")).toMatch(/NAME +no +web +no\n$/);
    expect(JSON.parse(await text("--variables", "--json"))).toEqual([
      { Name: "NAME", Required: false, DefaultValue: "web", PresenceValue: "", IsSet: false },
    ]);
    expect(await text("--no-normalize")).toContain("extra:");
    expect(await text("--explain", "services.web.image")).toBe(
      'services.web.image: "web:1"\n  from compose.yaml:4:12  web:1\n',
    );
    expect(JSON.parse(await text("--format", "json", "web"))).toMatchObject({
      services: { web: { image: "web:1" } },
    });
    expect(JSON.parse(await text("schema"))).toHaveProperty("$schema");
    expect(bayd.seen).toEqual([]);
  });

  it("prints the environment of the files, with the values of this process first", async () => {
    writeFileSync(join(bayd.folder, ".env"), "FROM_FILE=1\nBOTH=file\n");
    const { stdout } = await bay(["-f", file(), "config", "--environment"], {
      cwd: bayd.folder,
      env: { BOTH: "process" },
    });
    expect(stdout).toContain("\nFROM_FILE=1\n");
    expect(stdout).toContain("BOTH=process\n");
  });

  it("writes to a file with -o", async () => {
    expect((await run("config", "-o", "out.json", "--json")).stdout).toBe("");
    expect(JSON.parse(readFileSync(join(bayd.folder, "out.json"), "utf8"))).toHaveProperty("services.web");
  });

  it("has a digest for each service that changes with it", async () => {
    const before = (await run("config", "--hash", "*")).stdout.split("\n");
    expect(before.map((line) => line.split(" ")[0])).toEqual(["web", "db", ""]);
    writeFileSync(file(), DEMO.replace("web:1", "web:2"));
    const after = (await run("config", "--hash", "web,db")).stdout.split("\n");
    expect([after[0] === before[0], after[1] === before[1]]).toEqual([false, true]);
    await rejects(
      ["config", "--hash", "wbe"],
      "error[UNKNOWN_SERVICE]: the stack has no service wbe\n  did you mean web?\n",
    );
  });

  it("reports all errors of a file with their places and codes", async () => {
    writeFileSync(file(), "name: demo\nservices:\n  web: {image: web:1, prots: ['80']}\n  db: {}\n");
    const { code, stdout, stderr } = await run("config");
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("compose.yaml:3:23");
    expect(stderr).toContain("compose.yaml:4:7");
    expect(stderr).toMatch(/for details: bay explain [A-Z_]+ [A-Z_]+\n$/);
    expect((await run("config", "--no-normalize", "--no-consistency")).code).toBe(0);
  });
});

describe("bay lint", () => {
  it("reports risky settings with their places, and none for a good stack", async () => {
    writeFileSync(file(), "name: demo\nservices:\n  web:\n    image: web\n    privileged: true\n");
    const { code, stdout } = await run("lint");
    expect(code).toBe(1);
    expect(stdout).toContain("compose.yaml:5");
    const found = JSON.parse((await run("lint", "--json")).stdout) as { code: string }[];
    expect(found.length).toBeGreaterThan(0);
    expect(stdout).toContain(`(${found[0]!.code})`);
    expect((await run("lint", "wbe")).stderr).toContain("error[UNKNOWN_SERVICE]");
  });

  it("lists its rules", async () => {
    const { stdout } = await run("lint", "--rules");
    expect(stdout).toMatch(/^RULE +DESCRIPTION\n/);
  });
});
