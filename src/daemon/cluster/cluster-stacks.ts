/**
 * Operations on stacks of several hosts. Any member can run them: it asks all hosts what they have, decides where containers
 * run, makes the images, and hands each bayd its whole part of the stack.
 */
import { BayError } from "../../core/errors.ts";
import type { Cluster, Member } from "../../host/index.ts";
import type { Plan, PlanOptions, Progress } from "../../reconcile/index.ts";
import type { Stack } from "../../stack/index.ts";
import type { Asker } from "../stacks/stack-locks.ts";
import type { StackService } from "../stacks/stack-service.ts";
import { orderOf } from "./host-order.ts";
import { HostRequests } from "./host-requests.ts";
import { type HostState, hostState } from "./host-state.ts";
import { askJson } from "./member-client.ts";
import { type MadeImages, madeImages, makersOf, withPeerImages } from "./peer-images.ts";
import { type Part, Preparation, type Prepared, type Unreachable } from "./prepare.ts";

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
  unreachable: Unreachable[];
  warnings: string[];
}

export interface ClusterOptions {
  /** Leave hosts out that do not answer, instead of doing nothing. */
  skipUnreachable: boolean;
}

export class ClusterStacks {
  readonly #preparation: Preparation;
  readonly #requests: HostRequests;

  constructor(
    readonly cluster: Cluster,
    readonly stacks: StackService,
  ) {
    this.#preparation = new Preparation(cluster, (stack) => this.state(stack));
    this.#requests = new HostRequests(cluster);
  }

  /** What this host tells the one that plans. */
  state(stack: string): HostState {
    return hostState(this.stacks.manager, stack);
  }

  /** Takes the lock for a connection; gives the function that releases it. Throws STACK_BUSY. */
  takeLock(stack: string, who: string): () => void {
    return this.#requests.takeLock(stack, who);
  }

  async plan(stack: Stack, options: PlanOptions): Promise<ClusterPlan> {
    const prepared = await this.#preparation.prepare(stack, options);
    const images = await this.stacks.imagePlan(makersOf(stack, prepared.placed), options);
    const pending = new Set(images.steps.map(({ name }) => name));
    const parts = this.#withImages(stack, prepared, pending);
    const hosts = await Promise.all(
      parts.map(async ({ member, stack: part }) => ({
        host: member.name,
        plan: await this.#planOn(member, part, hostOptions(options, part)),
      })),
    );
    const { placement, unreachable, warnings } = prepared;
    return {
      stack: stack.name,
      hosts: withOwnSteps(hosts, this.#ownName, images),
      placement,
      unreachable,
      warnings: [...warnings, ...this.#buildWarnings(stack, options)],
    };
  }

  get #ownName(): string {
    return this.cluster.membership.self!.name;
  }

  /** The parts with the images that hosts get from others. `pending` are those that are made first. */
  #withImages(stack: Stack, { parts, placed, images }: Prepared, pending: ReadonlySet<string>): Part[] {
    const { records } = this.stacks.manager.images;
    const made: MadeImages = {
      host: this.#ownName,
      find: (image) => {
        const record = pending.has(image) ? undefined : records.find(image);
        if (!record) return {};
        const { id, manifest, made: definition } = record;
        return { known: { id, manifest: manifest.digest }, ...(definition ? { made: definition } : {}) };
      },
    };
    const names = madeImages(stack, placed);
    return parts.map(({ member, stack: part }) => ({
      member,
      stack: withPeerImages(part, member.name, made, names, images),
    }));
  }

  /** An image that another host built cannot be compared with the build here. */
  #buildWarnings({ services }: Stack, { build }: PlanOptions): string[] {
    if (build) return [];
    const { images } = this.stacks;
    return Object.values(services)
      .filter((service) => service.build && images.isFetched(service.image))
      .map(
        ({ name, image }) =>
          `services.${name}.build: the image ${image} was built on another host, and is not compared with its build; --build builds it on this host`,
      );
  }

  async #planOn(member: Member, stack: Stack, options: PlanOptions): Promise<Plan> {
    if (this.#preparation.isSelf(member)) return this.stacks.plan(stack, options);
    return (await askJson(this.cluster, member, "POST", "/bay/v1/plan", {
      body: { stack, options },
    })) as Plan;
  }

  /** Throws what `up` would throw before its first change. */
  async checkUp(stack: Stack, options: PlanOptions, { skipUnreachable }: ClusterOptions): Promise<void> {
    const { unreachable } = await this.plan(stack, options);
    if (!skipUnreachable) refuseUnreachable(unreachable);
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
    const prepared = await this.#preparation.prepare(stack, options);
    if (!skipUnreachable) refuseUnreachable(prepared.unreachable);
    return this.#requests.locked(stack.name, asker, prepared.parts, async () => {
      const makers = makersOf(stack, prepared.placed);
      await this.stacks.makeImages(makers, options, write, asker);
      // the images exist now
      const parts = this.#withImages(stack, prepared, new Set()).map(({ member, stack: part }) => ({
        member,
        part,
        own: { ...hostOptions(options, part), build: false },
      }));
      const plans = await Promise.all(
        parts.map(async ({ member, part, own }) => ({
          host: member.name,
          plan: await this.#planOn(member, part, own),
        })),
      );
      const requests = parts.map(({ member, part, own }) => ({
        member,
        path: "/bay/v1/up",
        body: { ...body, stack: part, options: own, pid: asker.pid },
      }));
      const order = orderOf(plans, stack);
      const plan = await this.#requests.sendInOrder(stack.name, requests, order, asker, write);
      const warnings = [...prepared.warnings, ...this.#buildWarnings(stack, options)];
      return { ...plan, warnings: [...warnings, ...plan.warnings] };
    });
  }

  /** Removes a stack from all hosts that have a part of it. */
  async down(
    name: string,
    options: ClusterOptions & { body: object },
    write: (progress: Progress) => void,
    asker: Asker,
  ): Promise<Plan> {
    const members = await this.checkDown(name, options);
    const requests = members.map((member) => ({ member, path: "/bay/v1/down", body: options.body }));
    return this.#requests.locked(name, asker, requests, () =>
      this.#requests.sendAll(name, requests, asker, write),
    );
  }

  /** The hosts that can remove their part of a stack. Throws HOST_UNREACHABLE if one of them does not answer. */
  async checkDown(name: string, { skipUnreachable }: ClusterOptions): Promise<Member[]> {
    const asked = await this.#preparation.askAll(name);
    const lost = asked.filter(({ member, state }) => !state && this.#hadPart(member, name));
    if (!skipUnreachable) refuseUnreachable(lost.map(({ member, why = "" }) => ({ host: member.name, why })));
    return asked.filter(({ state }) => state !== undefined).map(({ member }) => member);
  }

  #hadPart(member: Member, stack: string): boolean {
    return this.cluster
      .remoteContainers()
      .some((container) => container.host === member.name && container.stack === stack);
  }
}

/** The steps that make images for other hosts are those of this host. */
function withOwnSteps(hosts: readonly HostPlan[], own: string, images: Plan): HostPlan[] {
  const isKnown = ({ steps }: Plan, id: string) => steps.some((step) => step.id === id);
  const complete = (plan: Plan): Plan => ({
    ...plan,
    steps: [...images.steps.filter(({ id }) => !isKnown(plan, id)), ...plan.steps],
    ...(plan.problems || images.problems
      ? { problems: [...new Set([...(plan.problems ?? []), ...(images.problems ?? [])])] }
      : {}),
  });
  if (hosts.some(({ host }) => host === own))
    return hosts.map(({ host, plan }) => ({ host, plan: host === own ? complete(plan) : plan }));
  return images.steps.length > 0 ? [{ host: own, plan: images }, ...hosts] : [...hosts];
}

/** Throws HOST_UNREACHABLE if there are any. */
function refuseUnreachable(hosts: readonly { host: string; why: string }[]): void {
  if (hosts.length === 0) return;
  throw new BayError("HOST_UNREACHABLE", hosts.map(({ host, why }) => `host ${host}: ${why}`).join("\n"), {
    hint: "nothing was changed; --skip-unreachable leaves these hosts out",
  });
}

/** The numbers of containers are in the part already. */
function hostOptions(options: PlanOptions, part: Stack): PlanOptions {
  const isHere = (name: string) => Object.hasOwn(part.services, name);
  return {
    ...options,
    services: options.services.filter(isHere),
    scale: {},
  };
}
