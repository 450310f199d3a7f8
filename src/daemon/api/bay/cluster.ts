/** bay's routes for stacks of several hosts: plans and changes of all hosts, and what hosts ask each other for them. */
import { z } from "zod";
import { PLAN_DEFAULTS, type PlanOptions } from "../../../reconcile/index.ts";
import { type Call, type Route, route, sendJson, startStream, whenClosed } from "../http.ts";
import type { Services } from "../server.ts";
import { downBody, upBody } from "./bodies.ts";
import { streamed } from "./streamed.ts";

const skip = { skipUnreachable: z.boolean().optional() };
const clusterUp = z.intersection(upBody, z.looseObject(skip));
const clusterDown = z.intersection(downBody, z.looseObject(skip));
const lockBody = z.strictObject({ who: z.string().max(300) });

export function clusterRoutes({ clusterStacks }: Services): Route[] {
  const options = (given: Partial<PlanOptions> | undefined): PlanOptions => ({ ...PLAN_DEFAULTS, ...given });
  return [
    route("GET", "/bay/v1/host/state/:", ({ response, parts }) =>
      sendJson(response, 200, clusterStacks.state(parts[0]!)),
    ),
    route("POST", "/bay/v1/host/lock/:", async (call: Call) => {
      const { who } = await call.ownBody(lockBody);
      const release = clusterStacks.takeLock(call.parts[0]!, who);
      whenClosed(call.response, release);
      startStream(call.response)({ locked: true });
    }),
    route("POST", "/bay/v1/cluster/plan", async (call) => {
      const body = await call.ownBody(upBody);
      sendJson(call.response, 200, await clusterStacks.plan(body.stack, options(body.options)));
    }),
    route("POST", "/bay/v1/cluster/up", async (call) => {
      const body = await call.ownBody(clusterUp);
      const { graceMs, parallel, wait, waitTimeoutMs } = body;
      await streamed(call, (write, client) =>
        clusterStacks.up(
          body.stack,
          options(body.options),
          {
            skipUnreachable: body.skipUnreachable === true,
            body: { graceMs, parallel, wait, waitTimeoutMs },
          },
          write,
          { ...client, what: "up", pid: body.pid },
        ),
      );
    }),
    route("POST", "/bay/v1/cluster/down", async (call) => {
      const { skipUnreachable, ...body } = await call.ownBody(clusterDown);
      await streamed(call, (write, client) =>
        clusterStacks.down(body.name, { skipUnreachable: skipUnreachable === true, body }, write, {
          ...client,
          what: "down",
          pid: body.pid,
        }),
      );
    }),
  ];
}
