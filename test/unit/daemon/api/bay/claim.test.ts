/** Changes of stacks that follow a repository, on one host and on several. */
import { describe, expect, it } from "vitest";
import { BayError } from "../../../../../src/core/errors.ts";
import { claimerOf } from "../../../../../src/daemon/api/bay/claim.ts";
import { clusterRoutes } from "../../../../../src/daemon/api/bay/cluster.ts";
import type { Call } from "../../../../../src/daemon/api/http.ts";
import type { Services } from "../../../../../src/daemon/api/server.ts";
import { NO_OWNERS, type StackOwners } from "../../../../../src/daemon/stacks/stack-owner.ts";

const OWNER = { source: "shop", repository: "/git/shop (branch main)", isRepaired: true };
const PLAN = { stack: "shop", steps: [], warnings: ["a warning"] };

/** A stack service whose stacks follow a repository until their source is suspended. */
function followed() {
  const calls: string[] = [];
  let isSuspended = false;
  const owners = {
    ownerOf: () => (isSuspended ? undefined : OWNER),
    suspend: async (name: string) => {
      calls.push(`suspend ${name}`);
      isSuspended = true;
    },
  };
  return { calls, owners };
}

describe("a change of a followed stack", () => {
  it("is checked before the source is suspended", async () => {
    const { calls, owners } = followed();
    const check = async () => {
      throw new BayError("SEVERAL_PROBLEMS", "two problems");
    };
    const change = async () => PLAN;
    await expect(claimerOf({ owners })("shop", "take-over", {}, { check }, change)).rejects.toThrow(
      "two problems",
    );
    expect(calls).toEqual([]);
  });

  it("that fails says how the source is resumed", async () => {
    const { calls, owners } = followed();
    for (const error of [new BayError("APPLY_FAILED", "no", { hint: "first" }), new Error("no")]) {
      const change = () => Promise.reject(error);
      const failure = claimerOf(followed())("shop", "take-over", {}, {}, change);
      await expect(failure).rejects.toMatchObject({
        message: "no",
        hint: expect.stringContaining("bay gitops resume shop"),
      });
    }
    const plan = await claimerOf({ owners })("shop", "take-over", {}, {}, async () => PLAN);
    expect(plan.warnings).toEqual([expect.stringContaining("bay gitops resume shop"), "a warning"]);
    expect(calls).toEqual(["suspend shop"]);
  });
});

describe("the owners of stacks", () => {
  it("can be set after the routes are made", async () => {
    const stacks = { owners: NO_OWNERS };
    const claimed = claimerOf(stacks);
    stacks.owners = followed().owners as StackOwners;
    await expect(claimed("shop", undefined, {}, {}, async () => PLAN)).rejects.toMatchObject({
      code: "STACK_FOLLOWED",
    });
  });
});

describe("a change of a followed stack on several hosts", () => {
  const stack = { name: "shop", services: {}, hosts: {} };
  const run = async (path: string, body: object, fails = false) => {
    const { calls, owners } = followed();
    const check = async () => {
      calls.push("check");
      if (fails) throw new BayError("HOST_UNREACHABLE", "host b does not answer");
    };
    const change = async (...given: unknown[]) => {
      calls.push(`change ${JSON.stringify(given.find((each) => Object.hasOwn(each as object, "body")))}`);
      return PLAN;
    };
    const clusterStacks = { checkUp: check, checkDown: check, up: change, down: change };
    const services = { clusterStacks, stacks: { owners } } as unknown as Services;
    const lines: Record<string, unknown>[] = [];
    const response = {
      writeHead: () => {},
      flushHeaders: () => {},
      write: (text: string) => lines.push(JSON.parse(text) as Record<string, unknown>),
      end: () => {},
      on: () => {},
      once: () => {},
    };
    const { handle } = clusterRoutes(services).find(({ name }) => name === `POST ${path}`)!;
    await handle({ response, ownBody: async () => body } as unknown as Call);
    return { calls, last: lines.at(-1)! };
  };

  it.each([
    ["/bay/v1/cluster/up", { stack }],
    ["/bay/v1/cluster/down", { name: "shop" }],
  ])("%s needs a claim, and hands it to the hosts", async (path, body) => {
    const refused = await run(path, body);
    expect(refused.calls).toEqual([]);
    expect(refused.last).toMatchObject({ error: { code: "STACK_FOLLOWED" } });
    const once = await run(path, { ...body, claim: "once" });
    expect(once.calls).toEqual([expect.stringContaining('"claim":"once"')]);
    expect(once.last).toMatchObject({
      result: { warnings: [expect.stringContaining("restores the state of the repository"), "a warning"] },
    });
    const taken = await run(path, { ...body, claim: "take-over" });
    expect(taken.calls).toEqual(["check", "suspend shop", expect.stringContaining("change ")]);
    const failed = await run(path, { ...body, claim: "take-over" }, true);
    expect(failed.calls).toEqual(["check"]);
    expect(failed.last).toMatchObject({ error: { code: "HOST_UNREACHABLE" } });
  });
});
