/** examples/rolling, as its first lines say. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { hostState } from "../support/host-state.ts";

describe("examples/rolling", () => {
  const bay = new Bay();
  let before: Record<string, string>;
  beforeAll(() => {
    before = hostState();
    cpSync("examples/rolling", join(bay.folder, "stack"), { recursive: true });
  });
  afterAll(() => bay.close());

  const page = async (port: number) => (await fetch(`http://127.0.0.1:${port}/`)).text();
  const up = (version: string) => {
    bay.env.VERSION = version;
    return bay.run(["up", "-d"]);
  };

  it("goes to another version, stays there when a broken one comes, and goes back", async () => {
    expect(up("1").code).toBe(0);
    bay.ok("up", "--wait");
    expect(await Promise.all([page(8090), page(8091)])).toEqual(["version 1\n", "version 1\n"]);
    expect(up("2").code).toBe(0);
    expect(await Promise.all([page(8090), page(8091)])).toEqual(["version 2\n", "version 2\n"]);
    const broken = up("broken");
    expect(broken.code).toBe(1);
    expect(broken.err).toContain("is unhealthy: the page answers 500");
    expect(await Promise.all([page(8090), page(8091)])).toEqual(["version 2\n", "version 2\n"]);
    expect(bay.ok("history")).toContain("services.web.environment.VERSION");
    bay.ok("rollback");
    expect(await Promise.all([page(8090), page(8091)])).toEqual(["version 1\n", "version 1\n"]);
  });

  it("leaves nothing behind", async () => {
    bay.ok("down", "-v");
    bay.ok("daemon", "stop");
    await eventually(() => expect(hostState()).toEqual(before));
  });
});
