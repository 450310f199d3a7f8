/**
 * The plan: steps from what the host has to what the stack says, each with its reasons. A pure function. A step
 * is one atomic change; `after` lists the steps that must be done before it.
 */
import type { ContainerConfig } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import { fixedPorts, portsOverlap } from "../../core/published-ports.ts";
import {
  buildsNeeding,
  chooseServices,
  dependenciesOf,
  ownersOf,
  type PullPolicy,
  type Service,
  type Stack,
  serviceOf,
  shareWith,
} from "../../stack/index.ts";
import { decide } from "../decide/decide.ts";
import { containerName, desiredConfig, mountedImages } from "../decide/desired.ts";
import type { Actual, ActualContainer, ActualImage } from "../model/actual.ts";
import { type AddStep, type Plan, type Reason, type Step, say, stepOf } from "../model/step.ts";
import { planNetworks, planVolumes } from "./networks-and-volumes.ts";
import { planPortReleases } from "./ports.ts";
import { findProblems } from "./problems.ts";
import { Groups, interruptionOf, replacement } from "./replacements.ts";

export interface PlanOptions {
  /** Only these services and what they need; empty means all. */
  services: readonly string[];
  noDeps: boolean;
  removeOrphans: boolean;
  /** Say nothing of containers whose services the stack no longer has. */
  ignoreOrphans?: boolean | undefined;
  forceRecreate: boolean;
  /** Replace those that the named services need, too. */
  recreateDependencies?: boolean | undefined;
  noRecreate: boolean;
  noStart: boolean;
  /** Replaced containers get new anonymous volumes instead of those that they had. */
  renewVolumes?: boolean | undefined;
  /** Only what containers rest on: images, networks, volumes. */
  baseOnly: boolean;
  scale: Readonly<Record<string, number>>;
  /** Start these services again where they ended with exit code 0; an empty list means all. */
  rerun?: readonly string[] | undefined;
  /** Instead of what the services say; `never` also once everything is pulled that was to be. */
  pull?: "always" | "missing" | "never" | undefined;
  /** Build every image that is built, or none; where it is undefined those that are not there. */
  build?: boolean | undefined;
}

export const PLAN_DEFAULTS: PlanOptions = {
  services: [],
  noDeps: false,
  removeOrphans: false,
  forceRecreate: false,
  noRecreate: false,
  noStart: false,
  baseOnly: false,
  scale: {},
};

/** Throws IMAGE_NOT_FOUND, UNKNOWN_SERVICE, VOLUME_NOT_FOUND, NETWORK_NOT_FOUND, NAME_TAKEN, TOO_MANY_CPUS, UNAVAILABLE. */
export function makePlan(stack: Stack, actual: Actual, options: PlanOptions = PLAN_DEFAULTS): Plan {
  return new Planner(stack, actual, options).run();
}

/** Checks what a user named, without a look at the host. Throws UNKNOWN_SERVICE, FIXED_PORT. */
export function checkNames(stack: Stack, options: PlanOptions): void {
  for (const name of options.services) serviceOf(stack, name);
  for (const [name, count] of Object.entries(options.scale)) {
    const service = serviceOf(stack, name);
    const [fixed] = fixedPorts(service.ports);
    if (fixed && count > 1)
      throw new BayError(
        "FIXED_PORT",
        `service ${name} publishes port ${fixed.hostPort}, which allows one container, not ${count}`,
        { hint: "give a range of published ports or none, and free ones are chosen" },
      );
  }
  for (const name of options.rerun ?? []) serviceOf(stack, name);
}

/** Throws UNAVAILABLE for services that ask for what this host cannot give. */
export function checkAvailable(services: readonly Service[]): void {
  const all = services.flatMap(({ unavailable = [] }) => unavailable);
  if (all.length === 0) return;
  throw new BayError("UNAVAILABLE", all.map(({ message }) => message).join("\n"), {
    hint: "leave these keys out, or name the other services on the command line",
  });
}

class Planner {
  readonly #steps: Step[] = [];
  readonly #warnings: string[] = [];
  readonly #notes: string[] = [];
  /** Steps that bring a service up, by service. */
  readonly #serviceSteps = new Map<string, string[]>();
  readonly #imageSteps = new Map<string, string>();
  readonly #pulls = new Map<string, string>();
  readonly #replaced = new Set<string>();
  /** Containers that are removed, and the steps that do it. */
  readonly #leavers: { container: ActualContainer; step: string }[] = [];
  /** Why containers on a network are replaced, by the network's name on the host. */
  #networkChanges: ReadonlyMap<string, readonly Reason[]> = new Map();

  constructor(
    readonly stack: Stack,
    readonly actual: Actual,
    readonly options: PlanOptions,
  ) {}

  run(): Plan {
    const selected = this.#selectServices();
    checkAvailable(selected);
    this.#checkCpus(selected);
    this.#noteSockets(selected);
    for (const service of selected) {
      this.#planImage(service);
      for (const image of mountedImages(service)) this.#planMounted(service, image);
    }
    const networks = planNetworks(this.stack, this.actual, selected, this.#leaving(), this.#add);
    this.#noteRenamedVolumes(selected);
    this.#networkChanges = networks.replaced;
    const base = [...networks.steps, ...planVolumes(this.stack, this.actual, selected, this.#add)];
    if (this.options.baseOnly) return { stack: this.stack.name, steps: this.#steps, warnings: [] };
    // what goes frees names and ports for what comes
    this.#planOrphans();
    for (const service of inDependencyOrder(this.stack, selected)) this.#planService(service, base);
    planPortReleases(this.#steps, this.actual, this.#add);
    this.#noteRiders(selected);
    for (const drift of this.actual.drift)
      this.#add({ kind: "host.repair", name: "host", reasons: [say(drift, true)] });
    const { name: stack } = this.stack;
    const problems = findProblems(this.#steps, this.stack, this.actual);
    return {
      stack,
      steps: this.#steps,
      warnings: this.#warnings,
      ...(problems.length > 0 ? { problems } : {}),
      ...(this.#notes.length > 0 ? { notes: this.#notes } : {}),
    };
  }

  /** What the host cannot give is said before anything is done. */
  #checkCpus(services: readonly Service[]): void {
    const { cpus: host } = this.actual;
    const tooMany = services.filter(({ resources: { cpus = 0 } }) => cpus > host);
    if (tooMany.length === 0) return;
    const all = tooMany.map(({ name, resources }) => `services.${name}.cpus: ${resources.cpus}`).join(", ");
    throw new BayError("TOO_MANY_CPUS", `${all}; the host has ${host}`, {
      hint: `at most ${host}, or leave it out`,
    });
  }

  /** What a service gets in the place of what it asks for is said. */
  #noteSockets(services: readonly Service[]): void {
    for (const { name, mounts } of services)
      for (const mount of mounts)
        if (mount.type === "bind" && this.actual.withoutDocker.includes(mount.source))
          this.#warnings.push(
            `services.${name}.volumes: ${mount.source} is bay's own socket, as no Docker is here; who has it has all rights on the host`,
          );
  }

  /** A volume with another name begins empty: bay copies nothing. */
  #noteRenamedVolumes(services: readonly Service[]): void {
    const { containers, volumes } = this.actual;
    const keys = services.flatMap(({ mounts }) =>
      mounts.flatMap((mount) => (mount.type === "volume" && mount.source ? [mount.source] : [])),
    );
    for (const key of new Set(keys)) {
      const { name } = this.stack.volumes[key]!;
      const isNew = !volumes.some((volume) => volume.name === name);
      const isMounted = (volume: string) =>
        containers.some(({ config }) =>
          config.mounts.some((mount) => mount.type === "volume" && mount.source === volume),
        );
      const before = volumes.find(
        (volume) =>
          volume.stack === this.stack.name &&
          volume.key === key &&
          volume.name !== name &&
          (isNew || isMounted(volume.name)),
      );
      if (before)
        this.#warnings.push(
          `volumes.${key}.name: ${before.name} -> ${name}: the data stays in ${before.name}, and ${name} does not get it`,
        );
    }
  }

  readonly #add: AddStep = (step) => {
    const added = stepOf(step);
    this.#steps.push(added);
    return added.id;
  };

  #selectServices(): Service[] {
    const { services } = this.stack;
    checkNames(this.stack, this.options);
    if (this.options.services.length === 0) return Object.values(services);
    const needs = this.options.noDeps ? () => [] : dependenciesOf;
    const chosen = new Set(chooseServices(this.stack, this.options.services, needs));
    return Object.values(services).filter((service) => chosen.has(service));
  }

  #planImage(service: Service): void {
    const { image } = service;
    const known = this.actual.images[image];
    const definition = this.stack.images[image];
    if (!definition && service.build) return this.#planBuild(service, known);
    if (!definition) return this.#planPull(service, known);
    if (this.#imageSteps.has(image)) return;
    const reason = known ? known.stale : "not made yet";
    if (reason)
      this.#imageSteps.set(image, this.#add({ kind: "image.make", name: image, reasons: [say(reason)] }));
  }

  /** An image that a service mounts is made as that of a service that runs it. */
  #planMounted(service: Service, image: string): void {
    const builder = Object.values(this.stack.services).find((other) => other.image === image && other.build);
    this.#planImage(builder ?? { ...service, image, build: undefined });
  }

  /** Where the image is missing, its build would give another, or it is asked for: one whose steps are known is quick. */
  #planBuild({ name: service, image, pullPolicy }: Service, known: ActualImage | undefined): void {
    const { build } = this.options;
    const others = [...buildsNeeding(this.stack, service)].map((name) => this.stack.services[name]!);
    if (!known && build === false)
      throw new BayError("IMAGE_NOT_FOUND", `service ${service}: the image ${image} is not built`, {
        hint: `bay build ${service}`,
      });
    const isWanted = build === true || (build === undefined && pullPolicy.when === "build");
    const asked = build ? "--build" : "pull_policy: build";
    const stale = build === false ? undefined : (known?.stale ?? this.#staleBase(others));
    const reason = !known ? "not built yet" : (stale ?? (isWanted ? asked : undefined));
    if (!reason || this.#pulls.has(image)) return;
    // what it is built on comes first, also where nobody asked for that service
    for (const other of others) this.#planImage(other);
    const after = others.flatMap(
      (other) => this.#pulls.get(other.image) ?? this.#imageSteps.get(other.image) ?? [],
    );
    const id = this.#add({ kind: "image.build", name: image, service, reasons: [say(reason)], after });
    this.#pulls.set(image, id);
    // one that is only asked for may come out the same: what follows is planned after it
    if (!known || stale) this.#imageSteps.set(image, id);
  }

  /** What is built on another service's image is built anew with it. */
  #staleBase(others: readonly Service[]): string | undefined {
    const stale = others.find(({ image }) => this.actual.images[image]?.stale);
    return stale && `the image ${stale.image} that it is built on is made anew`;
  }

  /** A pull of an image that is here does not say that it is another one: what follows is planned after it. */
  #planPull({ name: service, image, pullPolicy }: Service, known: ActualImage | undefined): void {
    const policy: PullPolicy = this.options.pull ? { when: this.options.pull } : pullPolicy;
    if (!known && policy.when === "never")
      throw new BayError("IMAGE_NOT_FOUND", `service ${service}: the image ${image} is not on this host`, {
        hint: `bay pull ${service}, or define it under images:`,
      });
    const reason = pullReason(policy, known, this.actual.now);
    if (!reason || this.#pulls.has(image)) return;
    const id = this.#add({ kind: "image.pull", name: image, reasons: [say(reason)] });
    this.#pulls.set(image, id);
    if (!known) this.#imageSteps.set(image, id);
  }

  #planService(service: Service, base: readonly string[]): void {
    const replicas = this.options.scale[service.name] ?? service.replicas;
    const own = this.actual.containers
      .filter(({ service: of, oneOff, role }) => of === service.name && !oneOff && !role)
      .sort((a, b) => a.number - b.number);
    const waits = Object.entries(service.dependsOn)
      .filter(([name]) => this.stack.services[name])
      .map(([name, { condition, required }]) => ({ service: name, condition, required }));
    const isOptional = (name: string) => service.dependsOn[name]?.required === false;
    const stepsOf = (names: readonly string[]) => names.flatMap((name) => this.#serviceSteps.get(name) ?? []);
    const dependencies = dependenciesOf(service);
    const after = [...base, ...stepsOf(dependencies.filter((name) => !isOptional(name)))];
    const afterEnd = stepsOf(dependencies.filter(isOptional));
    after.push(...this.#imageStepsOf(service).map(({ step }) => step));
    const kept = own.slice(0, replicas);
    const numbers = freeNumbers(
      kept.map(({ number }) => number),
      replicas - kept.length,
    );
    for (const left of this.actual.containers.filter(({ service: of, role }) => of === service.name && role))
      this.#planRemoval(left, say("an update that was broken off left it", true));
    const groups = new Groups(service.update);
    const steps = [
      ...kept.map((container) =>
        groups.add(this.#planExisting(service, container, { after, afterEnd, waits }), this.#steps),
      ),
      ...numbers.map((number) => this.#planNew(service, number, { after, afterEnd, waits })),
    ].filter((id) => id !== undefined);
    for (const container of own.slice(replicas))
      this.#planRemoval(container, say(`scale ${own.length} -> ${replicas}`));
    this.#serviceSteps.set(service.name, steps);
  }

  /** The config, or undefined while the image is not made: it is known only then. */
  #config(service: Service, number: number): ContainerConfig | undefined {
    const { images } = this.actual;
    const image = images[service.image];
    if (!image || mountedImages(service).some((name) => !images[name])) return undefined;
    return desiredConfig(this.stack, service, number, image, images);
  }

  /** The steps that make the images that a service runs and mounts. */
  #imageStepsOf(service: Service): { image: string; step: string }[] {
    return [...new Set([service.image, ...mountedImages(service)])].flatMap((image) => {
      const step = this.#imageSteps.get(image);
      return step ? [{ image, step }] : [];
    });
  }

  #planNew(service: Service, number: number, { after, afterEnd, waits }: Before): string {
    const name = containerName(this.stack, service, number);
    if (this.actual.foreignNames.includes(name)) {
      throw new BayError("NAME_TAKEN", `the name ${name} is taken by a container that is not of this stack`, {
        hint: "remove it, or set container_name",
      });
    }
    const start = !this.options.noStart;
    return this.#add({
      kind: "container.create",
      name,
      service: service.name,
      reasons: [say(`image ${service.image}`)],
      after: [...after, ...this.#freeing(service, name)],
      afterEnd,
      waits: start ? waits : [],
      container: { id: undefined, config: this.#config(service, number), start },
    });
  }

  #planExisting(
    service: Service,
    container: ActualContainer,
    { after, afterEnd, waits }: Before,
  ): string | undefined {
    const desired = this.#config(service, container.number);
    const { services, forceRecreate, recreateDependencies, noRecreate, noStart, rerun } = this.options;
    const start = !noStart;
    const isChosen = services.length === 0 || services.includes(service.name);
    const wantedName = containerName(this.stack, service, container.number);
    const owners = ownersOf(service).filter((owner) => this.#replaced.has(owner));
    const networkReasons = this.#networkReasons(container);
    const decision = decide(
      {
        service: service.name,
        name: wantedName,
        config: desired,
        noRecreate,
        start,
        rerun: isChosenBy(rerun, service.name),
        replace: [
          // those that it depends on stay as they are
          ...(forceRecreate && isChosen ? [say("--force-recreate")] : []),
          ...(recreateDependencies && !isChosen ? [say("--always-recreate-deps")] : []),
          ...(noRecreate ? [] : this.#imageStepsOf(service)).map(({ image }) =>
            say(`the image ${image} is made anew`),
          ),
          ...owners.map((owner) =>
            say(`shares the ${shareWith(service, owner)!.part} of ${owner}, which is replaced`),
          ),
          ...networkReasons,
          ...this.#volumeReasons(service, container),
        ],
        restart: Object.entries(service.dependsOn)
          .filter(([name, { restart }]) => restart && this.#replaced.has(name))
          .map(([name]) => say(`depends on ${name}, which is replaced`)),
      },
      container,
    );
    const common = {
      name: container.name,
      service: service.name,
      after: [...after, ...this.#freeing(service, wantedName)],
      afterEnd,
      waits: start ? waits : [],
    };
    const own = { id: container.id, config: undefined, start };
    switch (decision.action) {
      case "replace":
        this.#replaced.add(service.name);
        return this.#add({
          ...common,
          kind: "container.replace",
          reasons: [...decision.reasons, ...this.#renewal(container)],
          container: {
            ...own,
            config: desired,
            ...(this.options.renewVolumes ? { volumes: "renewed" } : {}),
          },
          ...(start && container.alive
            ? replacement(this.stack, service, desired, {
                isNetworkReplaced: networkReasons.length > 0,
                isOwnerReplaced: owners.length > 0,
              })
            : {}),
        });
      case "update": {
        const { reasons, config, start: startReason } = decision;
        const id = this.#add({
          ...common,
          waits: [],
          kind: "container.update",
          reasons,
          container: { ...own, config },
        });
        if (!startReason) return id;
        return this.#add({
          ...common,
          after: [...common.after, id],
          kind: "container.start",
          reasons: [startReason],
          container: own,
        });
      }
      case "start":
        return this.#add({ ...common, kind: "container.start", reasons: decision.reasons, container: own });
      case "restart":
        return this.#add({
          ...common,
          kind: "container.restart",
          reasons: decision.reasons,
          interruption: interruptionOf(container.config),
          container: own,
        });
      case "keep":
        if (decision.isDone && start)
          this.#notes.push(
            `${container.name} ended with exit code 0 and is not run again; bay up --rerun ${service.name} runs it`,
          );
        return undefined;
    }
  }

  /** Data that is not handed on is named. */
  #renewal({ anonymousVolumes }: ActualContainer): Reason[] {
    if (!this.options.renewVolumes || anonymousVolumes.length === 0) return [];
    return [say(`--renew-anon-volumes: its anonymous volumes are removed: ${anonymousVolumes.length}`)];
  }

  /** What is replaced may have other anonymous volumes than those that were taken from it. */
  #volumeReasons({ volumesFrom = [] }: Service, { config }: ActualContainer): Reason[] {
    const isTaken = config.mounts.some((mount) => mount.type === "volume" && mount.from !== undefined);
    return volumesFrom
      .filter(({ service }) => this.#replaced.has(service) && (isTaken || this.options.renewVolumes))
      .map(({ service }) => say(`has the volumes of ${service}, which is replaced`));
  }

  /** A link cannot move to another network: neither to one that is replaced now, nor to one that was before. */
  #networkReasons({ config, staleNetworks }: ActualContainer): Reason[] {
    const changed = config.networks.flatMap(({ network }) => this.#networkChanges.get(network) ?? []);
    const stale = staleNetworks.map((name) => say(`its link is to an earlier network ${name}`, true));
    return [...changed, ...stale];
  }

  /** Steps that free a name or a published port which a container will have. */
  #freeing(service: Service, name: string): string[] {
    const wanted = fixedPorts(service.ports);
    return this.#leavers
      .filter(
        ({ container }) =>
          container.name === name ||
          fixedPorts(container.config.ports).some((port) => wanted.some((own) => portsOverlap(own, port))),
      )
      .map(({ step }) => step);
  }

  /** Containers that share something with one that is replaced, and were not asked for. */
  #noteRiders(selected: readonly Service[]): void {
    for (const rider of Object.values(this.stack.services)) {
      if (selected.includes(rider)) continue;
      const isThere = this.actual.containers.some(({ service, alive }) => service === rider.name && alive);
      for (const owner of ownersOf(rider).filter((name) => isThere && this.#replaced.has(name)))
        this.#warnings.push(
          `${rider.name} shares the ${shareWith(rider, owner)!.part} of ${owner}, which is replaced: bay up ${rider.name} brings it back`,
        );
    }
  }

  #planRemoval(container: ActualContainer, why: Reason): void {
    const step = this.#add({
      kind: "container.remove",
      name: container.name,
      service: container.service,
      reasons: [why],
      container: { id: container.id, config: undefined, start: false },
    });
    this.#leavers.push({ container, step });
  }

  #orphans(): ActualContainer[] {
    const known = new Set([...Object.keys(this.stack.services), ...this.stack.disabled]);
    return this.actual.containers.filter(({ service, oneOff }) => !known.has(service) && !oneOff);
  }

  /** Services that the stack no longer has, and whose containers are removed. */
  #leaving(): Set<string> {
    return new Set(this.options.removeOrphans ? this.#orphans().map(({ service }) => service) : []);
  }

  #planOrphans(): void {
    const orphans = this.#orphans();
    if (this.options.removeOrphans)
      for (const container of orphans)
        this.#planRemoval(container, say(`the stack has no service ${container.service}`));
    else if (orphans.length > 0 && !this.options.ignoreOrphans) {
      this.#warnings.push(
        `containers of services that the stack no longer has: ${orphans.map(({ name }) => name).join(", ")}; --remove-orphans removes them`,
      );
    }
  }
}

/** What has to come before a container's step. */
type Before = Pick<Step, "after" | "afterEnd" | "waits">;

/** Whether a flag that takes names of services, or none for all of them, is about a service. */
const isChosenBy = (names: readonly string[] | undefined, service: string) =>
  names !== undefined && (names.length === 0 || names.includes(service));

function freeNumbers(taken: readonly number[], count: number): number[] {
  const numbers: number[] = [];
  for (let number = 1; numbers.length < count; number++) if (!taken.includes(number)) numbers.push(number);
  return numbers;
}

/** Services with those that they depend on before them. */
export function inDependencyOrder(stack: Stack, services: readonly Service[]): Service[] {
  const chosen = new Set(services.map(({ name }) => name));
  const ordered: Service[] = [];
  const done = new Set<string>();
  const visit = (service: Service) => {
    if (done.has(service.name)) return;
    done.add(service.name);
    for (const name of dependenciesOf(service))
      if (chosen.has(name) && stack.services[name]) visit(stack.services[name]);
    ordered.push(service);
  };
  for (const service of services) visit(service);
  return ordered;
}

/** Why an image of a registry is pulled now, or undefined where it is not. */
function pullReason(policy: PullPolicy, known: ActualImage | undefined, now: number): string | undefined {
  if (!known) return "not on this host";
  if (policy.when === "always") return "pull_policy: always";
  if (policy.when !== "refresh") return undefined;
  const age = now - Date.parse(known.pulledAt ?? "1970-01-01");
  return age > policy.afterMs ? `pulled ${Math.round(age / 60_000)} minutes ago` : undefined;
}
