import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually, HANGS_AFTER } from "../support/bay.ts";
import { hostState } from "../support/host-state.ts";

const get = async (url: string) =>
  (await fetch(url, { headers: { connection: "close" }, signal: AbortSignal.timeout(HANGS_AFTER) })).text();

describe("examples/hello", () => {
  const bay = new Bay();
  let before: Record<string, string>;
  beforeAll(() => {
    before = hostState();
    cpSync("examples/hello", join(bay.folder, "stack"), { recursive: true });
  });
  afterAll(() => bay.close());

  it("is planned, comes up, and is then as the file says", async () => {
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(2);
    bay.ok("up", "--wait");
    expect(bay.run(["plan", "--detailed-exitcode"])).toMatchObject({
      code: 0,
      out: "hello: nothing to do, the host matches the file\n",
    });
    expect(bay.ok("up", "-d")).toContain("nothing to do");
    expect(bay.ps().map(({ Name, State, Health }) => [Name, State, Health])).toEqual([
      ["hello-store-1", "running", "healthy"],
      ["hello-web-1", "running", "healthy"],
    ]);
  });

  it("answers on all of the host's addresses, also over IPv6, and to a container through its own port", async () => {
    expect(await get("http://127.0.0.1:8080")).toBe("visit number 1\n");
    expect(await get("http://localhost:8080")).toBe("visit number 2\n");
    expect(await get("http://[::1]:8080")).toBe("visit number 3\n");
    const script =
      "fetch('http://'+process.argv[1]+':8080').then(r=>r.text()).then(t=>process.stdout.write(t))";
    const gateway = bay
      .ok("exec", "-T", "web", "node", "-p", "require('os').networkInterfaces().eth0[0].address")
      .trim()
      .replace(/\.\d+$/, ".1");
    expect(bay.ok("exec", "-T", "web", "node", "-e", script, gateway)).toBe("visit number 4\n");
  });

  it("keeps its count over down and up", async () => {
    bay.ok("down");
    expect(bay.ps()).toEqual([]);
    bay.ok("up", "--wait");
    expect(await get("http://127.0.0.1:8080")).toBe("visit number 5\n");
  });

  it("plans nothing where its folder has moved", () => {
    cpSync(join(bay.folder, "stack"), join(bay.folder, "moved"), {
      recursive: true,
      preserveTimestamps: true,
    });
    const { code, out } = bay.run(["plan", "--detailed-exitcode"], { cwd: join(bay.folder, "moved") });
    expect([code, out]).toEqual([0, "hello: nothing to do, the host matches the file\n"]);
  });

  it("leaves the host as it was", async () => {
    bay.ok("down", "-v", "--rmi", "local");
    bay.ok("daemon", "stop");
    await eventually(() => expect(hostState()).toEqual(before));
  });
});
