/**
 * Placement: which host runs which container. A pure function of the stack, the hosts and what runs where. Nothing moves
 * without a reason: containers that may stay do so, and only the others and new ones get a host.
 */
import { BayError } from "../core/errors.ts";
import { HOST_LIMITS } from "../stack/index.ts";
import { chooseHost } from "./choose.ts";
import { companionsOf, type Demand, demandsOf, type PlacedStack } from "./demands.ts";
import { Ledger } from "./ledger.ts";
import type {
  Assignment,
  PlacedContainer,
  Placement,
  PlacementHost,
  PlacementOptions,
  Removal,
  Running,
  Unplaced,
} from "./model.ts";
import { placingOrder } from "./order.ts";
import {
  partnerProblems,
  roomProblems,
  stateProblems,
  staticProblems,
  suits,
  unknownHosts,
  volumeProblems,
} from "./rules.ts";
import { scaledTo, withoutRepeats } from "./surplus.ts";

/**
 * Decides where the containers of a stack run. The order of services, hosts and containers in the input has no effect, and
 * neither have containers of services that the stack does not have. Throws TOO_MANY_CONTAINERS.
 */
export function place(
  stack: PlacedStack,
  hosts: readonly PlacementHost[],
  running: Running,
  { scale = {} }: PlacementOptions = {},
): Placement {
  return new Placing(stack, hosts, running, scale).place();
}

/** Throws TOO_MANY_CONTAINERS; containers with mode global are as many as the hosts, and count as one here. */
function checkCount(demands: ReadonlyMap<string, Demand>): void {
  const total = [...demands.values()].reduce((sum, { count = 1 }) => sum + count, 0);
  if (total <= HOST_LIMITS.containers) return;
  throw new BayError(
    "TOO_MANY_CONTAINERS",
    `the stack has ${total} containers; at most ${HOST_LIMITS.containers} are allowed on several hosts`,
    { hint: "reduce the replicas of its services, or split the stack" },
  );
}

type Move = NonNullable<Assignment["moved"]>;

/** A container that needs a host; `moved` if it runs on one where it may not stay. */
interface Homeless {
  number: number;
  moved?: Move;
}

class Placing {
  readonly #hosts: PlacementHost[];
  readonly #byName: ReadonlyMap<string, PlacementHost>;
  readonly #demands: ReadonlyMap<string, Demand>;
  readonly #companions: ReadonlyMap<string, Demand[]>;
  readonly #static = new Map<string, ReadonlyMap<string, string[]>>();
  readonly #ledger = new Ledger();
  /** By service. */
  readonly #assignments = new Map<string, Assignment[]>();
  readonly #removals: Removal[] = [];
  readonly #unplaced: Unplaced[] = [];

  constructor(
    stack: PlacedStack,
    hosts: readonly PlacementHost[],
    readonly running: Running,
    scale: Readonly<Record<string, number>>,
  ) {
    this.#hosts = [...hosts].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#byName = new Map(this.#hosts.map((host) => [host.name, host]));
    this.#demands = demandsOf(stack, scale);
    checkCount(this.#demands);
    this.#companions = companionsOf(this.#demands);
    for (const { name, host } of running.volumes) this.#ledger.noteVolume(name, host);
  }

  place(): Placement {
    for (const { service } of this.#demands.values())
      this.#static.set(
        service.name,
        new Map(this.#hosts.map((host) => [host.name, staticProblems(service, host)])),
      );
    const order = placingOrder(this.#demands, ({ service }) => this.#eligible(service.name).length);
    const staying = new Map(order.map((demand) => [demand, this.#keep(demand)]));
    for (const [demand, { kept, homeless }] of staying) {
      const leaving = this.#leavePartners(demand, kept);
      if (demand.count === undefined) this.#placeOnEach(demand);
      else this.#placeCount(demand, [...homeless, ...leaving]);
    }
    const byName = (a: { service: string; number?: number }, b: { service: string; number?: number }) =>
      a.service === b.service ? (a.number ?? 0) - (b.number ?? 0) : a.service < b.service ? -1 : 1;
    return {
      assignments: [...this.#assignments.values()].flat().sort(byName),
      removals: this.#removals.sort((a, b) => byName(a, b) || (a.host < b.host ? -1 : 1)),
      unplaced: this.#unplaced.sort(byName),
    };
  }

  /** What the service and the state of the host say, whatever else is placed. */
  #ownProblems(service: string, host: PlacementHost): string[] {
    return [...stateProblems(host), ...(this.#static.get(service)?.get(host.name) ?? [])];
  }

  #eligible(service: string): PlacementHost[] {
    return this.#hosts.filter((host) => this.#ownProblems(service, host).length === 0);
  }

  #assigned(service: string): Assignment[] {
    const known = this.#assignments.get(service);
    if (known) return known;
    const own: Assignment[] = [];
    this.#assignments.set(service, own);
    return own;
  }

  #problems(demand: Demand, host: PlacementHost): string[] {
    return [
      ...this.#ownProblems(demand.service.name, host),
      ...partnerProblems(demand, host.name, this.#ledger),
      ...volumeProblems(demand, host.name, this.#ledger),
      ...roomProblems(demand.service, host, this.#ledger),
    ];
  }

  /** Why a running container cannot stay, apart from what the others on its host take. Unreachable hosts keep theirs. */
  #whyLeave(service: string, name: string): string[] {
    const host = this.#byName.get(name);
    if (!host) return ["is not a host of the stack"];
    return host.state === "unreachable" ? [] : this.#ownProblems(service, host);
  }

  /** Takes over the running containers that may stay; the others need a host, or are removed. */
  #keep(demand: Demand): { kept: Assignment[]; homeless: Homeless[] } {
    const { service, count } = demand;
    const own = this.running.containers.filter((container) => container.service === service.name);
    own.sort((a, b) => a.number - b.number || (a.host < b.host ? -1 : 1));
    const mayStay = ({ host }: PlacedContainer) => this.#whyLeave(service.name, host).length === 0;
    const single = withoutRepeats(own, mayStay);
    const scaled = count === undefined ? this.#oneOnEach(single.kept) : scaledTo(count, single.kept, mayStay);
    for (const { container, why } of [...single.surplus, ...scaled.surplus])
      this.#removals.push({ ...container, why });
    const kept: Assignment[] = [];
    const homeless: Homeless[] = [];
    for (const container of scaled.kept) {
      const why = this.#whyLeave(service.name, container.host);
      const host = this.#byName.get(container.host);
      const isOut = host?.state === "unreachable";
      if (host && !isOut && why.length === 0) why.push(...roomProblems(service, host, this.#ledger));
      if (why.length === 0) kept.push(this.#assign(demand, container, isOut ? "unreachable" : "stays"));
      else if (count === undefined)
        this.#removals.push({ ...container, why: `host ${container.host} ${why.join(", ")}` });
      else homeless.push({ number: container.number, moved: { from: container.host, why: why.join(", ") } });
    }
    return { kept, homeless };
  }

  /** A service with one container on each host keeps the lowest number of each. */
  #oneOnEach(running: readonly PlacedContainer[]): ReturnType<typeof scaledTo> {
    const first = new Map<string, PlacedContainer>();
    for (const container of running) if (!first.has(container.host)) first.set(container.host, container);
    return {
      kept: [...first.values()],
      surplus: running
        .filter((container) => first.get(container.host) !== container)
        .map((container) => ({ container, why: "mode global runs one container per host" })),
    };
  }

  #count({ service, count, volumes }: Demand, host: string, times: 1 | -1): void {
    this.#ledger.add(service, host, times);
    // with one container on each host, each host has a volume of its own
    if (count !== undefined) for (const { name } of volumes) this.#ledger.claimVolume(name, host, times);
  }

  #assign(
    demand: Demand,
    { number, host }: Pick<PlacedContainer, "number" | "host">,
    reason: Assignment["reason"] | "stays" | "unreachable",
    moved?: Move,
  ): Assignment {
    const { service } = demand;
    const assignment: Assignment = {
      service: service.name,
      number,
      host,
      reason: typeof reason === "string" ? { kind: reason } : reason,
      ...(moved ? { moved } : {}),
    };
    this.#count(demand, host, 1);
    this.#assigned(service.name).push(assignment);
    return assignment;
  }

  /** Containers whose partner is no longer on their host go after it. */
  #leavePartners(demand: Demand, kept: readonly Assignment[]): Homeless[] {
    const { service, count } = demand;
    return kept.flatMap((assignment) => {
      if (assignment.reason.kind === "unreachable") return [];
      const why = partnerProblems(demand, assignment.host, this.#ledger);
      if (why.length === 0) return [];
      this.#count(demand, assignment.host, -1);
      const own = this.#assigned(service.name);
      own.splice(own.indexOf(assignment), 1);
      const { number, host } = assignment;
      if (count !== undefined) return [{ number, moved: { from: host, why: why.join(", ") } }];
      this.#removals.push({ service: service.name, number, host, why: `host ${host} ${why.join(", ")}` });
      return [];
    });
  }

  /** Numbers that no container of the service has, from 1. */
  *#freeNumbers(service: string, also: readonly Homeless[]): Generator<number, never> {
    const taken = new Set([...this.#assigned(service), ...also].map(({ number }) => number));
    for (let number = 1; ; number++) if (!taken.has(number)) yield number;
  }

  #placeCount(demand: Demand, homeless: Homeless[]): void {
    const { service, count = 0 } = demand;
    const free = this.#freeNumbers(service.name, homeless);
    const placed = this.#assigned(service.name).length;
    const all = [...homeless];
    while (placed + all.length < count) all.push({ number: free.next().value });
    all.sort((a, b) => a.number - b.number);
    let possible = this.#possible(demand, this.#eligible(service.name));
    for (const [index, { number, moved }] of all.entries()) {
      if (possible.length === 0) {
        this.#fail(
          demand,
          all.slice(index).map((each) => each.number),
          this.#hosts,
        );
        return;
      }
      const { host, reason } = chooseHost(demand, this.#suited(demand, possible), this.#hosts, this.#ledger);
      this.#assign(demand, { number, host: host.name }, reason, moved);
      possible = this.#stillPossible(demand, possible, host);
    }
  }

  #possible(demand: Demand, hosts: readonly PlacementHost[]): PlacementHost[] {
    return hosts.filter((host) => this.#problems(demand, host).length === 0);
  }

  /** After a container was placed: its host may be full, and its volumes bind the next ones to their hosts. */
  #stillPossible(demand: Demand, possible: PlacementHost[], used: PlacementHost): PlacementHost[] {
    if (demand.volumes.length > 0) return this.#possible(demand, possible);
    return this.#problems(demand, used).length === 0 ? possible : possible.filter((host) => host !== used);
  }

  /** Hosts for the first container on which the services that must be with it can run as well, if there are any. */
  #suited(demand: Demand, possible: readonly PlacementHost[]): readonly PlacementHost[] {
    const companions = this.#companions.get(demand.service.name) ?? [];
    const isFirst = this.#assigned(demand.service.name).length === 0;
    if (!isFirst || companions.length + demand.volumes.length === 0) return possible;
    const suited = possible.filter((host) => suits(demand, companions, host, this.#ledger));
    return suited.length > 0 ? suited : possible;
  }

  /** mode global: every host that the service's own words allow, if it is ready and has the partners. */
  #placeOnEach(demand: Demand): void {
    const { service, partners } = demand;
    const free = this.#freeNumbers(service.name, []);
    const failed: PlacementHost[] = [];
    for (const host of this.#hosts) {
      if (this.#ledger.ofService(service.name, host.name) > 0) continue;
      if (this.#ownProblems(service.name, host).length > 0) continue;
      if (partnerProblems(demand, host.name, this.#ledger).length > 0) continue;
      const isPossible = this.#problems(demand, host).length === 0;
      const [partner] = partners;
      const reason =
        partner === undefined
          ? ({ kind: "global" } as const)
          : { kind: "partner" as const, service: partner };
      if (isPossible) this.#assign(demand, { number: free.next().value, host: host.name }, reason);
      else failed.push(host);
    }
    const isNowhere = this.#assigned(service.name).length === 0;
    if (failed.length > 0) this.#fail(demand, [], failed);
    else if (isNowhere) this.#fail(demand, [], this.#hosts);
  }

  #fail(demand: Demand, numbers: number[], hosts: readonly PlacementHost[]): void {
    const { service } = demand;
    const unknown = unknownHosts(service, this.#hosts);
    this.#unplaced.push({
      service: service.name,
      numbers,
      where: service.placement?.where ?? `services.${service.name}`,
      hosts: hosts.map((host) => ({ host: host.name, why: this.#problems(demand, host) })),
      ...(unknown.length > 0 ? { unknown } : {}),
    });
  }
}
