/**
 * Operations on stacks of several hosts. Any member can run them: it asks all hosts what they have, decides where containers
 * run, and hands each bayd its whole part of the stack.
 */
import { z } from "zod";
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
import type { Plan, PlanOptions, Progress } from "../../reconcile/index.ts";
import type { Stack } from "../../stack/index.ts";
import type { Asker } from "../stacks/stack-locks.ts";
import type { StackService } from "../stacks/stack-service.ts";
import { type HostState, hostState, hostStateSchema } from "./host-state.ts";
import { askJson, readLines } from "./member-client.ts";
import { requirePrograms, resolveOverlays } from "./resolve-overlays.ts";

/** Milliseconds within which a host says what it has. */
const STATE_TIMEOUT = 10_000;

export interface HostPlan {
  host: string;
  plan: Plan;
}

/** What `bay plan` shows of all hosts. */
export interface ClusterPlan {
  stack: string;
  hosts: HostPlan[];
  /** A line for each container: where it runs, and why. */
  placement: string[];
  unreachable: { host: string; why: string }[];
  warnings: string[];
}

export interface ClusterOptions {
  /** Leave hosts out that do not answer, instead of doing nothing. */
  skipUnreachable: boolean;
}

interface Prepared {
  parts: { member: Member; stack: Stack }[];
  placement: string[];
  unreachable: { host: string; why: string }[];
  warnings: string[];
}

/** A change of one host, by its own route. */
interface HostRequest {
  member: Member;
  path: string;
  body: object;
}

export class ClusterStacks {
  /** Stacks that a command changes on all hosts, with who does it. */
  readonly #locks = new Map<string, string>();

  constructor(
    readonly cluster: Cluster,
    readonly stacks: StackService,
  ) {}

  /** What this host tells the one that plans. */
  state(stack: string): HostState {
    return hostState(this.stacks.manager, stack);
  }

  async plan(stack: Stack, options: PlanOptions): Promise<ClusterPlan> {
    const { parts, placement, unreachable, warnings } = await this.#prepare(stack, options);
    const hosts = await Promise.all(
      parts.map(async ({ member, stack: part }) => ({
        host: member.name,
        plan: await this.#planOn(member, part, hostOptions(options, part)),
      })),
    );
    return { stack: stack.name, hosts, placement, unreachable, warnings };
  }

  /** Decides where containers run. Throws CANNOT_PLACE, HOST_NOT_FOUND, HOST_UNREACHABLE. */
  async #prepare(stack: Stack, options: PlanOptions): Promise<Prepared> {
    const { membership } = this.cluster;
    membership.requireIdentity();
    const asked = await Promise.all(membership.members.map((member) => this.#ask(member, stack.name)));
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
    const resolved = resolveOverlays(withHostPorts(stack), states, slots);
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
        const hasPart = part && Object.values(part.services).some(({ replicas }) => replicas > 0);
        return part && state && (hasPart || state.containers.length > 0) ? [{ member, stack: part }] : [];
      }),
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

  async #ask(member: Member, stack: string): Promise<{ member: Member; state?: HostState; why?: string }> {
    if (this.#isSelf(member)) return { member, state: this.state(stack) };
    try {
      const path = `/bay/v1/host/state/${encodeURIComponent(stack)}`;
      const answer = await askJson(this.cluster, member, "GET", path, { timeout: STATE_TIMEOUT });
      return { member, state: hostStateSchema.parse(answer) };
    } catch (error) {
      return { member, why: messageOf(error) };
    }
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

  #isSelf(member: Member): boolean {
    return member.id === this.cluster.membership.self?.id;
  }

  async #planOn(member: Member, stack: Stack, options: PlanOptions): Promise<Plan> {
    if (this.#isSelf(member)) return this.stacks.plan(stack, options);
    return (await askJson(this.cluster, member, "POST", "/bay/v1/plan", {
      body: { stack, options },
    })) as Plan;
  }

  /**
   * Applies a stack on all its hosts. Throws HOST_UNREACHABLE before anything is done, STACK_BUSY, APPLY_FAILED with the failures
   * of all hosts.
   */
  async up(
    stack: Stack,
    options: PlanOptions,
    { skipUnreachable, body }: ClusterOptions & { body: object },
    write: (progress: Progress) => void,
    asker: Asker,
  ): Promise<Plan> {
    const { parts, unreachable, warnings } = await this.#prepare(stack, options);
    if (!skipUnreachable) refuseUnreachable(unreachable);
    const requests = parts.map(({ member, stack: part }) => ({
      member,
      path: "/bay/v1/up",
      body: { ...body, stack: part, options: hostOptions(options, part), pid: asker.pid },
    }));
    const plan = await this.#onHosts(stack.name, requests, asker, write);
    return { ...plan, warnings: [...warnings, ...plan.warnings] };
  }

  /** Removes a stack from all hosts that have a part of it. */
  async down(
    name: string,
    options: ClusterOptions & { body: object },
    write: (progress: Progress) => void,
    asker: Asker,
  ): Promise<Plan> {
    const { membership } = this.cluster;
    const asked = await Promise.all(membership.members.map((member) => this.#ask(member, name)));
    const lost = asked.filter(({ member, state }) => !state && this.#hadPart(member, name));
    if (!options.skipUnreachable)
      refuseUnreachable(lost.map(({ member, why = "" }) => ({ host: member.name, why })));
    const requests = asked
      .filter(({ state }) => state !== undefined)
      .map(({ member }) => ({ member, path: "/bay/v1/down", body: options.body }));
    return this.#onHosts(name, requests, asker, write);
  }

  #hadPart(member: Member, stack: string): boolean {
    return this.cluster
      .remoteContainers()
      .some((container) => container.host === member.name && container.stack === stack);
  }

  async #onHosts(
    stack: string,
    requests: readonly HostRequest[],
    asker: Asker,
    write: (progress: Progress) => void,
  ): Promise<Plan> {
    const release = await this.#lock(stack, asker, requests);
    try {
      const results = await Promise.allSettled(requests.map((request) => this.#send(request, write, asker)));
      const failures = results.flatMap((result, index) =>
        result.status === "rejected"
          ? [`host ${requests[index]!.member.name}: ${messageOf(result.reason)}`]
          : [],
      );
      if (failures.length > 0) throw new BayError("APPLY_FAILED", failures.join("\n"));
      const plans = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      return {
        stack,
        steps: plans.flatMap(({ steps }) => steps),
        warnings: [...new Set(plans.flatMap(({ warnings }) => warnings))],
      };
    } finally {
      release();
    }
  }

  /** Sends a request that answers with lines of progress and a result to a host's bayd; this host's too. */
  async #send(
    { member, path, body }: HostRequest,
    write: (progress: Progress) => void,
    asker: Asker,
  ): Promise<Plan> {
    let plan: Plan | undefined;
    let failure: BayError | undefined;
    const take = (line: string) => {
      const value = answerLine.parse(JSON.parse(line));
      if (value.progress) write(onHost(member.name, value.progress as Progress));
      if (value.waiting) asker.tell?.(`host ${member.name}: ${value.waiting}`);
      if (value.result) plan = value.result as Plan;
      if (value.error) failure = new BayError("APPLY_FAILED", value.error.message, hintOf(value.error));
    };
    await readLines(this.cluster, member, "POST", path, { body, signal: asker.signal }, take);
    if (failure) throw failure;
    if (!plan) throw new BayError("HOST_UNREACHABLE", "its bayd stopped during the request");
    return plan;
  }

  /**
   * One change of a stack at a time in the whole cluster: the first of its hosts by name keeps the lock. Throws STACK_BUSY.
   */
  async #lock(stack: string, asker: Asker, parts: readonly { member: Member }[]): Promise<() => void> {
    const keeper = [...parts].sort((a, b) => (a.member.name < b.member.name ? -1 : 1))[0]?.member;
    if (!keeper) return () => {};
    const who = `bay ${asker.what} on host ${this.cluster.membership.self?.name}`;
    const abort = new AbortController();
    await new Promise<void>((resolve, reject) => {
      readLines(
        this.cluster,
        keeper,
        "POST",
        `/bay/v1/host/lock/${encodeURIComponent(stack)}`,
        { body: { who }, signal: abort.signal },
        () => resolve(),
      ).catch(reject);
    });
    return () => abort.abort();
  }

  /** Takes the lock for a connection; gives the function that releases it. Throws STACK_BUSY. */
  takeLock(stack: string, who: string): () => void {
    const holder = this.#locks.get(stack);
    if (holder !== undefined)
      throw new BayError("STACK_BUSY", `${holder} is changing the stack ${stack}`, {
        hint: "wait until it ends, and run the command again",
      });
    this.#locks.set(stack, who);
    return () => void this.#locks.delete(stack);
  }
}

/** Throws HOST_UNREACHABLE if there are any. */
function refuseUnreachable(hosts: readonly { host: string; why: string }[]): void {
  if (hosts.length === 0) return;
  throw new BayError("HOST_UNREACHABLE", hosts.map(({ host, why }) => `host ${host}: ${why}`).join("\n"), {
    hint: "nothing was changed; --skip-unreachable leaves these hosts out",
  });
}

const answerLine = z.object({
  progress: z.unknown().optional(),
  waiting: z.string().optional(),
  result: z.unknown().optional(),
  error: z.object({ message: z.string(), hint: z.string().optional() }).optional(),
});

const hintOf = ({ hint }: { hint?: string | undefined }) => (hint === undefined ? {} : { hint });

const onHost = (host: string, progress: Progress): Progress => ({
  ...progress,
  step: `${host}/${progress.step}`,
  name: `${progress.name} on host ${host}`,
});

/** The numbers of containers are in the part already. */
function hostOptions(options: PlanOptions, part: Stack): PlanOptions {
  const isHere = (name: string) => Object.hasOwn(part.services, name);
  return {
    ...options,
    services: options.services.filter(isHere),
    scale: {},
  };
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

/** Ports are published on the hosts that run a container of the service. */
const withHostPorts = (stack: Stack): Stack => ({
  ...stack,
  services: Object.fromEntries(
    Object.entries(stack.services).map(([name, service]) => [
      name,
      { ...service, ports: service.ports.map((port) => ({ ...port, mode: "host" as const })) },
    ]),
  ),
});

const ingressWarnings = ({ services }: Stack): string[] =>
  Object.values(services)
    .filter(({ ports }) => ports.some(({ mode, hostPort }) => mode === "ingress" && hostPort !== undefined))
    .map(
      ({ name }) =>
        `services.${name}.ports: a port is published on the hosts that run a container of ${name}; the others do not pass it on`,
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
