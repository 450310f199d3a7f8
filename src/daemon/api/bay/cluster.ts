/** bay's routes for stacks of several hosts: plans and changes of all hosts, and what hosts ask each other for them. */
import { z } from "zod";
import { PLAN_DEFAULTS, type PlanOptions } from "../../../reconcile/index.ts";
import { type Call, type Route, route, sendJson, startStream, whenClosed } from "../http.ts";
import type { Services } from "../server.ts";
import { downBody, upBody } from "./bodies.ts";
import { claimerOf } from "./claim.ts";
import { streamed } from "./streamed.ts";

const skip = { skipUnreachable: z.boolean().optional() };
const clusterUp = z.intersection(upBody, z.looseObject(skip));
const clusterDown = z.intersection(downBody, z.looseObject(skip));
const lockBody = z.strictObject({ who: z.string().max(300) });

export function clusterRoutes({ clusterStacks, stacks }: Services): Route[] {
  const options = (given: Partial<PlanOptions> | undefined): PlanOptions => ({ ...PLAN_DEFAULTS, ...given });
  const claimed = claimerOf(stacks);
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
      const { stack, claim, graceMs, parallel, wait, waitTimeoutMs } = body;
      const given = options(body.options);
      const asked = { skipUnreachable: body.skipUnreachable === true };
      const checks = {
        isUnchanged: async () => given.baseOnly,
        check: () => clusterStacks.checkUp(stack, given, asked),
      };
      // the other hosts ask for the claim, too, because the stack can follow a repository there
      const more = { ...asked, body: { graceMs, parallel, wait, waitTimeoutMs, claim } };
      await streamed(call, (write, client) =>
        claimed(stack.name, claim, client, checks, () =>
          clusterStacks.up(stack, given, more, write, { ...client, what: "up", pid: body.pid }),
        ),
      );
    }),
    route("POST", "/bay/v1/cluster/down", async (call) => {
      const { skipUnreachable, ...body } = await call.ownBody(clusterDown);
      const asked = { skipUnreachable: skipUnreachable === true };
      const check = () => clusterStacks.checkDown(body.name, asked);
      await streamed(call, (write, client) =>
        claimed(body.name, body.claim, client, { check }, () =>
          clusterStacks.down(body.name, { ...asked, body }, write, {
            ...client,
            what: "down",
            pid: body.pid,
          }),
        ),
      );
    }),
  ];
}
