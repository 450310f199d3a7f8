/** What is remembered of newer images between passes, commits and failures, with a registry that lists tags. */
import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BayError } from "../../../src/core/errors.ts";
import { type AskedAt, findUpdates } from "../../../src/gitops/images/find-updates.ts";
import { followOnce } from "../../../src/gitops/loop/follower.ts";
import type { UpdatedImage } from "../../../src/gitops/model/status.ts";
import { GitopsRoom } from "../../support/gitops-room.ts";
import { TagServer } from "../../support/tag-server.ts";

let room: GitopsRoom;
let registry: TagServer;
beforeEach(async () => {
  room = await GitopsRoom.open();
  registry = await TagServer.start();
});
afterEach(async () => {
  registry.stop();
  await room.close();
});

const image = (tag: string) => `${registry.host}/web:${tag}`;
const service = (tag: string, range: string) =>
  `{ image: "${image(tag)}", x-bay-update: { policy: semver, range: "${range}" }, command: [serve] }`;
const commit = (web = service("1.0.0", "^1"), more = "") =>
  room.repository.write("bay.yaml", `name: shop\nservices:\n  web: ${web}\n${more}`).commit("The stack");
const RULES = { interval: "1h" };
const images = () => room.records.status("shop").images!;
const pass = () =>
  followOnce(room.loop.services, room.records.get("shop"), {
    isForced: false,
    isPushed: true,
    signal: room.loop.signal,
  });
const makeDue = () => room.loop.services.askedAt("shop").clear();
const upsOf = (tag: string) =>
  room.stacks.calls.filter((call) => call.startsWith(`up shop ${image(tag)}`)).length;

describe("newer images that are not applied", () => {
  it("are still shown when their registry is not asked, and by a bayd that cannot ask it", async () => {
    commit();
    room.source("shop", { ...RULES, policy: "manual" });
    await pass();
    room.records.note("shop", {
      ...room.records.status("shop"),
      approved: room.records.status("shop").pending!.commit.id,
    });
    await pass();
    registry.tags = ["1.1.0"];
    await pass();
    const available = [{ service: "web", from: image("1.0.0"), to: image("1.1.0") }];
    expect(images().available).toEqual(available);
    await pass();
    expect(images().available).toEqual(available);
    expect(registry.paths).toHaveLength(1);
    registry.answer = (_, answer) => void answer.writeHead(404).end("{}");
    makeDue();
    await pass();
    expect(images().available).toEqual(available);
    expect(images().failure).toContain("services.web.image: ");
    const { failure } = images();
    await pass();
    expect(images().failure).toBe(failure);
    registry.answer = undefined;
    registry.tags = [];
    makeDue();
    await pass();
    expect(images()).not.toHaveProperty("available");
    expect(images()).not.toHaveProperty("failure");
  });

  it("are applied at the next pass if a registry did not send them", async () => {
    commit();
    room.source("shop", RULES);
    await pass();
    registry.tags = ["1.1.0"];
    const error = new BayError("REGISTRY_UNREACHABLE", "no answer");
    room.stacks.failing.set(image("1.1.0"), { error, hasBegun: false });
    await expect(pass()).rejects.toThrow("no answer");
    room.stacks.failing.clear();
    await pass();
    expect(images().overrides).toMatchObject([{ to: image("1.1.0") }]);
    expect(images()).not.toHaveProperty("available");
    expect(registry.paths).toHaveLength(1);
  });
});

describe("an image that fails", () => {
  it("is not tried again for its service, and stays in use for another one", async () => {
    const other = `  other: ${service("1.0.0", "^1")}\n`;
    commit(service("1.0.0", "~1.0"), other);
    room.source("shop", RULES);
    registry.tags = ["1.1.0"];
    await pass();
    await pass();
    const used = [{ service: "other", from: image("1.0.0"), to: image("1.1.0") }];
    expect(images().overrides).toEqual(used);
    commit(service("1.0.0", "^1"), other);
    await pass();
    room.stacks.failing.set(image("1.1.0"), { error: new Error("unhealthy"), hasBegun: true });
    await pass();
    expect(images().bad).toEqual([{ service: "web", image: image("1.1.0"), reason: "unhealthy" }]);
    expect(room.records.status("shop").bad).toBeUndefined();
    for (let count = 0; count < 3; count++) {
      makeDue();
      await pass();
    }
    expect(upsOf("1.1.0")).toBe(1);
    expect(images().overrides).toEqual(used);
  });
});

describe("images that are written back", () => {
  const git = (...words: string[]) =>
    execFileSync("git", ["--git-dir", room.repository.bare, ...words], { encoding: "utf8" }).trim();

  it("replace the commit of bay after the followed branch has moved, and do not replace another", async () => {
    commit();
    room.source("shop", { ...RULES, write_back: "images" });
    await pass();
    registry.tags = ["1.1.0"];
    await pass();
    const first = images().writtenBack!.commit;
    expect(git("rev-parse", "images")).toBe(first);
    const next = commit(undefined, "# newer\n");
    await pass();
    expect(images().writtenBack!.commit).toBe(first);
    await pass();
    expect(git("rev-parse", "images~1")).toBe(next);
    const second = images().writtenBack!.commit;
    expect(git("rev-parse", "images")).toBe(second);
    await pass();
    expect(git("rev-parse", "images")).toBe(second);
    git("update-ref", "refs/heads/images", next);
    const last = commit(undefined, "# the newest\n");
    await pass();
    await pass();
    expect(room.records.status("shop").applied!.id).toBe(last);
    expect(git("rev-parse", "images")).toBe(next);
    expect(images().failure).toContain("did not push for this source");
    const told = room.messages.length;
    await pass();
    expect(images().failure).toContain("did not push for this source");
    expect(room.messages).toHaveLength(told);
    git("update-ref", "-d", "refs/heads/images");
    await pass();
    expect(git("rev-parse", "images~1")).toBe(last);
    expect(images()).not.toHaveProperty("failure");
  });

  it("include those that were in use before", async () => {
    commit();
    registry.tags = ["1.1.0"];
    room.source("shop", RULES);
    await pass();
    await pass();
    expect(images().overrides).toHaveLength(1);
    room.source("shop", { ...RULES, write_back: "main" });
    await pass();
    await pass();
    expect(git("show", "main:bay.yaml")).toContain(image("1.1.0"));
    await pass();
    expect(room.records.status("shop").applied!.id).toBe(git("rev-parse", "main"));
    expect(images().overrides).toEqual([]);
  });
});

describe("a registry that does not answer", () => {
  const ask = (signal: AbortSignal, askedAt: AskedAt, askTime?: number) => {
    const policy = { policy: "semver", range: "^1" };
    const asked = [{ service: "web", image: image("1.0.0"), policy }] as unknown as UpdatedImage[];
    const options = { interval: 1000, askedAt, now: 0, isBad: () => false, signal };
    return findUpdates(asked, { used: [], found: [] }, { ...options, ...(askTime ? { askTime } : {}) });
  };

  it("is named with the time, until it is asked again", async () => {
    registry.answer = () => {};
    const askedAt: AskedAt = new Map();
    const { failure } = await ask(new AbortController().signal, askedAt, 100);
    expect(failure).toBe(`services.web.image: ${registry.host} did not answer within 0.1 seconds`);
    expect(await ask(new AbortController().signal, askedAt)).toEqual({ overrides: [], failure });
  });

  it("is not a failure when bayd ends", async () => {
    const stop = new AbortController();
    registry.answer = () => stop.abort();
    const askedAt: AskedAt = new Map();
    expect(await ask(stop.signal, askedAt)).toEqual({ overrides: [], failure: undefined });
    expect(askedAt.size).toBe(0);
  });
});
