/** What a change does besides the synchronisation, over a bayd whose answers the test sets. */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resolveRoots, socketPath } from "../../../src/core/roots.ts";
import { Client } from "../../../src/daemon/index.ts";
import type { Stack } from "../../../src/stack/index.ts";
import { execIn, rebuild, restart } from "../../../src/watch/actions.ts";
import type { Rule } from "../../../src/watch/rule.ts";
import { ServiceActions } from "../../../src/watch/service-actions.ts";
import { isDestructive, StackFiles } from "../../../src/watch/stack-files.ts";
import { FakeBayd, frame, lines, Reply, rejection } from "../../support/fake-bayd.ts";
import { loadText } from "../../support/stack.ts";

const WEB = { id: "a1", name: "demo-web-1", service: "web", isRunning: true };
const { stack } = loadText(
  "name: demo\nservices: { web: { image: web, build: ., command: [x] }, db: { image: db } }\n",
);
const PLAN = { stack: "demo", steps: [], warnings: [] };

/** For events, which come when they come: no test may depend on the speed of the machine. */
const PATIENT = { timeout: 240_000 };

let bayd: FakeBayd;
let client: Client;
let events: { type: string }[];
const report = (event: { type: string }) => void events.push(event);
const types = () => events.map(({ type }) => type);
const step = (kind: string, more: object = {}) => ({ kind, name: "x", id: "x", reasons: [], ...more });

beforeEach(async () => {
  bayd = await FakeBayd.start();
  client = new Client(socketPath(resolveRoots({ root: bayd.root, run: bayd.run })));
  events = [];
});
afterEach(() => bayd.stop());

describe("a restart", () => {
  it("restarts all containers, and reports their names", async () => {
    bayd.on("POST /containers/a1/restart", undefined).on("POST /containers/a2/restart", undefined);
    expect(await restart(client, [WEB, { ...WEB, id: "a2", name: "demo-web-2" }], report)).toBe(true);
    expect(events).toMatchObject([{ type: "restart", containers: ["demo-web-1", "demo-web-2"] }]);
  });

  it("reports the error of bayd, and has to be repeated only if bayd was lost", async () => {
    bayd.on("POST /containers/a1/restart", rejection(500, "START_FAILED", "no such command"));
    expect(await restart(client, [WEB], report)).toBe(true);
    expect(events).toMatchObject([{ type: "restart-failed", message: "no such command" }]);
    bayd.on("POST /containers/a1/restart", (_: unknown, answer: { destroy: () => void }) => {
      answer.destroy();
    });
    expect(await restart(client, [WEB], report)).toBe(false);
    expect(events).toHaveLength(1);
  });
});

describe("a command of sync+exec", () => {
  const hook = {
    command: ["make", "css"],
    environment: { A: "1" },
    user: "app",
    workdir: "/srv",
    privileged: false,
  };

  it("is run as the rule says, and its output and exit code are reported", async () => {
    bayd
      .on("POST /containers/a1/exec", { Id: "e1" })
      .on("GET /exec/e1/json", { ExitCode: 2 })
      .onUpgrade("/exec/e1/start", (socket) => {
        const bytes = Buffer.concat([frame(1, "made "), frame(2, "nothing\n")]);
        socket.write(bytes.subarray(0, 11)); // frames may arrive in parts
        socket.end(bytes.subarray(11));
      });
    await execIn(client, WEB, hook, report);
    expect(bayd.bodyOf("POST /containers/a1/exec")).toMatchObject({
      Cmd: ["make", "css"],
      Env: ["A=1"],
      User: "app",
      WorkingDir: "/srv",
      Privileged: false,
    });
    expect(events).toMatchObject([
      { type: "exec", container: "demo-web-1", exitCode: 2, output: "made nothing\n" },
    ]);
  });

  it("that cannot be run is reported", async () => {
    bayd.on("POST /containers/a1/exec", rejection(409, "NOT_RUNNING", "it is not running"));
    await execIn(client, WEB, hook, report);
    expect(events).toMatchObject([{ type: "exec-failed", message: "it is not running" }]);
  });
});

describe("a rebuild", () => {
  const built = (...more: object[]) =>
    bayd
      .on(
        "POST /bay/v1/stack/build",
        lines({ news: { kind: "output", title: "RUN", text: "hello" } }, ...more),
      )
      .on("POST /bay/v1/up", lines({ result: PLAN }));
  const run = (signal = new AbortController().signal, prune = true) =>
    rebuild(client, stack, "web", { prune, signal }, report);

  it("replaces the containers, and removes the earlier image if nothing uses it", async () => {
    built({ image: { id: "sha256:new" } });
    bayd
      .on("GET /images/web/json", { Id: "sha256:old" })
      .on("GET /images/sha256:old/json", { RepoTags: null })
      .on("DELETE /images/sha256:old", undefined);
    expect(await run()).toBe(true);
    expect(types()).toEqual(["build-started", "build-output", "rebuilt"]);
    expect(events.at(-1)).toMatchObject({ image: "sha256:new", isNew: true });
    expect(bayd.seen.at(-1)).toBe("DELETE /images/sha256:old");
    expect(bayd.bodyOf("POST /bay/v1/up")).toMatchObject({ options: { services: ["web"], build: false } });
  });

  it("keeps an earlier image that has another name, and an image that is the same", async () => {
    built({ image: { id: "sha256:new" } });
    bayd
      .on("GET /images/web/json", { Id: "sha256:old" })
      .on("GET /images/sha256:old/json", { RepoTags: ["kept:1"] });
    await run();
    built({ image: { id: "sha256:old" } });
    await run();
    expect(events.at(-1)).toMatchObject({ type: "rebuilt", isNew: false });
    expect(bayd.seen.filter((call) => call.startsWith("DELETE"))).toEqual([]);
  });

  it("that fails is reported with its hint, and changes no container", async () => {
    built({ error: { code: "BUILD_FAILED", message: "RUN make: exit code 2", hint: "read the output" } });
    expect(await run()).toBe(true);
    expect(events.at(-1)).toEqual({
      type: "build-failed",
      service: "web",
      message: "RUN make: exit code 2",
      hint: "read the output",
    });
    expect(bayd.seen).not.toContain("POST /bay/v1/up");
  });

  it("is repeated if bayd was lost, and is cancelled by a newer change", async () => {
    built();
    expect(await run()).toBe(false);
    const abort = new AbortController();
    bayd.on("POST /bay/v1/stack/build", async () => {
      abort.abort();
      return lines({ image: { id: "sha256:new" } });
    });
    expect(await run(abort.signal)).toBe(true);
    expect(types().at(-1)).toBe("build-cancelled");
  });
});

describe("the actions of a service", () => {
  const rule = (action: Rule["action"], exec?: Rule["exec"]) => ({ action, exec }) as Rule;
  const host = (synced: string[]) => ({
    client,
    prune: false,
    report,
    stack: () => stack,
    sync: async (service: string) => void synced.push(service),
    containers: async () => [WEB, { ...WEB, id: "stopped", isRunning: false }],
  });

  beforeEach(() => void bayd.on("POST /containers/stopped/restart", {}));

  it("synchronise first, and restart all containers once for all changes that come meanwhile", async () => {
    const synced: string[] = [];
    const actions = new ServiceActions("web", host(synced));
    let restarts = 0;
    bayd.on("POST /containers/a1/restart", () => {
      restarts += 1;
      if (restarts > 1) return;
      actions.request(rule("restart"));
      actions.request(rule("sync+restart"));
    });
    actions.request(rule("restart"));
    await expect.poll(types, PATIENT).toEqual(["restart", "restart"]);
    expect(synced).toEqual(["web", "web"]);
    for (const id of ["a1", "stopped"])
      expect(bayd.seen.filter((request) => request === `POST /containers/${id}/restart`)).toHaveLength(2);
    actions.close();
  });

  it("report a failure of the synchronisation, and continue", async () => {
    const actions = new ServiceActions("web", {
      ...host([]),
      sync: async () => {
        throw new Error("no space");
      },
    });
    actions.request(rule("restart"));
    await expect
      .poll(() => events)
      .toEqual([{ type: "restart-failed", service: "web", message: "no space" }]);
    actions.request(rule("restart"));
    await expect.poll(() => events, PATIENT).toHaveLength(2);
  });

  it("repeat a restart that bayd did not complete", async () => {
    let tries = 0;
    bayd.on("POST /containers/a1/restart", (_: unknown, answer: { destroy: () => void }) => {
      tries += 1;
      if (tries === 1) answer.destroy();
    });
    await new ServiceActions("web", host([])).restartNow();
    expect(tries).toBe(2);
    expect(types()).toEqual(["restart"]);
  });

  it("build only a service that has a build", async () => {
    await new ServiceActions("db", host([])).rebuildNow();
    expect(events).toEqual([]);
    bayd
      .on("POST /bay/v1/stack/build", lines({ image: { id: "sha256:new" } }))
      .on("POST /bay/v1/up", lines({ result: PLAN }))
      .on("GET /images/web/json", new Reply(404, "{}"));
    await new ServiceActions("web", host([])).rebuildNow();
    expect(types()).toEqual(["build-started", "rebuilt"]);
  });
});

describe("the files of the stack", () => {
  const changed = loadText("name: demo\nservices: { web: { image: web:2, command: [x] } }\n").stack;
  const file = () => join(bayd.folder, "bay.yaml");
  const open = (
    next: () => Stack,
    confirm?: (question: string) => Promise<boolean>,
    applied: Stack[] = [],
  ): StackFiles =>
    new StackFiles(
      {
        client,
        services: [],
        report,
        load: async () => ({ stack: next(), files: [file()] }),
        explain: (error) => ({ message: (error as Error).message }),
        confirm,
        applied: async (each) => void applied.push(each),
      },
      { stack, files: [file()] },
    );
  const planned = (...steps: object[]) => bayd.on("POST /bay/v1/plan", { ...PLAN, steps });

  it("are applied when they have changed, and the plan is reported", async () => {
    planned(step("container.update", { service: "web" }));
    bayd.on("POST /bay/v1/up", lines({ result: PLAN }));
    const applied: Stack[] = [];
    const files = open(() => changed, undefined, applied);
    await files.start();
    await expect.poll(types, PATIENT).toEqual(["plan", "applied"]);
    await expect.poll(() => applied, PATIENT).toEqual([changed]);
    await files.close();
  });

  it("are not applied if that removes a service, unless a user agrees", async () => {
    planned(step("container.remove", { service: "db" }));
    bayd.on("POST /bay/v1/up", lines({ result: PLAN }));
    const refused = open(() => changed);
    await refused.start();
    await expect
      .poll(() => events, PATIENT)
      .toMatchObject([{ type: "plan", destructive: true, applied: false }]);
    await refused.close();
    events = [];
    const questions: string[] = [];
    const agreed = open(
      () => changed,
      async (question) => questions.push(question) > 0,
    );
    await agreed.start();
    await expect.poll(types, PATIENT).toEqual(["plan", "applied"]);
    expect(questions[0]).toContain("This removes a service or data. Apply it?");
    await agreed.close();
  });

  it("with errors are reported, and so are problems of the plan", async () => {
    const broken = open(() => {
      throw new Error("bay.yaml:1:1: a typo");
    });
    await broken.start();
    await expect
      .poll(() => events, PATIENT)
      .toEqual([{ type: "stack-failed", message: "bay.yaml:1:1: a typo" }]);
    await broken.close();
    events = [];
    bayd.on("POST /bay/v1/plan", { ...PLAN, problems: ["port 80 is taken"] });
    const taken = open(() => changed);
    await taken.start();
    await expect.poll(() => events, PATIENT).toEqual([{ type: "stack-failed", message: "port 80 is taken" }]);
    await taken.close();
  });

  it("are planned on request, without a change", async () => {
    planned(step("volume.remove"));
    const files = open(() => stack);
    await files.showPlan();
    expect(events).toMatchObject([{ type: "plan", steps: 1, destructive: true, applied: false }]);
    await files.close();
  });

  it.each([
    ["a removed volume", [step("volume.remove")], true],
    [
      "a container with its anonymous volumes",
      [step("container.replace", { container: { volumes: [] } })],
      true,
    ],
    ["a container of a service that left", [step("container.remove", { service: "db" })], true],
    ["a superfluous container of a service", [step("container.remove", { service: "web" })], false],
    ["a network", [step("network.remove")], false],
  ])("are destructive: %s", (_, steps, expected) => {
    expect(isDestructive({ ...PLAN, steps } as never, changed)).toBe(expected);
  });
});
