/** The order in which hosts apply their plans. */
import { describe, expect, it } from "vitest";
import { orderOf } from "../../../src/daemon/cluster/host-order.ts";
import type { Plan } from "../../../src/reconcile/index.ts";
import type { Stack } from "../../../src/stack/index.ts";

type Steps = Pick<Plan, "steps">["steps"];
const replace = (service: string, failureAction = "pause", waits: string[] = []) =>
  ({
    kind: "container.replace",
    service,
    rollout: { failureAction },
    waits: waits.map((name) => ({ service: name })),
  }) as unknown as Steps[number];
const create = (service: string) =>
  ({ kind: "container.create", service, waits: [] }) as unknown as Steps[number];
const plan = (host: string, ...steps: Steps) => ({ host, plan: { steps } });
const services = (update: object = {}) =>
  ({
    services: { web: { update: { parallelism: 1, delayMs: 500, ...update } }, db: {} },
  }) as unknown as Stack;

describe("the order of hosts", () => {
  it("hosts that replace containers of the same service follow one after another, the others are first", () => {
    const plans = [plan("a", replace("web", "rollback")), plan("b", create("db")), plan("c", replace("web"))];
    expect(orderOf(plans, services())).toEqual({
      atOnce: ["b"],
      inTurn: [
        { host: "a", delayMs: 0, failureAction: "rollback" },
        { host: "c", delayMs: 500, failureAction: "pause" },
      ],
    });
  });

  it("hosts with replacements of different services, or with parallelism 0, are at once", () => {
    const different = [plan("a", replace("web")), plan("b", replace("db"))];
    expect(orderOf(different, services()).inTurn).toEqual([]);
    const all = [plan("a", replace("web")), plan("b", replace("web"))];
    expect(orderOf(all, services({ parallelism: 0 }))).toEqual({ atOnce: ["a", "b"], inTurn: [] });
  });

  it("hosts are at once if one waits for a new container of another", () => {
    const plans = [plan("a", replace("web", "pause", ["db"])), plan("b", replace("web"), create("db"))];
    expect(orderOf(plans, services())).toEqual({ atOnce: ["a", "b"], inTurn: [] });
  });
});
