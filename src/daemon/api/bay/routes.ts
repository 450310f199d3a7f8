/** bay's own routes, for what Docker's API does not have: stacks and plans. Long ones respond with lines of JSON. */
import { randomBytes } from "node:crypto";
import type { EventEmitter } from "node:events";
import type { ContainerManager } from "../../../container/index.ts";
import { messageOf } from "../../../core/errors.ts";
import { PLAN_DEFAULTS, type PlanOptions } from "../../../reconcile/index.ts";
import { roomWarnings } from "../../../store/index.ts";
import { eventLoopDelay } from "../../process/event-loop-delay.ts";
import { waitForStack } from "../../stacks/wait-for-stack.ts";
import { parameters } from "../engine/parameters.ts";
import { openRequests } from "../guard.ts";
import { type Route, route, sendJson } from "../http.ts";
import type { Services } from "../server.ts";
import { downBody, rollbackBody, runBody, upBody } from "./bodies.ts";
import { claimerOf } from "./claim.ts";
import { streamed } from "./streamed.ts";

export function bayRoutes({ manager, stacks, reload, shutDown }: Services): Route[] {
  const options = (given: Partial<PlanOptions> | undefined): PlanOptions => ({ ...PLAN_DEFAULTS, ...given });
  const claimed = claimerOf(stacks);
  return [
    route("POST", "/bay/v1/plan", async (call) => {
      const body = await call.ownBody(upBody);
      sendJson(call.response, 200, await stacks.plan(body.stack, options(body.options)));
    }),
    route("POST", "/bay/v1/up", async (call) => {
      const body = await call.ownBody(upBody);
      const given = options(body.options);
      await streamed(call, (write, client) => {
        const checks = {
          // images, networks and volumes alone change no service
          isUnchanged: async () => given.baseOnly || stacks.isUp(body.stack, given),
          check: () => stacks.checkUp(body.stack, given),
        };
        return claimed(body.stack.name, body.claim, client, checks, async () => {
          const settings = { graceMs: body.graceMs, timeoutMs: undefined, parallel: body.parallel };
          const asker = { ...client, what: "up", pid: body.pid };
          const plan = await stacks.up(body.stack, given, settings, write, asker);
          if (body.wait) await waitForStack(manager, body.stack, given.services, body.waitTimeoutMs);
          return { ...plan, warnings: [...plan.warnings, ...roomWarnings(manager.roots)] };
        });
      });
    }),
    route("POST", "/bay/v1/down", async (call) => {
      const body = await call.ownBody(downBody);
      const given = {
        volumes: body.volumes,
        removeOrphans: body.removeOrphans,
        services: body.services,
        only: body.only,
        parallel: body.parallel,
        externalVolumes: body.externalVolumes,
        namedVolumes: body.namedVolumes,
      };
      const check = async () => stacks.downPlan(body.name, given);
      await streamed(call, (write, client) =>
        claimed(body.name, body.claim, client, { check }, () =>
          stacks.down(body.name, given, body.graceMs, write, { ...client, what: "down", pid: body.pid }),
        ),
      );
    }),
    route("POST", "/bay/v1/down/plan", async (call) => {
      const body = await call.ownBody(downBody);
      sendJson(call.response, 200, stacks.downPlan(body.name, { ...body, services: body.services }));
    }),
    route("POST", "/bay/v1/run", async (call) => {
      const body = await call.ownBody(runBody);
      if (body.ifReady) {
        const base = { ...PLAN_DEFAULTS, services: [body.service], noDeps: true, baseOnly: true };
        const isReady = roomWarnings(manager.roots).length === 0 && (await stacks.isUp(body.stack, base));
        if (!isReady) return sendJson(call.response, 200, { needsUp: true });
      }
      const { id, config } = await stacks.run(body.stack, {
        service: body.service,
        name: body.name,
        command: body.command,
        entrypoint: body.entrypoint,
        override: body.override,
        servicePorts: body.servicePorts,
        useAliases: body.useAliases ?? false,
        labels: body.labels ?? {},
        autoRemove: body.autoRemove ?? false,
        start: body.start ?? false,
        suffix: randomBytes(6).toString("hex"),
      });
      sendJson(call.response, 201, { Id: id, Name: config.name });
    }),
    route("GET", "/bay/v1/stacks", ({ response }) => sendJson(response, 200, stacks.list())),
    route("GET", "/bay/v1/stacks/*/activity", ({ response, parts }) =>
      sendJson(response, 200, stacks.activity(parts[0]!)),
    ),
    route("GET", "/bay/v1/stacks/*/owner", ({ response, parts }) =>
      sendJson(response, 200, { owner: stacks.owners.ownerOf(parts[0]!) ?? null }),
    ),
    route("GET", "/bay/v1/stacks/*/history", ({ response, parts }) =>
      sendJson(response, 200, stacks.history.list(parts[0]!)),
    ),
    route("POST", "/bay/v1/stacks/*/rollback/plan", async (call) => {
      const { revision } = await call.ownBody(rollbackBody);
      sendJson(call.response, 200, await stacks.checkedRollbackPlan(call.parts[0]!, revision));
    }),
    route("POST", "/bay/v1/stacks/*/rollback", async (call) => {
      const { revision, graceMs, pid, claim } = await call.ownBody(rollbackBody);
      const name = call.parts[0]!;
      const check = async () => stacks.rollbackPlan(name, revision);
      await streamed(call, (write, client) =>
        claimed(name, claim, client, { check }, () =>
          stacks.rollback(name, revision, graceMs, write, { ...client, what: "rollback", pid }),
        ),
      );
    }),
    route("GET", "/bay/v1/daemon", ({ response, query }) =>
      sendJson(response, 200, {
        pid: process.pid,
        memory: process.memoryUsage.rss(),
        requests: openRequests(),
        listeners: listenersOf(manager) + listenersOf(manager.events) + listenersOf(manager.logs),
        ...(parameters("GET /bay/v1/daemon", query).eventloop === "1" ? { eventLoop: eventLoopDelay() } : {}),
      }),
    ),
    route("POST", "/bay/v1/daemon/stop", async ({ response, query }) => {
      if (parameters("POST /bay/v1/daemon/stop", query).containers) await endContainers(manager);
      response.writeHead(204).end();
      response.on("finish", shutDown);
    }),
    route("POST", "/bay/v1/daemon/reload", async ({ response }) => sendJson(response, 200, await reload())),
  ];
}

/** Stops all containers before bayd ends. Containers that cannot be stopped are logged, and do not affect the others. */
async function endContainers(manager: ContainerManager): Promise<void> {
  await manager.shutDown(undefined, (error) => manager.emit("warning", messageOf(error)));
}

/** The number of listeners of an emitter, including followers of logs and events. */
const listenersOf = (emitter: EventEmitter): number =>
  emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);
