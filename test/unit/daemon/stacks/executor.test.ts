import { beforeEach, describe, expect, it } from "vitest";
import type { ContainerConfig } from "../../../../src/container/index.ts";
import { BayError } from "../../../../src/core/errors.ts";
import { makeExecutor } from "../../../../src/daemon/stacks/executor.ts";
import { desiredConfig, type Step } from "../../../../src/reconcile/index.ts";
import { IMAGE } from "../../../support/actual.ts";
import { FakeManager } from "../../../support/fake-manager.ts";
import { loadText } from "../../../support/stack.ts";

const { stack } = loadText(`
services:
  web: { image: app, networks: [front], depends_on: [db] }
  db: { image: app, restart: "no" }
networks: { front: { labels: { tier: one } } }
volumes: { data: { labels: { kept: "yes" } } }
`);
const config = (service = "web"): ContainerConfig => desiredConfig(stack, stack.services[service]!, 1, IMAGE);
const step = (kind: Step["kind"], rest: Partial<Step> = {}): Step => ({
  id: kind,
  kind,
  name: "demo-web-1",
  service: "web",
  reasons: [],
  after: [],
  afterEnd: [],
  waits: [],
  container: undefined,
  ...rest,
});

let manager: FakeManager;
let said: string[];
beforeEach(() => {
  manager = new FakeManager();
  said = [];
});
const run = (one: Step, signal?: AbortSignal) =>
  makeExecutor(manager.asManager, stack, { graceMs: 5, timeoutMs: undefined, signal })(one, (text) => {
    said.push(text);
  });
const events = () => manager.events.since(0).map(({ type, action, id }) => `${type} ${action} ${id}`);

describe("the executor", () => {
  it("leaves images to the steps before the plan", async () => {
    for (const kind of ["image.build", "image.make", "image.pull"] as const) await run(step(kind));
    expect(manager.calls).toEqual([]);
  });

  it.each<[Step["kind"], Partial<Step>, string[], string[]]>([
    ["network.create", { name: "demo_front" }, ["network.create demo_front"], ["network create demo_front"]],
    [
      "network.replace",
      { name: "demo_front", users: ["a", "b"] },
      ["network.replace demo_front a b"],
      ["network create demo_front"],
    ],
    ["network.remove", { name: "old" }, ["network.remove old"], ["network destroy old"]],
    ["network.repair", {}, ["links.repair"], []],
    ["host.repair", {}, ["links.repair"], []],
    ["volume.create", { name: "demo_data" }, ["volume.create demo_data"], ["volume create demo_data"]],
    ["volume.update", { name: "demo_data" }, ["volume.change demo_data"], []],
    ["volume.remove", { name: "old" }, ["volume.remove old"], ["volume destroy old"]],
  ])("does %s", async (kind, rest, calls, published) => {
    await run(step(kind, rest));
    expect(manager.calls).toEqual(calls);
    expect(events()).toEqual(published);
  });

  it("sets the stack's labels and bay's own on a network", async () => {
    await run(step("network.update", { name: "demo_front" }));
    const [call = ""] = manager.calls;
    const labels = JSON.parse(call.replace("network.relabel demo_front ", ""));
    expect(labels).toMatchObject({ tier: "one", "com.docker.compose.network": "front" });
  });

  it("publishes no event for a step that failed", async () => {
    manager.failing.set("network.remove", new BayError("NETWORK_IN_USE", "in use"));
    await expect(run(step("network.remove", { name: "old" }))).rejects.toMatchObject({
      code: "NETWORK_IN_USE",
    });
    expect(events()).toEqual([]);
  });

  it("creates a container, and starts it only if the step says so", async () => {
    await run(step("container.create", { container: { id: undefined, config: config(), start: false } }));
    expect(manager.calls).toEqual(["create demo-web-1", "files.release"]);
    manager.calls.length = 0;
    await run(step("container.create", { container: { id: undefined, config: config(), start: true } }));
    expect(manager.calls).toEqual(["create demo-web-1", "files.release", "start c2"]);
  });

  it("releases the contents of secrets even if the creation failed", async () => {
    manager.failing.set("create", new BayError("NAME_TAKEN", "taken"));
    const create = step("container.create", { container: { id: undefined, config: config(), start: true } });
    await expect(run(create)).rejects.toMatchObject({ code: "NAME_TAKEN" });
    expect(manager.calls).toEqual(["create demo-web-1", "files.release"]);
  });

  it.each([undefined, "renewed"] as const)("replaces a container whose volumes are %s", async (volumes) => {
    const { id } = manager.add(config());
    const container = { id, config: config(), start: true, ...(volumes ? { volumes } : {}) };
    await run(step("container.replace", { container }));
    expect(manager.calls).toEqual([`replace c1 ${volumes ?? "kept"}`, "files.release", "start c2"]);
  });

  it("updates a container in place, with its limits and links", async () => {
    const { id } = manager.add(config());
    await run(step("container.update", { container: { id, config: config(), start: false } }));
    expect(manager.calls).toEqual(["update c1 demo-web-1", "repairLimits c1", "links.repair"]);
  });

  it("starts a container of the same plan by its name", async () => {
    manager.add(config());
    const container = { id: undefined, config: undefined, start: true };
    await run(step("container.start", { container }));
    expect(manager.calls).toEqual(["start demo-web-1"]);
  });

  it("restarts with the grace period of the command, and releases the ports of the step", async () => {
    const container = { id: manager.add(config()).id, config: undefined, start: true };
    await run(step("container.restart", { container }));
    await run(
      step("port.release", { container, ports: [{ hostAddress: "", hostPort: 80, protocol: "tcp" }] }),
    );
    expect(manager.calls).toEqual(["restart c1 5", "releasePorts c1 80"]);
  });

  it("removes a container, and ignores only the error that it does not exist", async () => {
    const container = { id: manager.add(config()).id, config: undefined, start: false };
    const remove = step("container.remove", { container: { ...container, volumes: "removed" } });
    await run(remove);
    expect(manager.calls).toEqual(["stop c1 5", "remove c1 volumes"]);
    await run(remove);
    manager.failing.set("stop", new BayError("STOP_FAILED", "does not end"));
    await expect(run(remove)).rejects.toMatchObject({ code: "STOP_FAILED" });
  });
});

describe("the conditions before a start", () => {
  const start = (condition: Step["waits"][number]["condition"], required = true) =>
    step("container.start", {
      waits: [{ service: "db", condition, required }],
      container: { id: manager.add(config()).id, config: undefined, start: true },
    });
  const addDb = (status: "created" | "running" | "exited" | "paused", exitCode = 0) => {
    const record = manager.add(config("db"), { status });
    record.state.exitCode = exitCode;
    return record;
  };

  it("service_started is met by a container that runs or has ended", async () => {
    addDb("running");
    await run(start("service_started"));
    expect(manager.calls).toEqual(["start c2"]);
  });

  it("wait for the next change, and print once what they wait for", async () => {
    const db = addDb("created");
    const waiting = run(start("service_completed_successfully"));
    db.state.status = "running";
    manager.emit("changed", db.id);
    await new Promise(setImmediate);
    expect(manager.calls).toEqual([]);
    db.state.status = "exited";
    manager.emit("changed", db.id);
    await waiting;
    expect(manager.calls).toEqual(["start c2"]);
    expect(said).toEqual(["waiting for db"]);
  });

  it("fail with the exit code of a dependency, and start nothing", async () => {
    addDb("exited", 3);
    await expect(run(start("service_completed_successfully"))).rejects.toMatchObject({
      code: "DEPENDENCY_FAILED",
      message: expect.stringContaining("ended with exit code 3"),
    });
    expect(manager.calls).toEqual([]);
  });

  it("fail for a paused dependency, and for one without a health check", async () => {
    const db = addDb("paused");
    await expect(run(start("service_started"))).rejects.toThrow("is paused");
    db.state.status = "running";
    await expect(run(start("service_healthy"))).rejects.toThrow("no health check");
  });

  it("continue without a dependency that is not required", async () => {
    addDb("exited", 3);
    const begin = start("service_completed_successfully", false);
    await run(begin);
    expect(manager.calls).toEqual(["start c2"]);
    expect(said[0]).toContain("continuing without db");
  });

  it("end when the client has disconnected, required or not", async () => {
    addDb("created");
    const gone = AbortSignal.abort();
    await expect(run(start("service_completed_successfully", false), gone)).rejects.toMatchObject({
      code: "ABORTED",
    });
    expect(manager.calls).toEqual([]);
  });
});
