/** The part of a stack that each host gets. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type HostPart, place, splitStack } from "../../../src/placement/index.ts";
import { makePlan } from "../../../src/reconcile/index.ts";
import { applied, NOTHING } from "../../support/actual.ts";
import { containers, hostNamed, stackOf } from "../../support/placement.ts";
import { runs } from "../../support/property-runs.ts";
import { loadText } from "../../support/stack.ts";

const FILE = `
hosts: [a, b, c]
services:
  web:
    image: app
    scale: 3
    networks: [front, local]
    environment: { TOKEN: hidden }
    ports: ["80:80", { target: 81, published: 81, mode: host }]
    configs: [page]
    depends_on: [db]
  db:
    image: tools
    environment: { PASSWORD: hidden }
    labels: { secret: hidden }
    volumes: ["data:/data"]
    secrets: [key]
    networks: [back]
  off: { image: app, ports: ["90:90"], scale: 0 }
networks: { front: { driver: overlay }, back: { driver: overlay }, local: , unused: }
volumes: { data: , other: }
images: { tools: { host: [sh] } }
secrets: { key: { environment: KEY } }
configs: { page: { content: x } }
`;
const stack = loadText(FILE, { environment: { KEY: "value" } }).stack;
const parts: HostPart[] = splitStack(stack, ["c", "a", "b"], containers("web.1 a, web.3 a, web.2 b, db.1 b"));
const part = (host: string) => parts.find((each) => each.host === host)!.stack;
const keys = (section: object) => Object.keys(section).sort();

describe("the part of a host", () => {
  it("exists for each host once, in the order of the names", () => {
    expect(parts.map(({ host }) => host)).toEqual(["a", "b", "c"]);
    expect(splitStack(stack, ["a", "a"], []).map(({ host }) => host)).toEqual(["a"]);
  });

  it("has the numbers of the containers on this host", () => {
    const numbers = (host: string) =>
      Object.values(part(host).services).map(({ name, numbers: own, replicas }) => [name, own, replicas]);
    expect(numbers("a")).toEqual([
      ["web", [1, 3], 2],
      ["db", [], 0],
      ["off", [], 0],
    ]);
    expect(numbers("b")).toEqual([
      ["web", [2], 1],
      ["db", [1], 1],
      ["off", [], 0],
    ]);
  });

  it("is a stack of one host", () => {
    for (const { stack: own } of parts) {
      expect("hosts" in own).toBe(false);
      for (const service of Object.values(own.services)) expect(service.placement).toBeUndefined();
    }
  });

  it("has what its containers use, and the overlay networks of the ports that all hosts have", () => {
    const sections = (host: string) => {
      const { networks, volumes, images, secrets, configs } = part(host);
      return [networks, volumes, images, secrets, configs].map(keys);
    };
    expect(sections("a")).toEqual([["front", "local"], [], [], [], ["page"]]);
    expect(sections("b")).toEqual([["back", "front", "local"], ["data"], ["tools"], ["key"], ["page"]]);
    expect(sections("c")).toEqual([["front"], [], [], [], []]);
  });

  it("has no settings of services that run on other hosts", () => {
    expect(JSON.stringify(part("c"))).not.toContain("hidden");
    expect(JSON.stringify(part("a").services.db)).not.toContain("hidden");
    expect(JSON.stringify(part("b").services.db)).toContain("hidden");
  });

  it("has the ports of its own host in the services, and those of all hosts beside them", () => {
    expect(part("a").services.web!.ports.map(({ hostPort }) => hostPort)).toEqual([81]);
    for (const {
      stack: { ingress = [] },
    } of parts)
      expect(
        ingress.map((port) => `${port.service} ${port.hostPort}:${port.containerPort} ${port.networks}`),
      ).toEqual(["web 80:80 front"]);
  });

  it("has what the build of its image needs", () => {
    const building = loadText(
      `hosts: all
services:
  app: { build: { context: ., additional_contexts: { base: "service:base" } } }
  base: { build: { context: ., secrets: [key] }, environment: { A: hidden } }
  other: { build: . }
images: { tools: { host: [sh] } }
secrets: { key: { environment: KEY } }
`,
      { environment: { KEY: "value" } },
    ).stack;
    const [own] = splitStack(building, ["a"], containers("app.1 a"));
    const { services, images, secrets } = own!.stack;
    expect(services.base).toMatchObject({ numbers: [], environment: {}, build: { secrets: { key: "key" } } });
    expect(services.other!.build).toBeUndefined();
    expect([keys(images), keys(secrets)]).toEqual([["tools"], ["key"]]);
  });

  it("is planned on its host: its containers with their numbers, and nothing else", () => {
    const own = part("a");
    const plan = makePlan(own, NOTHING);
    expect(plan.steps.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      "network.create demo_front",
      "network.create demo_local",
      "container.create demo-web-1",
      "container.create demo-web-3",
    ]);
    expect(makePlan(own, applied(own, NOTHING, plan)).steps).toEqual([]);
  });
});

describe("the parts of all hosts", () => {
  const whole = stackOf(
    `{web: {image: app, scale: 4}, side: {image: app, pid: "service:web"}, agent: {image: app, deploy: {mode: global}}}`,
  );

  it("have each container once, also after hosts and numbers of containers change", () => {
    const names = ["a", "b", "c", "d"];
    const hosts = fc.subarray(names, { minLength: 1 });
    fc.assert(
      fc.property(fc.array(fc.tuple(hosts, fc.integer({ min: 1, max: 6 })), { maxLength: 5 }), (rounds) => {
        let running = containers("");
        const actual = new Map(names.map((name) => [name, NOTHING]));
        for (const [present, scale] of rounds) {
          const all = present.map((name) => hostNamed(name));
          const options = { scale: { web: scale } };
          const placement = place(whole, all, { containers: running, volumes: [] }, options);
          expect(placement.unplaced).toEqual([]);
          const made: string[] = [];
          for (const { host, stack: own } of splitStack(whole, names, placement.assignments)) {
            const plan = makePlan(own, actual.get(host)!);
            const after = applied(own, actual.get(host)!, plan);
            expect(makePlan(own, after).steps).toEqual([]);
            actual.set(host, after);
            made.push(...after.containers.map(({ name }) => `${name} ${host}`));
          }
          const { assignments } = placement;
          expect(made.sort()).toEqual(
            assignments.map(({ service, number, host }) => `demo-${service}-${number} ${host}`).sort(),
          );
          expect(new Set(assignments.map(({ service, number }) => `${service}.${number}`)).size).toBe(
            assignments.length,
          );
          running = assignments.map(({ service, number, host }) => ({ service, number, host }));
        }
      }),
      runs(60),
    );
  });
});
