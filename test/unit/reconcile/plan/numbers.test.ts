/** A service whose containers on this host have explicit numbers, because others are on other hosts. */
import { describe, expect, it } from "vitest";
import { sortByNumber } from "../../../../src/reconcile/decide/numbers.ts";
import { makePlan, PLAN_DEFAULTS, type Plan } from "../../../../src/reconcile/index.ts";
import type { Service, Stack } from "../../../../src/stack/index.ts";
import { applied, converged, NOTHING } from "../../../support/actual.ts";
import { loadText } from "../../../support/stack.ts";

const FILE = `
services:
  web: { image: app, scale: 4, networks: [net] }
  side: { image: app, scale: 2, pid: "service:web", volumes_from: [web], depends_on: [web] }
  db: { image: app, volumes: ["data:/data"], networks: [net] }
networks: { net: }
volumes: { data: }
`;

function stackWith(numbers: Record<string, number[]>): Stack {
  const { stack } = loadText(FILE);
  const services = Object.entries(stack.services).map(([name, service]): [string, Service] => {
    const own = numbers[name];
    return [name, own ? { ...service, numbers: own, replicas: own.length } : service];
  });
  return { ...stack, services: Object.fromEntries(services) };
}

const stepsOf = ({ steps }: Plan) => steps.map(({ kind, name }) => `${kind} ${name}`);
const containerSteps = (plan: Plan) => stepsOf(plan).filter((step) => step.startsWith("container"));

describe("numbers of containers", () => {
  const own = (...numbers: number[]) =>
    numbers.map((number) => ({ ...converged(stackWith({})).containers[0]!, number }));
  const sorted = (service: Pick<Service, "numbers" | "replicas">, ...numbers: number[]) => {
    const { kept, missing, surplus } = sortByNumber(service, own(...numbers));
    return [kept.map(({ number }) => number), missing, surplus.map(({ number }) => number)];
  };

  it.each([
    [{ replicas: 3 }, [], [[], [1, 2, 3], []]],
    [{ replicas: 3 }, [2, 5], [[2, 5], [1], []]],
    [{ replicas: 1 }, [2, 5], [[2], [], [5]]],
    [{ replicas: 0 }, [1], [[], [], [1]]],
    [{ replicas: 2, numbers: [2, 4] }, [], [[], [2, 4], []]],
    [{ replicas: 2, numbers: [2, 4] }, [1, 4], [[4], [2], [1]]],
    [{ replicas: 2, numbers: [2, 4] }, [2, 4], [[2, 4], [], []]],
    [{ replicas: 0, numbers: [] }, [2, 4], [[], [], [2, 4]]],
  ])("%j with %j", (service, existing, expected) => {
    expect(sorted(service, ...existing)).toEqual(expected);
  });
});

describe("a plan with explicit numbers", () => {
  it("creates exactly these containers", () => {
    const stack = stackWith({ web: [2, 4], side: [2], db: [] });
    const plan = makePlan(stack, NOTHING, PLAN_DEFAULTS);
    expect(containerSteps(plan)).toEqual([
      "container.create demo-web-2",
      "container.create demo-web-4",
      "container.create demo-side-2",
    ]);
    expect(makePlan(stack, applied(stack, NOTHING, plan)).steps).toEqual([]);
  });

  it("shares the namespaces and volumes of the first container on this host", () => {
    const { steps } = makePlan(stackWith({ web: [2, 4], side: [2], db: [] }), NOTHING);
    const { config } = steps.find(({ name }) => name === "demo-side-2")!.container!;
    expect(config!.pidMode).toBe("container:demo-web-2");
    expect(config!.volumesFrom).toEqual([{ container: "demo-web-2", readOnly: false }]);
  });

  it("removes the others, and does not depend on --remove-orphans", () => {
    const actual = converged(stackWith({ web: [1, 2, 3, 4] }));
    const plan = makePlan(stackWith({ web: [2], side: [2], db: [] }), actual);
    expect(containerSteps(plan).filter((step) => step.includes("remove"))).toEqual([
      "container.remove demo-web-1",
      "container.remove demo-web-3",
      "container.remove demo-web-4",
      "container.remove demo-side-1",
      "container.remove demo-db-1",
    ]);
    expect(plan.steps.find(({ name }) => name === "demo-db-1")!.reasons).toMatchObject([
      { text: "it is not placed on this host" },
    ]);
    expect(plan.warnings).toEqual([]);
  });

  it("creates neither volumes nor networks of services that are not on this host", () => {
    const stack = stackWith({ web: [], side: [], db: [] });
    expect(makePlan(stack, NOTHING).steps).toEqual([]);
    expect(stepsOf(makePlan(stackWith({ web: [3], side: [], db: [] }), NOTHING))).toEqual([
      "network.create demo_net",
      "container.create demo-web-3",
    ]);
  });

  it("does not wait for a service of another host", () => {
    const depending = { ...loadText("services: {a: {image: app, depends_on: [b]}, b: {image: app}}").stack };
    depending.services.b = { ...depending.services.b!, numbers: [], replicas: 0 };
    const { steps } = makePlan(depending, NOTHING);
    expect(steps.at(-1)).toMatchObject({ name: "demo-a-1", waits: [] });
  });

  it("takes the numbers rather than --scale", () => {
    const plan = makePlan(stackWith({ web: [3], side: [], db: [] }), NOTHING, {
      ...PLAN_DEFAULTS,
      scale: { web: 5 },
    });
    expect(containerSteps(plan)).toEqual(["container.create demo-web-3"]);
  });

  it("changes a network although a container that is removed is on it", () => {
    const before = stackWith({ web: [], side: [], db: [1] });
    const after = stackWith({ web: [2], side: [], db: [] });
    after.networks.net = { ...after.networks.net!, internal: true };
    expect(stepsOf(makePlan(after, converged(before)))).toEqual([
      "network.replace demo_net",
      "container.create demo-web-2",
      "container.remove demo-db-1",
    ]);
  });
});
