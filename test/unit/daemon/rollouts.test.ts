import { beforeEach, describe, expect, it } from "vitest";
import type { ContainerRecord } from "../../../src/container/index.ts";
import { BayError } from "../../../src/core/errors.ts";
import { Rollouts } from "../../../src/daemon/rollout/rollouts.ts";
import { desiredConfig, type Rollout, type Step } from "../../../src/reconcile/index.ts";
import { IMAGE } from "../../support/actual.ts";
import { FakeManager } from "../../support/fake-manager.ts";
import { loadText } from "../../support/stack.ts";

const { stack } = loadText(`
services:
  web: { image: app, healthcheck: { test: ["CMD", "true"] }, deploy: { replicas: 2 } }
`);
const configOf = (number: number) => desiredConfig(stack, stack.services.web!, number, IMAGE);
const ROLLOUT: Rollout = {
  order: "start-first",
  why: undefined,
  delayMs: 0,
  monitorMs: 0,
  failureAction: "pause",
  maxFailureRatio: 0,
  replicas: 2,
  back: undefined,
};

let manager: FakeManager;
let rollouts: Rollouts;
let said: string[];
beforeEach(() => {
  manager = new FakeManager();
  said = [];
  become("healthy");
  rollouts = new Rollouts(manager.asManager, stack, { graceMs: 7, timeoutMs: undefined });
});
/** What every container becomes by its start. */
function become(health: "healthy" | "unhealthy"): void {
  manager.onStart = ({ id, state }) => {
    state.status = "running";
    manager.healths.set(id, health);
  };
}
const addRunning = (number: number): ContainerRecord => {
  const record = manager.add(configOf(number), { status: "running" });
  manager.healths.set(record.id, "healthy");
  return record;
};
const replace = ({ id, config }: ContainerRecord, rollout: Partial<Rollout> = {}, waits = async () => {}) => {
  const step: Step = {
    id: `container.replace ${config.name}`,
    kind: "container.replace",
    name: config.name,
    service: "web",
    reasons: [],
    after: [],
    afterEnd: [],
    waits: [],
    rollout: { ...ROLLOUT, ...rollout },
    container: {
      id,
      config: { ...configOf(1), name: config.name, labels: { revision: "new" } },
      start: true,
    },
  };
  return rollouts.replace(step, waits, (text) => {
    said.push(text);
  });
};
const verbs = () => manager.calls.filter((call) => call !== "files.release");
const names = () =>
  manager
    .list()
    .map(({ id, config, role }) => `${id} ${config.name}${role ? ` ${role}` : ""}`)
    .sort();

describe("a replacement that starts the new container first", () => {
  it("gives the new one the name, and removes the old one last", async () => {
    await replace(addRunning(1));
    expect(verbs()).toEqual(["beside c1", "start c2", "promote c2", "stop c1 7", "remove c1 alone"]);
    expect(names()).toEqual(["c2 demo-web-1"]);
  });

  it("does not touch the old one if the new one is not healthy", async () => {
    become("unhealthy");
    await expect(replace(addRunning(1))).rejects.toMatchObject({
      code: "UPDATE_FAILED",
      message: expect.stringContaining("the previous container keeps running"),
    });
    expect(verbs()).toEqual(["beside c1", "start c2", "stop c2 0", "remove c2 volumes"]);
    expect(names()).toEqual(["c1 demo-web-1"]);
  });

  it("does not touch the old one if the new one does not start", async () => {
    manager.failing.set("start", new BayError("START_FAILED", "no such program", { hint: "look" }));
    await expect(replace(addRunning(1))).rejects.toMatchObject({ code: "UPDATE_FAILED", hint: "look" });
    expect(verbs()).toEqual(["beside c1", "start c2", "stop c2 0", "remove c2 volumes"]);
  });

  it("returns the name if the new one fails while it is watched", async () => {
    const old = addRunning(1);
    const { promote } = manager.replacement;
    manager.replacement.promote = async (...args) => {
      await promote(...args);
      manager.healths.set(args[0].id, "unhealthy");
    };
    await expect(replace(old, { monitorMs: 60_000 })).rejects.toMatchObject({ code: "UPDATE_FAILED" });
    expect(verbs().slice(2)).toEqual(["promote c2", "demote c2", "stop c2 0", "remove c2 volumes"]);
    expect(names()).toEqual(["c1 demo-web-1"]);
  });

  it("changes nothing if a condition before it fails", async () => {
    const old = addRunning(1);
    const failing = async () => {
      throw new BayError("DEPENDENCY_FAILED", "db ended");
    };
    await expect(replace(old, {}, failing)).rejects.toMatchObject({ code: "DEPENDENCY_FAILED" });
    expect(verbs()).toEqual([]);
  });
});

describe("a replacement that stops the old container first", () => {
  const rollout = { order: "stop-first" } as const;

  it("starts the new one in its place", async () => {
    await replace(addRunning(1), rollout);
    expect(verbs()).toEqual([
      "image.get app",
      "stop c1 7",
      "instead c1",
      "start c2",
      "stop c1 0",
      "remove c1 alone",
    ]);
    expect(names()).toEqual(["c2 demo-web-1"]);
  });

  it("does not stop anything if the image does not exist", async () => {
    manager.failing.set("image.get", new BayError("IMAGE_NOT_FOUND", "no image"));
    await expect(replace(addRunning(1), rollout)).rejects.toMatchObject({ code: "UPDATE_FAILED" });
    expect(verbs()).toEqual(["image.get app"]);
  });

  it("starts the old one again if the new one is not healthy", async () => {
    const old = addRunning(1);
    become("unhealthy");
    await expect(replace(old, rollout)).rejects.toMatchObject({ code: "UPDATE_FAILED" });
    expect(verbs().slice(3)).toEqual([
      "start c2",
      "stop c2 0",
      "remove c2 volumes",
      "restore c1",
      "start c1",
    ]);
    expect(names()).toEqual(["c1 demo-web-1"]);
    expect(old.state.status).toBe("running");
  });
});

describe("the update of a service after a failure", () => {
  it("is paused: the containers that follow are not replaced", async () => {
    const [first, second] = [addRunning(1), addRunning(2)];
    become("unhealthy");
    await expect(replace(first)).rejects.toThrow("the update is paused");
    const before = verbs().length;
    await expect(replace(second)).rejects.toThrow("demo-web-2 was not updated because demo-web-1 failed");
    expect(verbs()).toHaveLength(before);
  });

  it("continues if the policy says so, or within the accepted ratio", async () => {
    for (const policy of [{ failureAction: "continue" } as const, { maxFailureRatio: 0.5 }]) {
      const [first, second] = [addRunning(1), addRunning(2)];
      become("unhealthy");
      await expect(replace(first, policy)).rejects.toMatchObject({ code: "UPDATE_FAILED" });
      become("healthy");
      await replace(second, policy);
      rollouts = new Rollouts(manager.asManager, stack, { graceMs: 7, timeoutMs: undefined });
      for (const { id } of manager.list()) manager.records.forget(id);
    }
  });

  it("rolls back the containers that were replaced before", async () => {
    const [first, second] = [addRunning(1), addRunning(2)];
    const rollback = { failureAction: "rollback" } as const;
    await replace(first, rollback);
    manager.onStart = ({ id, state, config }) => {
      state.status = "running";
      const isNew = config.labels.revision === "new";
      manager.healths.set(id, isNew ? "unhealthy" : "healthy");
    };
    await expect(replace(second, rollback)).rejects.toThrow(
      "demo-web-1 is rolled back to the previous revision",
    );
    const kept = manager.list().map(({ config }) => [config.name, config.labels.revision]);
    expect(kept.sort()).toEqual([
      ["demo-web-1", undefined],
      ["demo-web-2", undefined],
    ]);
    expect(said).toContain("rolling demo-web-1 back");
  });

  it("is not a failure if the client has disconnected", async () => {
    rollouts = new Rollouts(manager.asManager, stack, {
      graceMs: 7,
      timeoutMs: undefined,
      signal: AbortSignal.abort(),
    });
    await expect(replace(addRunning(1))).rejects.toMatchObject({ code: "ABORTED" });
    await expect(replace(addRunning(2), { delayMs: 60_000 })).rejects.toMatchObject({ code: "ABORTED" });
    expect(names()).toContain("c1 demo-web-1");
  });
});
