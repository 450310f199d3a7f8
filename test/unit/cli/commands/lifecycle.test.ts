/** Commands that apply one action to each container of a stack. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEMO, idOf, row } from "../../../support/container-rows.ts";
import { FakeBayd, lines, rejection } from "../../../support/fake-bayd.ts";
import { bay } from "../../../support/run-command.ts";

let bayd: FakeBayd;
const [web, db] = [idOf("web"), idOf("db")];
const run = (...words: string[]) =>
  bay(["-f", join(bayd.folder, "compose.yaml"), ...words], { bayd, cwd: bayd.folder });
/** The changes that were requested. */
const changes = () => bayd.seen.filter((line) => !line.startsWith("GET")).sort();

beforeEach(async () => {
  bayd = await FakeBayd.start();
  writeFileSync(join(bayd.folder, "compose.yaml"), DEMO);
  bayd.on("GET /containers/json", [row("web"), row("db")]);
  for (const id of [web, db])
    for (const verb of ["start", "stop", "restart", "kill", "pause", "unpause"])
      bayd.on(`POST /containers/${id}/${verb}`, undefined).on(`DELETE /containers/${id}`, undefined);
});
afterEach(() => bayd.stop());

describe("bay stop", () => {
  it("stops each running container, and reports each", async () => {
    const { code, stderr } = await run("stop", "-t", "3");
    expect(code).toBe(0);
    expect(changes()).toEqual([`POST /containers/${db}/stop?t=3`, `POST /containers/${web}/stop?t=3`]);
    expect(stderr.trim().split("\n").sort()).toEqual([
      "container demo-db-1 stopped",
      "container demo-web-1 stopped",
    ]);
  });

  it("leaves other services and stopped containers alone", async () => {
    bayd.on("GET /containers/json", [row("web"), row("web", 2, { State: "exited" }), row("db")]);
    await run("stop", "web");
    expect(changes()).toEqual([`POST /containers/${web}/stop`]);
  });

  it("tells which source of gitops manages the stack, and warns if it cannot", async () => {
    const owner = "GET /bay/v1/stacks/demo/owner";
    bayd.on(owner, { owner: { source: "shop", isRepaired: true } });
    expect((await run("stop")).stderr).toContain("managed by the gitops source shop, which restores it");
    bayd.on(owner, rejection(500, "INTERNAL", "the state cannot be read"));
    const { code, stderr } = await run("stop");
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining("warning: the gitops source of demo is not known: the state cannot be read"),
    ]);
  });

  it("requests nothing with --dry-run", async () => {
    const { stderr } = await run("stop", "--dry-run", "web");
    expect(changes()).toEqual([]);
    expect(stderr).toBe("container demo-web-1 would be stopped\n");
  });

  it("names each container that failed, after the others were stopped", async () => {
    bayd.on(`POST /containers/${web}/stop`, rejection(500, "INTERNAL", "web did not stop"));
    const { code, stderr } = await run("stop");
    expect(code).toBe(1);
    expect(stderr).toContain("container demo-db-1 stopped\n");
    expect(stderr).toContain("error[SOME_FAILED]: web did not stop\n");
  });

  it("asks for a service of the stack", async () => {
    const { code, stderr } = await run("stop", "wbe");
    expect(code).toBe(1);
    expect(stderr).toContain("error[UNKNOWN_SERVICE]: the stack demo has no service wbe");
    expect(stderr).toContain("its services are: db, web");
  });

  it("rejects a timeout that is not a number", async () => {
    const { code, stderr } = await run("stop", "-t", "soon");
    expect(code).toBe(1);
    expect(stderr).toContain("expected a whole number");
    expect(bayd.seen).toEqual([]);
  });
});

describe("bay start", () => {
  beforeEach(() => void bayd.on("GET /containers/json", [row("web", 1, { State: "exited" }), row("db")]));

  it("starts containers that do not run", async () => {
    await run("start");
    expect(changes()).toEqual([`POST /containers/${web}/start`]);
  });

  it("starts a container after the one whose network it joins", async () => {
    const rider = row("web", 1, {
      State: "exited",
      HostConfig: { NetworkMode: `container:${db}` },
    });
    bayd.on("GET /containers/json", [rider, row("db", 1, { State: "created" })]);
    await run("start");
    expect(bayd.seen.filter((line) => line.startsWith("POST"))).toEqual([
      `POST /containers/${db}/start`,
      `POST /containers/${web}/start`,
    ]);
  });

  it("waits until containers are healthy with --wait", async () => {
    const states = ["starting", "starting", "healthy"];
    bayd.on(`GET /containers/${web}/json`, () => ({
      State: { Running: true, Restarting: false, ExitCode: 0, Health: { Status: states.shift() } },
    }));
    bayd.on(`GET /containers/${db}/json`, { State: { Running: true, Restarting: false, ExitCode: 0 } });
    const { code } = await run("start", "--wait");
    expect(code).toBe(0);
    expect(states).toEqual([]);
  });

  it("names containers that did not become ready", async () => {
    const unready = (State: object) => ({ State: { Restarting: false, ExitCode: 0, ...State } });
    bayd.on(`GET /containers/${web}/json`, unready({ Running: false, ExitCode: 3 }));
    bayd.on(`GET /containers/${db}/json`, unready({ Running: true, Health: { Status: "unhealthy" } }));
    const { code, stderr } = await run("start", "--wait");
    expect(code).toBe(1);
    expect(stderr).toContain("error[WAIT_FAILED]: demo-db-1 is unhealthy\ndemo-web-1 exited with code 3\n");
  });

  it("does not wait longer than --wait-timeout", async () => {
    const starting = { Running: true, Restarting: false, ExitCode: 0, Health: { Status: "starting" } };
    for (const id of [web, db]) bayd.on(`GET /containers/${id}/json`, { State: starting });
    const { code, stderr } = await run("start", "--wait", "--wait-timeout", "0");
    expect(code).toBe(1);
    expect(stderr).toContain("demo-web-1 was not ready in time");
  });
});

describe("bay restart", () => {
  it("restarts services that depend on the named one with restart: true", async () => {
    await run("restart", "db");
    expect(changes()).toEqual([`POST /containers/${db}/restart`, `POST /containers/${web}/restart`]);
  });

  it("restarts the named one alone with --no-deps", async () => {
    await run("restart", "--no-deps", "db");
    expect(changes()).toEqual([`POST /containers/${db}/restart`]);
  });
});

describe("bay kill", () => {
  it("sends the signal", async () => {
    const { stderr } = await run("kill", "-s", "SIGHUP", "web");
    expect(changes()).toEqual([`POST /containers/${web}/kill?signal=SIGHUP`]);
    expect(stderr).toBe("container demo-web-1 sent SIGHUP\n");
  });

  it("rejects a signal that does not exist before any request", async () => {
    const { code, stderr } = await run("kill", "-s", "SIGNOTHING");
    expect([code, bayd.seen]).toEqual([1, []]);
    expect(stderr).toContain("error[BAD_OPTION]: invalid signal SIGNOTHING");
  });

  it("removes orphans with --remove-orphans", async () => {
    const old = idOf("old");
    bayd.on("GET /containers/json", [row("web"), row("old", 1, { State: "exited" })]);
    bayd.on(`DELETE /containers/${old}`, undefined);
    await run("kill", "--remove-orphans");
    expect(changes()).toEqual([
      `DELETE /containers/${old}?force=1`,
      `POST /containers/${web}/kill?signal=SIGKILL`,
    ]);
  });
});

describe("bay pause and bay unpause", () => {
  it("act on running containers, and on paused ones", async () => {
    bayd.on("GET /containers/json", [row("web"), row("db", 1, { State: "paused" })]);
    await run("pause");
    await run("unpause");
    expect(changes()).toEqual([`POST /containers/${db}/unpause`, `POST /containers/${web}/pause`]);
  });
});

describe("bay rm", () => {
  beforeEach(() => void bayd.on("GET /containers/json", [row("web", 1, { State: "exited" }), row("db")]));

  it("removes stopped containers after the user has agreed", async () => {
    const { stderr } = await bay(["-p", "demo", "rm"], { bayd, cwd: bayd.folder, input: "y\n" });
    expect(stderr).toContain("remove the stopped containers? [y/N]");
    expect(changes()).toEqual([`DELETE /containers/${web}?v=0`]);
  });

  it("removes nothing without an answer", async () => {
    for (const input of ["n\n", "", undefined])
      await bay(["-p", "demo", "rm"], { bayd, cwd: bayd.folder, ...(input === undefined ? {} : { input }) });
    expect(changes()).toEqual([]);
  });

  it("stops first with --stop, and removes volumes with --volumes", async () => {
    await run("rm", "-f", "--stop", "-v");
    expect(changes()).toEqual([
      `DELETE /containers/${db}?v=1&force=1`,
      `DELETE /containers/${web}?v=1&force=1`,
      `POST /containers/${db}/stop`,
    ]);
  });
});

describe("bay wait", () => {
  beforeEach(() => {
    bayd.on(`POST /containers/${web}/wait`, { StatusCode: 4 });
    bayd.on(`POST /containers/${db}/wait`, { StatusCode: 0 });
  });

  it("has the exit code of the first container", async () => {
    const { code, stdout } = await run("wait", "db", "web");
    expect(code).toBe(0);
    expect(stdout).toBe("container demo-db-1 ended with code 0\ncontainer demo-web-1 ended with code 4\n");
    expect((await run("wait", "web")).code).toBe(4);
  });

  it("removes the stack with --down-project", async () => {
    bayd.on(`POST /containers/${db}/wait`, () => new Promise(() => {}));
    bayd.on("POST /bay/v1/down", lines({ result: { steps: [1], warnings: [] } }));
    const { code, stdout } = await run("wait", "--down-project", "web", "db");
    expect(code).toBe(4);
    expect(stdout).toContain("container demo-web-1 ended with code 4\n");
    expect(bayd.bodyOf("POST /bay/v1/down")).toMatchObject({ name: "demo", volumes: false });
  });

  it("does not support --dry-run", async () => {
    const { code, stderr } = await run("wait", "--dry-run", "web");
    expect(code).toBe(1);
    expect(stderr).toContain("error[UNSUPPORTED_OPTION]: bay wait has no --dry-run");
    expect(bayd.seen).toEqual([]);
  });
});

describe("without bayd", () => {
  it("a command on containers says how to start it", async () => {
    const nowhere = { root: join(bayd.folder, "other"), run: join(bayd.folder, "other") };
    const { code, stderr } = await bay(["-p", "demo", "stop"], { bayd: nowhere, cwd: bayd.folder });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error\[NO_DAEMON\]: bayd is not running: .*\n {2}bay up starts it\n$/);
  });
});
