/** Newer images of a followed stack, from a real registry: applied, refused if they fail, shown, and committed to a branch. */
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ShownSource } from "../../src/gitops/api/routes.ts";
import type { LogEntry } from "../../src/gitops/model/status.ts";
import { Bay, eventually } from "../support/bay.ts";
import { GitRepository } from "../support/git-repository.ts";
import { Registry } from "../support/registry.ts";

/** Never becomes healthy. */
const BAD = "1.6.0";
const TAGS = ["1.4.0", "1.5.0", "2.0.0", BAD, "1.6.1", "1.7.0-rc.1"];

describe("newer images of a followed stack", () => {
  const bay = new Bay();
  bay.env.HOME = bay.folder;
  const repository = new GitRepository(bay.folder);
  let registry: Registry;
  const status = () => JSON.parse(bay.ok("gitops", "status", "shop", "--format", "json")) as ShownSource;
  const log = () => JSON.parse(bay.ok("gitops", "log", "shop", "--format", "json")) as LogEntry[];
  const image = (tag: string) => `${registry.host}/box:${tag}`;
  const running = () =>
    bay.stackPs("shop").map(({ Service, Image, State }) => `${Service} ${Image} ${State}`);
  const push = (tag: string) => {
    bay.ok("image", "tag", `local:${tag}`, image(tag));
    bay.ok("image", "push", image(tag));
    bay.ok("image", "rm", image(tag));
  };
  const put = (tag: string, policy: string) =>
    repository.write(
      "bay.yaml",
      `name: shop
services:
  web: # the web
    image: ${image(tag)}
    x-bay-update: ${policy}
    command: sleep 1000
    stop_grace_period: 0s
    healthcheck: { test: ["CMD", "test", "-e", "/good"], interval: 200ms, retries: 2 }
`,
    );
  const SEMVER = '{ policy: semver, range: "^1.4" }';
  const follow = (...words: string[]) =>
    bay.ok(
      "gitops",
      "add",
      "shop",
      "--repo",
      repository.bare,
      "--branch",
      "main",
      "--interval",
      "1s",
      ...words,
    );

  beforeAll(async () => {
    registry = await Registry.start();
    const rootfs = bay.busybox();
    for (const name of ["good", "bad"]) {
      mkdirSync(join(bay.folder, name));
      cpSync(rootfs, join(bay.folder, name), { recursive: true, verbatimSymlinks: true });
    }
    writeFileSync(join(bay.folder, "good", "good"), "");
    // each tag is an image of its own: a tag of the same image would replace no container
    const images = TAGS.map((tag) => {
      const rootfs = tag === BAD ? "../bad" : "../good";
      return `  "local:${tag}": { rootfs: ${rootfs}, config: { environment: { TAG: "${tag}" } } }\n`;
    });
    const services = TAGS.map((tag, index) => `  s${index}: { image: "local:${tag}", command: "true" }\n`);
    bay.write(`name: make\nimages:\n${images.join("")}services:\n${services.join("")}`);
    bay.ok("up", "--no-start");
    push("1.4.0");
  });
  afterAll(async () => {
    bay.close();
    await registry.stop();
  });

  it("are applied and shown, and a commit keeps them", async () => {
    const first = put("1.4.0", SEMVER).commit("Add the shop");
    follow();
    await eventually(() => expect(running()).toEqual([`web ${image("1.4.0")} running`]));
    push("1.5.0");
    push("2.0.0");
    await eventually(() => expect(running()).toEqual([`web ${image("1.5.0")} running`]));
    await eventually(() =>
      expect(status().status.images?.overrides).toEqual([
        { service: "web", from: image("1.4.0"), to: image("1.5.0") },
      ]),
    );
    expect(status().status.applied?.id).toBe(first);
    expect(bay.ok("gitops", "status", "shop")).toContain(
      `web: ${image("1.5.0")} instead of ${image("1.4.0")}`,
    );
    expect(log().at(-1)).toMatchObject({
      outcome: "applied",
      commit: { id: first },
      reason: `services.web.image: ${image("1.4.0")} -> ${image("1.5.0")}`,
    });
    const second = repository.write("README", "text").commit("Add a text");
    await eventually(() => expect(status().status.applied?.id).toBe(second));
    expect(running()).toEqual([`web ${image("1.5.0")} running`]);
  });

  it("that fail are rolled back and not tried again, and the commit is not bad", async () => {
    push(BAD);
    await eventually(() => expect(status().status.images?.bad).toHaveLength(1));
    expect(status().status.images!.bad[0]).toMatchObject({ image: image(BAD) });
    expect(status().status.bad).toBeUndefined();
    expect(log().at(-1)).toMatchObject({ outcome: "rolled back" });
    await eventually(() => expect(running()).toEqual([`web ${image("1.5.0")} running`]));
    push("1.6.1");
    await eventually(() => expect(running()).toEqual([`web ${image("1.6.1")} running`]));
    expect(log().filter(({ outcome }) => outcome === "rolled back")).toHaveLength(1);
  });

  it("end when the repository names a newer image, or a registry does not know the image", async () => {
    push("1.7.0-rc.1");
    const third = put("1.7.0-rc.1", SEMVER).commit("Use a candidate");
    await eventually(() => expect(status().status.applied?.id).toBe(third));
    expect(running()).toEqual([`web ${image("1.7.0-rc.1")} running`]);
    expect(status().status.images?.overrides).toEqual([]);
    bay.ok("gitops", "rm", "shop", "--down");
  });

  it("are only shown with the manual policy", async () => {
    put("1.4.0", '{ policy: newest, pattern: "1.*.0" }').commit("Use a pattern");
    follow("--policy", "manual");
    await eventually(() => expect(status().status.pending).toBeDefined());
    bay.ok("gitops", "approve", "shop", status().status.pending!.commit.id);
    await eventually(() => expect(status().status.images?.available).toMatchObject([{ to: image(BAD) }]));
    expect(running()).toEqual([`web ${image("1.4.0")} running`]);
    bay.ok("gitops", "rm", "shop", "--down");
  });

  it("are committed to a branch, or to the followed branch", async () => {
    const base = put("1.4.0", SEMVER).commit("Use versions");
    follow("--write-back", "images");
    const shown = (ref: string) => repository.git("--git-dir", repository.bare, "show", ref);
    await eventually(() => expect(shown("images:bay.yaml")).toContain(`image: ${image("1.6.1")}`));
    expect(shown("images:bay.yaml")).toContain("web: # the web");
    expect(repository.git("--git-dir", repository.bare, "rev-parse", "images~1")).toBe(base);
    expect(shown("images")).toContain(`Update ${image("1.6.1")}`);
    expect(running()).toEqual([`web ${image("1.4.0")} running`]);
    const commit = repository.git("--git-dir", repository.bare, "rev-parse", "images");
    await eventually(() => expect(status().status.images?.writtenBack?.commit).toBe(commit));
    bay.ok("gitops", "rm", "shop", "--down");
    follow("--write-back", "main");
    await eventually(() => expect(running()).toEqual([`web ${image("1.6.1")} running`]));
    await eventually(() => expect(status().status.applied?.author).toBe("bay"));
    expect(repository.git("--git-dir", repository.bare, "rev-parse", "main~1")).toBe(base);
    expect(status().status.images?.overrides).toEqual([]);
  });
});
