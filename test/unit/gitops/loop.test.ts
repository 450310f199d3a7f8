/** The loop of gitops: real repositories and stack files, and a stack service that only notes what it is asked to do. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BayError } from "../../../src/core/errors.ts";
import { checkDrift } from "../../../src/gitops/loop/drift.ts";
import { followOnce } from "../../../src/gitops/loop/follower.ts";
import { GitopsRoom } from "../../support/gitops-room.ts";

let room: GitopsRoom;
beforeEach(async () => {
  room = await GitopsRoom.open();
});
afterEach(() => room.close());

const sync = (name = "shop") => room.loop.sync(name);
const status = (name = "shop") => room.records.status(name);
/** A pass at an interval, as opposed to one that was asked for. */
const pass = (name = "shop") =>
  followOnce(room.loop.services, room.records.get(name), {
    isForced: false,
    isPushed: true,
    signal: room.loop.signal,
  });

describe("a commit", () => {
  it("is applied once, with removals last, and the next one replaces it", async () => {
    const first = room.commit("web:1");
    room.source("shop");
    await sync();
    expect(room.stacks.calls).toEqual(["up shop web:1", "up shop web:1 without orphans"]);
    expect(status()).toMatchObject({ applied: { id: first, author: "Ada" }, project: "shop", revision: 1 });
    await pass();
    expect(room.stacks.calls).toHaveLength(2);
    room.commit("web:2");
    await pass();
    expect(status()).toMatchObject({ revision: 2, syncCount: 2, failureCount: 0 });
    expect(room.log("shop")).toEqual(["applied web:1", "applied web:2"]);
  });

  it("that fails is rolled back, and not tried again until it is asked for", async () => {
    room.source("shop");
    room.commit("web:1");
    await sync();
    const bad = room.commit("web:2");
    room.stacks.failing.set("web:2", { error: new Error("unhealthy"), hasBegun: true });
    await pass();
    expect(room.stacks.calls.at(-1)).toBe("rollback shop 1");
    expect(status()).toMatchObject({ bad: { commit: bad, reason: "unhealthy" }, failureCount: 1 });
    const calls = room.stacks.calls.length;
    await pass();
    expect(room.stacks.calls).toHaveLength(calls);
    room.stacks.failing.clear();
    await sync();
    expect(status().bad).toBeUndefined();
    expect(room.log("shop")).toEqual(["applied web:1", "rolled back web:2", "applied web:2"]);
  });

  it("that fails in a stack without containers is removed, and volumes are kept", async () => {
    room.source("shop");
    room.commit("web:1");
    room.stacks.failing.set("web:1", { error: new Error("unhealthy"), hasBegun: true });
    await sync();
    expect(room.stacks.calls.at(-1)).toBe("down shop");
    expect(status().bad!.reason).toContain("the stack had no containers before the commit");
  });

  it("is marked as failed if the rollback fails too", async () => {
    room.source("shop");
    room.commit("web:1");
    await sync();
    room.commit("web:2");
    room.stacks.failing.set("web:2", { error: new Error("unhealthy"), hasBegun: true });
    room.stacks.failsToRestore = new Error("no disk");
    await pass();
    expect(status().bad!.reason).toBe("unhealthy\nthe rollback to revision 1 failed: no disk");
    expect(room.log("shop").at(-1)).toBe("failed web:2");
  });

  it("that cannot be begun is refused, and nothing is restored", async () => {
    room.source("shop");
    room.commit("web:1");
    room.stacks.failing.set("web:1", { error: new BayError("DISK_FULL", "no space"), hasBegun: false });
    await sync();
    expect(room.log("shop")).toEqual(["refused web:1"]);
    expect(room.stacks.calls).toEqual(["up shop web:1"]);
  });

  it("is not bad if a registry does not answer", async () => {
    room.source("shop");
    room.commit("web:1");
    room.stacks.failing.set("web:1", {
      error: new BayError("REGISTRY_UNREACHABLE", "quay.io cannot be reached"),
      hasBegun: false,
    });
    await sync();
    expect(status()).toMatchObject({ unreachable: { message: "quay.io cannot be reached", failures: 1 } });
    expect(status().bad).toBeUndefined();
    expect(status().attempt).toBeUndefined();
    room.stacks.failing.clear();
    await sync();
    expect(status()).toMatchObject({ applied: { subject: "web:1" } });
    expect(status().unreachable).toBeUndefined();
  });

  it("is refused with all problems of its stack file", async () => {
    room.source("shop");
    room.repository
      .write("bay.yaml", "services:\n  web: { imagee: a }\n  db: { image: b, cpus: x }\n")
      .commit("typo");
    await sync();
    const { reason } = status().bad!;
    expect(reason).toContain("bay.yaml:2:10");
    expect(reason).toContain('unknown key "imagee"');
    expect(reason).toContain("cpus");
    expect(room.messages.join()).toContain("refused");
    expect(room.stacks.calls).toEqual([]);
  });

  it("whose attempt was interrupted is completed by the next bayd, although the branch has moved", async () => {
    room.source("shop");
    const first = room.commit("web:1");
    room.stacks.failing.set("web:1", { error: new BayError("ABORTED", "bayd stops"), hasBegun: true });
    const killed = room.loop;
    const { up } = room.stacks;
    room.stacks.up = async (...given) => {
      await killed.close(); // bayd ends while the commit is applied
      return up.apply(room.stacks, given);
    };
    await sync();
    expect(status().attempt).toMatchObject({ commit: { id: first }, project: "shop", hadContainers: false });
    room.stacks.up = up;
    room.stacks.failing.clear();
    room.commit("web:2");
    room.loop = room.newLoop();
    await sync();
    expect(room.log("shop")).toEqual(["applied web:1"]);
    await pass();
    expect(room.log("shop")).toEqual(["applied web:1", "applied web:2"]);
  });

  it("that renames the stack removes the stack with the old name", async () => {
    room.source("shop");
    room.commit("web:1");
    await sync();
    room.source("shop", { project: "store" });
    await sync();
    expect(room.stacks.calls).toContain("down shop");
    expect(status()).toMatchObject({ project: "store" });
  });
});

describe("a commit waits", () => {
  it("for an approval, with its plan, and is applied when it is given", async () => {
    room.source("shop", { policy: "manual" });
    const id = room.commit("web:1");
    await sync();
    expect(status().pending).toMatchObject({
      commit: { id },
      reason: `waits for bay gitops approve shop ${id.slice(0, 12)}`,
    });
    expect(status().pending!.plan).toContain("web:1");
    room.records.note("shop", { ...status(), approved: id });
    await sync();
    expect(status()).toMatchObject({ applied: { id } });
    expect(status().pending).toBeUndefined();
  });

  it("for the sources that it depends on", async () => {
    room.source("shop", { depends_on: ["base"] });
    room.source("base", { project: "base", suspended: true });
    room.commit("web:1");
    await sync();
    expect(status().pending!.reason).toBe("waits for the source base");
    await sync("base");
    await sync();
    expect(status()).toMatchObject({ applied: { subject: "web:1" } });
  });
});

describe("a repository that does not answer", () => {
  it("is reported once, and the stack keeps running", async () => {
    room.source("shop");
    const id = room.commit("web:1");
    await sync();
    room.repository.git("push", "-q", room.repository.bare, "HEAD:refs/heads/other");
    room.source("shop", { branch: "gone" });
    await sync();
    await sync();
    expect(status().unreachable).toMatchObject({ failures: 2 });
    expect(room.messages.filter((text) => text.includes("gone"))).toHaveLength(1);
    expect(room.records.log("shop").at(-1)!.reason).toContain(`${id.slice(0, 12)} keeps running`);
    expect(room.loop.polls("shop").nextPollAt).toBeDefined();
    room.source("shop", { branch: "main" });
    await sync();
    expect(status().unreachable).toBeUndefined();
  });
});

describe("two sources", () => {
  it("cannot follow the same stack", async () => {
    room.source("shop");
    room.commit("web:1");
    await sync();
    room.source("copy");
    await sync("copy");
    expect(status("copy").bad!.reason).toContain("the source shop already follows the stack shop");
  });
});

describe("drift", () => {
  const check = () => checkDrift(room.loop.services, room.records.get("shop"), room.loop.signal);
  beforeEach(() => room.commit("web:1"));

  it("is repaired by the applied revision", async () => {
    room.source("shop");
    await sync();
    await check();
    expect(room.stacks.calls).not.toContain("rollback shop 1");
    room.stacks.drift = ["web is stopped"];
    await check();
    expect(room.stacks.calls.at(-1)).toBe("rollback shop 1");
    expect(status()).toMatchObject({ driftCount: 1 });
    expect(room.log("shop")).toEqual(["applied web:1", "drift repaired web:1"]);
  });

  it("is reported once with drift: report, until it is gone", async () => {
    room.source("shop", { drift: "report" });
    await sync();
    room.stacks.drift = ["web is stopped"];
    await check();
    await check();
    expect(status()).toMatchObject({
      driftCount: 1,
      drift: { plan: expect.stringContaining("web is stopped") },
    });
    room.stacks.drift = [];
    await check();
    expect(status().drift).toBeUndefined();
    expect(room.stacks.calls.filter((call) => call.startsWith("rollback"))).toEqual([]);
  });

  it("is left alone while the stack changes, and logged if the repair fails", async () => {
    room.source("shop");
    await sync();
    room.stacks.drift = ["web is stopped"];
    room.stacks.isChanging = true;
    await check();
    expect(status().driftCount).toBe(0);
    room.stacks.isChanging = false;
    room.stacks.failsToRestore = new Error("no disk");
    await check();
    expect(room.messages.at(-1)).toBe("gitops shop: drift: no disk");
    expect(status().driftCount).toBe(0);
  });
});

describe("a gitops document in a repository", () => {
  const describes = (...names: string[]) =>
    room.repository
      .write(
        "gitops.yaml",
        `gitops:\n${names.map((name) => `  ${name}: { repo: ${room.repository.bare}, project: ${name} }\n`).join("")}`,
      )
      .write("bay.yaml", 'services: { web: { image: "web:1", command: [serve] } }\n')
      .commit(names.join());

  it("creates the sources that it describes, and removes with their stacks those that left it", async () => {
    room.source("all", { apps: true });
    describes("one", "two");
    await sync("all");
    expect(room.records.sources().map(({ name, owner }) => [name, owner])).toEqual([
      ["all", undefined],
      ["one", "all"],
      ["two", "all"],
    ]);
    await sync("one");
    await sync("two");
    describes("two");
    await sync("all");
    expect(room.records.find("one")).toBeUndefined();
    expect(room.stacks.calls.at(-1)).toBe("down one");
    expect(status("all")).toMatchObject({ syncCount: 2 });
  });

  it("is refused if it describes the source of another owner, or does not exist", async () => {
    room.source("all", { apps: true });
    room.source("one");
    describes("one");
    await sync("all");
    expect(status("all").bad!.reason).toContain("the source one exists, and is not described by all");
    room.repository.remove("gitops.yaml").commit("nothing");
    await sync("all");
    expect(status("all").bad!.reason).toContain("gitops.yaml does not exist");
    expect(room.records.get("one").owner).toBeUndefined();
  });
});

describe("the removal of a source", () => {
  it("waits for a pass that runs, and lets none begin", async () => {
    room.source("shop");
    room.commit("web:1");
    room.loop.hurry("shop");
    await room.loop.withdraw("shop", async () => {
      expect(room.log("shop")).toEqual(["applied web:1"]);
      const calls = room.stacks.calls.length;
      room.commit("web:2");
      room.loop.hurry("shop");
      await pass("shop").then(() => room.commit("web:3"));
      expect(room.stacks.calls).toHaveLength(calls + 2); // by the pass of this test, and none of the loop
    });
    expect(room.log("shop")).toEqual(["applied web:1", "applied web:2"]);
  });
});
