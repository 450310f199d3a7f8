/** What a change of a stack means for each of its hosts: who is asked, where containers run, and what each bayd gets. */
import { BayError, messageOf } from "../../core/errors.ts";
import type { Cluster, Member } from "../../host/index.ts";
import {
  type Assignment,
  checkPlaced,
  joinHosts,
  type PlacementHost,
  place,
  showAssignment,
  showRemoval,
  splitStack,
} from "../../placement/index.ts";
import type { PlanOptions } from "../../reconcile/index.ts";
import type { Stack } from "../../stack/index.ts";
import { type HostState, hostStateSchema } from "./host-state.ts";
import { askJson } from "./member-client.ts";
import type { ImagesOfHosts } from "./peer-images.ts";
import { requirePrograms, resolveOverlays } from "./resolve-overlays.ts";

/** Milliseconds within which a host says what it has. */
const STATE_TIMEOUT = 10_000;

/** The part of one host. */
export interface Part {
  member: Member;
  stack: Stack;
}

export interface Unreachable {
  host: string;
  why: string;
}

export interface Prepared {
  parts: Part[];
  /** Services with a container on any host. */
  placed: ReadonlySet<string>;
  images: ImagesOfHosts;
  /** A line for each container: where it runs, and why. */
  placement: string[];
  unreachable: Unreachable[];
  warnings: string[];
}

/** A host, and what it has; or why it did not answer. */
export interface Asked {
  member: Member;
  state?: HostState;
  why?: string;
}

export class Preparation {
  constructor(
    readonly cluster: Cluster,
    /** What this host has of a stack. */
    readonly ownState: (stack: string) => HostState,
  ) {}

  /** Asks all members what they have of a stack. */
  askAll(stack: string): Promise<Asked[]> {
    return Promise.all(this.cluster.membership.members.map((member) => this.#ask(member, stack)));
  }

  async #ask(member: Member, stack: string): Promise<Asked> {
    if (this.isSelf(member)) return { member, state: this.ownState(stack) };
    try {
      const path = `/bay/v1/host/state/${encodeURIComponent(stack)}`;
      const answer = await askJson(this.cluster, member, "GET", path, { timeout: STATE_TIMEOUT });
      return { member, state: hostStateSchema.parse(answer) };
    } catch (error) {
      return { member, why: messageOf(error) };
    }
  }

  isSelf(member: Member): boolean {
    return member.id === this.cluster.membership.self?.id;
  }

  /** Decides where containers run. Throws CANNOT_PLACE, HOST_NOT_FOUND, NOT_A_MEMBER. */
  async prepare(stack: Stack, options: PlanOptions): Promise<Prepared> {
    const { membership } = this.cluster;
    membership.requireIdentity();
    const asked = await this.askAll(stack.name);
    const members = asked.map(({ member, state }) => placementHost(member, state !== undefined));
    const { hosts, problems } = joinHosts(stack.hosts ?? "all", members);
    if (problems.length > 0)
      throw new BayError("HOST_NOT_FOUND", problems.join("\n"), {
        hint: `the members are ${membership.members.map(({ name }) => name).join(", ")}`,
      });
    const named = new Set(hosts.map(({ name }) => name));
    const placement = place(stack, hosts, this.#running(asked, stack.name), { scale: options.scale });
    checkPlaced(placement);
    const states = asked.flatMap(({ state }) => state ?? []);
    const slots = Math.max(...membership.members.map(({ slot }) => slot + 1));
    const resolved = resolveOverlays(stack, states, slots);
    const parts = new Map(
      splitStack(
        resolved,
        membership.members.map(({ name }) => name),
        placement.assignments,
      ).map((part) => [part.host, withElsewhere(part.stack, placement.assignments)]),
    );
    requirePrograms(
      asked.flatMap(({ member, state }) => {
        const part = parts.get(member.name);
        return part && state?.lacks ? [{ host: member.name, stack: part, lacks: state.lacks }] : [];
      }),
    );
    return {
      parts: asked.flatMap(({ member, state }) => {
        const part = parts.get(member.name);
        if (!part || !state) return [];
        const own = named.has(member.name) ? part : withoutIngress(part);
        const hasPart = Object.values(own.services).some(({ replicas }) => replicas > 0) || own.ingress;
        const hadPart = state.containers.length > 0 || state.hasIngress;
        return hasPart || hadPart ? [{ member, stack: own }] : [];
      }),
      placed: new Set(placement.assignments.map(({ service }) => service)),
      images: new Map(asked.map(({ member, state }) => [member.name, state?.images ?? []])),
      placement: [
        ...placement.assignments.filter(isNews).map(showAssignment),
        ...placement.removals.map(showRemoval),
      ],
      warnings: [...ingressWarnings(stack), ...addressWarnings(stack)],
      unreachable: asked.flatMap(({ member, why }) =>
        why === undefined || !named.has(member.name) ? [] : [{ host: member.name, why }],
      ),
    };
  }

  /** What runs where; of a host that does not answer, what it last said. */
  #running(asked: readonly { member: Member; state?: HostState }[], stack: string) {
    const remote = this.cluster.remoteContainers().filter((container) => container.stack === stack);
    return {
      containers: asked.flatMap(({ member, state }) =>
        state
          ? state.containers.map((container) => ({ ...container, host: member.name }))
          : remote
              .filter(({ host, service, number }) => host === member.name && service && number)
              .map(({ service, number }) => ({ service: service!, number: number!, host: member.name })),
      ),
      volumes: asked.flatMap(({ member, state }) =>
        (state?.volumes ?? []).map((name) => ({ name, host: member.name })),
      ),
    };
  }
}

/** A container that stays where it is, is not mentioned. */
const isNews = ({ reason, moved }: Assignment) => moved !== undefined || reason.kind !== "stays";

/** Marks services that run on other hosts only: containers here may depend on them. */
function withElsewhere(part: Stack, assignments: readonly Assignment[]): Stack {
  const placed = new Set(assignments.map(({ service }) => service));
  return {
    ...part,
    services: Object.fromEntries(
      Object.entries(part.services).map(([name, service]) => [
        name,
        service.numbers?.length === 0 && placed.has(name) ? { ...service, isElsewhere: true } : service,
      ]),
    ),
  };
}

const addressWarnings = ({ services }: Stack): string[] =>
  Object.values(services)
    .filter(({ endpointMode }) => endpointMode === "vip")
    .map(
      ({ name }) =>
        `services.${name}.deploy.endpoint_mode: vip has no effect; ${name} resolves to the addresses of its containers`,
    );

/** A host that the file does not name has none of its ports. */
function withoutIngress({ ingress: _, ...part }: Stack): Stack {
  return part;
}

/** Without an overlay network, a host cannot reach the containers of other hosts. */
const ingressWarnings = ({ services, networks }: Stack): string[] =>
  Object.values(services)
    .filter(({ ports }) => ports.some(({ mode, hostPort }) => mode === "ingress" && hostPort !== undefined))
    .filter((service) => !Object.keys(service.networks).some((key) => networks[key]?.overlay))
    .map(
      ({ name }) =>
        `services.${name}.ports: ${name} has no network with driver: overlay, so only hosts that run a container of ${name} answer on its ports`,
    );

function placementHost(member: Member, isReady: boolean): PlacementHost {
  const { name, id, address, labels, role, platform, capacity } = member;
  return {
    name,
    id,
    address,
    labels,
    role: role === "authority" ? "manager" : "worker",
    platform: { os: platform.os, architecture: platform.arch },
    engineLabels: {},
    capacity: { nanoCpus: capacity.cpus * 1e9, memory: capacity.memoryBytes },
    state: isReady ? "ready" : "unreachable",
  };
}
