import { createServer, type Server } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BayError } from "../../../../../src/core/errors.ts";
import { containerRoutes } from "../../../../../src/daemon/api/engine/containers.ts";
import { type Call, sendError } from "../../../../../src/daemon/api/http.ts";
import { locate, RouteTable } from "../../../../../src/daemon/api/routing.ts";
import type { Services } from "../../../../../src/daemon/api/server.ts";
import { desiredConfig } from "../../../../../src/reconcile/index.ts";
import { IMAGE } from "../../../../support/actual.ts";
import { FakeManager } from "../../../../support/fake-manager.ts";
import { loadText } from "../../../../support/stack.ts";

const { stack } = loadText("services: { web: { image: app } }");
const config = desiredConfig(stack, stack.services.web!, 1, IMAGE);

let manager: FakeManager;
let server: Server;
let base: string;
beforeEach(async () => {
  manager = new FakeManager();
  const table = new RouteTable(containerRoutes({ manager: manager.asManager } as Services), []);
  server = createServer(async (request, response) => {
    try {
      const { path, query } = locate(request.url!);
      const { route, parts } = table.find(request.method!, path);
      await route.handle({ request, response, parts, query } as unknown as Call);
    } catch (error) {
      sendError(response, error);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as { port: number }).port}/v1.47/containers`;
});
afterEach(async () => {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
});
const ask = async (method: string, path: string) => {
  const answer = await fetch(`${base}${path}`, { method });
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? undefined : JSON.parse(text) };
};

describe("the container routes of the Engine API", () => {
  it.each([
    ["POST", "/demo-web-1/restart?t=3", 204, "restart c1 3000"],
    ["POST", "/demo-web-1/kill?signal=SIGTERM", 204, "kill c1 15"],
    ["POST", "/demo-web-1/kill", 204, "kill c1 9"],
    ["POST", "/demo-web-1/pause", 204, "pause c1 true"],
    ["POST", "/demo-web-1/unpause", 204, "pause c1 false"],
    ["POST", "/demo-web-1/rename?name=other", 204, "rename c1 other"],
    ["DELETE", "/demo-web-1?v=1", 204, "remove c1 volumes"],
    ["DELETE", "/demo-web-1", 204, "remove c1 alone"],
  ])("%s %s answers %i and does `%s`", async (method, path, status, call) => {
    manager.add(config, { status: "running" });
    expect(await ask(method, path)).toMatchObject({ status });
    expect(manager.calls).toEqual([call]);
  });

  it("answer 304 for a start of a running container, and for a stop of a stopped one", async () => {
    manager.add(config);
    expect((await ask("POST", "/c1x/start")).status).toBe(404);
    expect((await ask("POST", "/demo-web-1/start")).status).toBe(204);
    expect((await ask("POST", "/demo-web-1/start")).status).toBe(304);
    expect((await ask("POST", "/demo-web-1/stop")).status).toBe(204);
    expect((await ask("POST", "/demo-web-1/stop")).status).toBe(304);
  });

  it("answer 404 for a container that does not exist, for every operation", async () => {
    const asked = ["start", "stop", "restart", "kill", "pause", "unpause"].map((verb) => ["POST", verb]);
    for (const [method, verb] of [...asked, ["GET", "json"], ["GET", "top"]])
      expect(await ask(method!, `/nothing/${verb}`)).toMatchObject({
        status: 404,
        body: { code: "CONTAINER_NOT_FOUND" },
      });
    expect((await ask("DELETE", "/nothing")).status).toBe(404);
    expect(manager.calls).toEqual([]);
  });

  it("reject invalid parameters, and do nothing", async () => {
    manager.add(config, { status: "running" });
    for (const path of ["/demo-web-1/stop?t=soon", "/demo-web-1/kill?signal=SIGNOTHING"])
      expect((await ask("POST", path)).status).toBe(400);
    for (const name of ["", "demo-web-1", "a%2Fb"])
      expect((await ask("POST", `/demo-web-1/rename?name=${name}`)).status).toBe(400);
    expect(manager.calls).toEqual([]);
  });

  it("answer with the status, code and hint of an error", async () => {
    manager.add(config, { status: "running" });
    manager.failing.set("remove", new BayError("IS_RUNNING", "it is running", { hint: "stop it first" }));
    expect(await ask("DELETE", "/demo-web-1")).toEqual({
      status: 409,
      body: { message: "it is running", code: "IS_RUNNING", hint: "stop it first" },
    });
    manager.failing.set("pause", new Error("unexpected"));
    expect(await ask("POST", "/demo-web-1/pause")).toMatchObject({ status: 500, body: { code: "INTERNAL" } });
  });
});
