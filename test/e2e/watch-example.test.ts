/** examples/watch, as its first lines say. */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { Watching } from "../support/watching.ts";

describe("examples/watch", () => {
  const bay = new Bay();
  const file = (name: string) => join(bay.folder, "stack", name);
  const edit = (name: string, from: string, to: string) =>
    writeFileSync(file(name), readFileSync(file(name), "utf8").replace(from, to));
  const get = async (path: string) => (await fetch(`http://127.0.0.1:8095${path}`)).text();
  let watching: Watching;
  beforeAll(async () => {
    cpSync("examples/watch", join(bay.folder, "stack"), { recursive: true });
    watching = await new Watching(bay).begun();
  });
  afterAll(async () => {
    await watching.stop();
    bay.close();
  });

  it("serves a saved page without a restart", async () => {
    await eventually(async () => expect(await get("/")).toContain("First page"));
    edit("pages/index.html", "First", "Second");
    await eventually(async () => expect(await get("/")).toContain("Second page"));
    writeFileSync(file("pages/x.draft.html"), "a draft");
    expect(watching.of("restart")).toEqual([]);
  });

  it("restarts with a saved server, and rebuilds with a saved Dockerfile", async () => {
    edit("server.mjs", "VERSION = 1", "VERSION = 2");
    await eventually(async () => expect(await get("/version")).toBe("hello from version 2\n"));
    edit("Dockerfile", "GREETING=hello", "GREETING=welcome");
    await watching.next("rebuilt", 0);
    await eventually(async () => expect(await get("/version")).toBe("welcome from version 2\n"));
    await eventually(async () => expect(await get("/")).toContain("Second page"));
  });
});
