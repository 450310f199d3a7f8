/** What holds for every placement, whatever the services, the hosts and the running containers are. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Placement, type PlacementHost, place, type Running } from "../../../src/placement/index.ts";
import type { PlacementConstraint, Service, StackVolume } from "../../../src/stack/index.ts";
import { hostNamed, placesOf, serviceNamed } from "../../support/placement.ts";
import { runs } from "../../support/property-runs.ts";

const SERVICES = ["db", "web", "side", "agent"];
const HOSTS = ["a", "b", "c", "d", "e"];

const anyHost = (name: string): fc.Arbitrary<PlacementHost> =>
  fc
    .record({
      zone: fc.constantFrom("1", "2"),
      cpus: fc.integer({ min: 0, max: 6 }),
      state: fc.constantFrom(
        "ready" as const,
        "ready" as const,
        "ready" as const,
        "unreachable" as const,
        "drained" as const,
      ),
    })
    .map(({ zone, cpus, state }) =>
      hostNamed(name, { labels: { zone }, capacity: { nanoCpus: cpus * 1e9, memory: 2 ** 32 }, state }),
    );

const constraint = (value: string, operator: "==" | "!="): PlacementConstraint => ({
  attribute: "node.labels",
  label: "zone",
  operator,
  value,
  where: "",
});

const anyService = (name: string): fc.Arbitrary<Service> =>
  fc
    .record({
      replicas: fc.integer({ min: 0, max: 6 }),
      isGlobal: fc.boolean(),
      constraints: fc.subarray([constraint("1", "=="), constraint("2", "!="), constraint("2", "==")], {
        maxLength: 1,
      }),
      hosts: fc.option(fc.subarray(HOSTS, { minLength: 1 }), { nil: undefined }),
      maxPerHost: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
      reservedCpu: fc.option(
        fc.integer({ min: 1, max: 3 }).map((cpus) => cpus * 1e9),
        { nil: undefined },
      ),
      spreads: fc.boolean(),
      volume: fc.boolean(),
      port: fc.boolean(),
    })
    .map(({ replicas, isGlobal, hosts, maxPerHost, spreads, volume, port, ...rest }) =>
      serviceNamed(
        name,
        {
          ...rest,
          ...(hosts ? { hosts } : {}),
          isGlobal,
          maxPerHost: isGlobal ? undefined : maxPerHost,
          spread: spreads ? [{ attribute: "node.labels", label: "zone" }] : [],
        },
        {
          replicas: isGlobal ? 1 : replicas,
          ...(name === "side" ? { pidMode: "service:web" } : {}),
          mounts: volume
            ? [{ type: "volume", source: "data", target: "/data", readOnly: false, noCopy: false }]
            : [],
          ports: port
            ? [{ hostAddress: "", hostPort: 80, containerPort: 80, protocol: "tcp", mode: "host" }]
            : [],
        },
      ),
    );

interface Case {
  services: Service[];
  hosts: PlacementHost[];
  running: Running;
}

const data: StackVolume = { name: "s_data", external: false, labels: {} };

const stackOf = (services: readonly Service[]) => ({
  services: Object.fromEntries(services.map((service) => [service.name, service])),
  volumes: { data },
});

const anyRunning: fc.Arbitrary<Running> = fc.record({
  containers: fc.array(
    fc.record({
      service: fc.constantFrom(...SERVICES),
      number: fc.integer({ min: 1, max: 7 }),
      host: fc.constantFrom(...HOSTS, "gone"),
    }),
    { maxLength: 12 },
  ),
  volumes: fc
    .subarray(HOSTS, { maxLength: 2 })
    .map((hosts) => hosts.map((host) => ({ name: "s_data", host }))),
});

const anyCase: fc.Arbitrary<Case> = fc.record({
  services: fc.tuple(...SERVICES.map(anyService)),
  hosts: fc.tuple(...HOSTS.map(anyHost)).chain((all) => fc.subarray(all, { minLength: 1 })),
  running: anyRunning,
});

const solve = ({ services, hosts, running }: Case) => place(stackOf(services), hosts, running);

/** The case without the services that cannot be placed. */
function feasible(each: Case): Case {
  const failed = new Set(solve(each).unplaced.map(({ service }) => service));
  if (failed.size === 0) return each;
  return feasible({ ...each, services: each.services.filter(({ name }) => !failed.has(name)) });
}

/** What runs once a placement is applied. */
const applied = ({ assignments }: Placement, { volumes }: Running): Running => ({
  containers: assignments.map(({ service, number, host }) => ({ service, number, host })),
  volumes,
});

const hostOf = ({ hosts }: Case, name: string) => hosts.find((host) => host.name === name);

describe("every placement", () => {
  it("does not depend on the order of services, hosts and containers", () => {
    const shuffled = anyCase.chain((each) =>
      fc.record({
        each: fc.constant(each),
        other: fc.record({
          services: fc.shuffledSubarray(each.services, { minLength: each.services.length }),
          hosts: fc.shuffledSubarray(each.hosts, { minLength: each.hosts.length }),
          running: fc.record({
            containers: fc.shuffledSubarray([...each.running.containers], {
              minLength: each.running.containers.length,
            }),
            volumes: fc.shuffledSubarray([...each.running.volumes], {
              minLength: each.running.volumes.length,
            }),
          }),
        }),
      }),
    );
    fc.assert(
      fc.property(shuffled, ({ each, other }) => {
        expect(solve(other)).toEqual(solve(each));
      }),
      runs(300),
    );
  });

  it("is stable: placed again with its result running, nothing moves", () => {
    fc.assert(
      fc.property(anyCase.map(feasible), (each) => {
        const first = solve(each);
        const again = solve({ ...each, running: applied(first, each.running) });
        expect(placesOf(again)).toBe(placesOf(first));
        expect([again.removals, again.unplaced]).toEqual([[], []]);
        expect(again.assignments.filter(({ moved }) => moved)).toEqual([]);
      }),
      runs(500),
    );
  });

  it("assigns or fails each container, and gives no number twice", () => {
    fc.assert(
      fc.property(anyCase, (each) => {
        const { assignments, unplaced, removals } = solve(each);
        for (const { name, replicas, placement } of each.services) {
          const own = assignments.filter(({ service }) => service === name);
          expect(new Set(own.map(({ number }) => number)).size).toBe(own.length);
          const failed = unplaced.find(({ service }) => service === name);
          if (!placement!.isGlobal) expect(own.length + (failed?.numbers.length ?? 0)).toBe(replicas);
          else expect(new Set(own.map(({ host }) => host)).size).toBe(own.length);
        }
        for (const { hosts } of unplaced) for (const { why } of hosts) expect(why.join("")).not.toBe("");
        // a running container is assigned, removed, or of a service that cannot be placed
        for (const { service, number, host } of each.running.containers) {
          const isKnown =
            assignments.some((one) => one.service === service && one.number === number) ||
            removals.some((one) => one.service === service && one.number === number && one.host === host) ||
            unplaced.some((one) => one.service === service && one.numbers.includes(number));
          expect(isKnown).toBe(true);
        }
      }),
      runs(300),
    );
  });

  it("meets all conditions on hosts that can be reached", () => {
    fc.assert(
      fc.property(anyCase, (each) => {
        const { assignments } = solve(each);
        const services = stackOf(each.services).services;
        for (const assignment of assignments) {
          const host = hostOf(each, assignment.host)!;
          if (host.state === "unreachable") {
            expect(assignment.reason.kind).toBe("unreachable");
            expect(each.running.containers).toContainEqual({
              service: assignment.service,
              number: assignment.number,
              host: host.name,
            });
            continue;
          }
          expect(host.state).toBe("ready");
          const { hosts, constraints, maxPerHost } = services[assignment.service]!.placement!;
          if (hosts) expect(hosts).toContain(host.name);
          for (const { operator, value } of constraints)
            expect(host.labels.zone === value).toBe(operator === "==");
          const onHost = assignments.filter((other) => other.host === host.name);
          const same = onHost.filter(({ service }) => service === assignment.service);
          if (maxPerHost !== undefined) expect(same.length).toBeLessThanOrEqual(maxPerHost);
          if (assignment.service === "side") expect(onHost.map(({ service }) => service)).toContain("web");
          const cpus = onHost.map(({ service }) => services[service]!.placement!.reservedCpu ?? 0);
          const reserved = cpus.reduce((sum, one) => sum + one, 0);
          if (services[assignment.service]!.placement!.reservedCpu !== undefined)
            expect(reserved).toBeLessThanOrEqual(host.capacity.nanoCpus);
          if (services[assignment.service]!.ports.length > 0)
            expect(onHost.filter(({ service }) => services[service]!.ports.length > 0)).toHaveLength(1);
        }
      }),
      runs(500),
    );
  });

  it("keeps a local volume of replicated services together with its users", () => {
    fc.assert(
      fc.property(anyCase, (each) => {
        const { assignments } = solve(each);
        const services = stackOf(each.services).services;
        const known = new Set(each.running.volumes.map(({ host }) => host));
        const users = assignments.filter(({ service }) => {
          const { mounts, placement } = services[service]!;
          return mounts.length > 0 && !placement!.isGlobal;
        });
        const isRunning = ({ service, host }: { service: string; host: string }) =>
          each.running.containers.some((one) => one.service === service && one.host === host);
        const placed = new Set(users.filter((user) => !isRunning(user)).map(({ host }) => host));
        if (known.size > 0) for (const host of placed) expect(known).toContain(host);
        else if (placed.size > 1)
          for (const host of placed) expect(each.running.containers.map((one) => one.host)).toContain(host);
      }),
      runs(300),
    );
  });

  it("moves nothing to a new empty host", () => {
    fc.assert(
      fc.property(anyCase.map(feasible), (each) => {
        const first = solve(each);
        const global = each.services.filter(({ placement }) => placement!.isGlobal).map(({ name }) => name);
        const hosts = [...each.hosts, hostNamed("new", { labels: { zone: "1" } })];
        const again = solve({ ...each, hosts, running: applied(first, each.running) });
        const replicated = ({ service }: { service: string }) => !global.includes(service);
        expect(placesOf({ assignments: again.assignments.filter(replicated) })).toBe(
          placesOf({ assignments: first.assignments.filter(replicated) }),
        );
      }),
      runs(300),
    );
  });

  it("has a difference of at most one between hosts if nothing else binds", () => {
    fc.assert(
      fc.property(
        fc.record({
          counts: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 4 }),
          hosts: fc.integer({ min: 1, max: 7 }),
        }),
        ({ counts, hosts }) => {
          const services = counts.map((replicas, index) => serviceNamed(`s${index}`, {}, { replicas }));
          const names = Array.from({ length: hosts }, (_, index) => `h${index}`);
          const { assignments } = place(
            stackOf(services),
            names.map((name) => hostNamed(name)),
            { containers: [], volumes: [] },
          );
          const spread = (own: typeof assignments) => {
            const each = names.map((name) => own.filter(({ host }) => host === name).length);
            return Math.max(...each) - Math.min(...each);
          };
          for (const { name } of services)
            expect(spread(assignments.filter(({ service }) => service === name))).toBeLessThanOrEqual(1);
          expect(spread(assignments)).toBeLessThanOrEqual(1);
        },
      ),
      runs(200),
    );
  });

  it("has a difference of at most one between the values of a preference", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 12 }),
        fc.array(fc.constantFrom("1", "2", "3"), { minLength: 1, maxLength: 7 }),
        (replicas, zones) => {
          const service = serviceNamed(
            "web",
            { spread: [{ attribute: "node.labels", label: "zone" }] },
            { replicas },
          );
          const hosts = zones.map((zone, index) => hostNamed(`h${index}`, { labels: { zone } }));
          const { assignments } = place(stackOf([service]), hosts, { containers: [], volumes: [] });
          const zoneOf = (name: string) => hosts.find((host) => host.name === name)!.labels.zone!;
          const each = [...new Set(zones)].map(
            (zone) => assignments.filter(({ host }) => zoneOf(host) === zone).length,
          );
          expect(Math.max(...each) - Math.min(...each)).toBeLessThanOrEqual(1);
        },
      ),
      runs(200),
    );
  });
});
