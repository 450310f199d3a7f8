/** The containers of a service in a plan: new ones, existing ones, and surplus ones. Pure. */
import type { ContainerConfig } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import { dependenciesOf, ownersOf, type Service, shareWith } from "../../stack/index.ts";
import { decide } from "../decide/decide.ts";
import { containerName, desiredConfig, mountedImages } from "../decide/desired.ts";
import { isHere, sortByNumber } from "../decide/numbers.ts";
import type { ActualContainer } from "../model/actual.ts";
import { type Reason, type Step, say } from "../model/step.ts";
import type { Draft } from "./draft.ts";
import type { ImagePlan } from "./images.ts";
import { Groups, interruptionOf, replacement } from "./replacements.ts";

/** The steps that must come before a container's step. */
type Before = Pick<Step, "after" | "afterEnd" | "waits">;

/** Whether a flag that takes service names applies to a service; an empty list means all services. */
const isChosenBy = (names: readonly string[] | undefined, service: string) =>
  names !== undefined && (names.length === 0 || names.includes(service));

/** A service of another host cannot be waited for here. */
const isPlanned = (service: Service | undefined) =>
  service !== undefined && (isHere(service) || service.isElsewhere === true);

export class ServicePlan {
  /** Steps that start a service, by service. */
  readonly #steps = new Map<string, string[]>();

  constructor(
    readonly draft: Draft,
    readonly images: ImagePlan,
  ) {}

  /** Adds the steps of a service, after those in `base` and those of the services that it depends on. Throws NAME_TAKEN. */
  add(service: Service, base: readonly string[]): void {
    const replicas = this.draft.options.scale[service.name] ?? service.replicas;
    const own = this.draft.actual.containers
      .filter(({ service: of, oneOff, role }) => of === service.name && !oneOff && !role)
      .sort((a, b) => a.number - b.number);
    const waits = Object.entries(service.dependsOn)
      .filter(([name]) => isPlanned(this.draft.stack.services[name]))
      .map(([name, { condition, required }]) => ({ service: name, condition, required }));
    const isOptional = (name: string) => service.dependsOn[name]?.required === false;
    const stepsOf = (names: readonly string[]) => names.flatMap((name) => this.#steps.get(name) ?? []);
    const dependencies = dependenciesOf(service);
    const after = [...base, ...stepsOf(dependencies.filter((name) => !isOptional(name)))];
    const afterEnd = stepsOf(dependencies.filter(isOptional));
    after.push(...this.images.stepsOf(service).map(({ step }) => step));
    const { kept, missing, surplus, why } = sortByNumber({ ...service, replicas }, own);
    for (const left of this.draft.actual.containers.filter(
      ({ service: of, role }) => of === service.name && role,
    ))
      this.draft.remove(left, say("left by an interrupted update", true));
    const groups = new Groups(service.update);
    const steps = [
      ...kept.map((container) =>
        groups.add(this.#planExisting(service, container, { after, afterEnd, waits }), this.draft.steps),
      ),
      ...missing.map((number) => this.#planNew(service, number, { after, afterEnd, waits })),
    ].filter((id) => id !== undefined);
    for (const container of surplus) this.draft.remove(container, say(why));
    this.#steps.set(service.name, steps);
  }

  /** The config; undefined until the image is made, because it depends on the image. */
  #config(service: Service, number: number): ContainerConfig | undefined {
    const { images } = this.draft.actual;
    const image = images[service.image];
    if (!image || mountedImages(service).some((name) => !images[name])) return undefined;
    const { containerMounts } = this.draft.actual;
    return desiredConfig(this.draft.stack, service, number, image, images, containerMounts);
  }

  #planNew(service: Service, number: number, { after, afterEnd, waits }: Before): string {
    const name = containerName(this.draft.stack, service, number);
    if (this.draft.actual.foreignNames.includes(name)) {
      throw new BayError("NAME_TAKEN", `the name ${name} is taken by a container outside of this stack`, {
        hint: "remove it, or set container_name",
      });
    }
    const start = !this.draft.options.noStart;
    return this.draft.add({
      kind: "container.create",
      name,
      service: service.name,
      reasons: [say(`image ${service.image}`)],
      after: [...after, ...this.draft.removalsBefore(service, name)],
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
    const { services, forceRecreate, recreateDependencies, noRecreate, noStart, rerun } = this.draft.options;
    const start = !noStart;
    const isChosen = services.length === 0 || services.includes(service.name);
    const wantedName = containerName(this.draft.stack, service, container.number);
    const owners = ownersOf(service).filter((owner) => this.draft.replaced.has(owner));
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
          // its dependencies stay unchanged
          ...(forceRecreate && isChosen ? [say("--force-recreate")] : []),
          ...(recreateDependencies && !isChosen ? [say("--always-recreate-deps")] : []),
          ...(noRecreate ? [] : this.images.stepsOf(service)).map(({ image }) =>
            say(`the image ${image} is rebuilt`),
          ),
          ...owners.map((owner) =>
            say(`shares the ${shareWith(service, owner)!.part} of ${owner}, which is replaced`),
          ),
          ...networkReasons,
          ...this.#volumeReasons(service, container),
        ],
        restart: Object.entries(service.dependsOn)
          .filter(([name, { restart }]) => restart && this.draft.replaced.has(name))
          .map(([name]) => say(`depends on ${name}, which is replaced`)),
      },
      container,
    );
    const common = {
      name: container.name,
      service: service.name,
      after: [...after, ...this.draft.removalsBefore(service, wantedName)],
      afterEnd,
      waits: start ? waits : [],
    };
    const own = { id: container.id, config: undefined, start };
    switch (decision.action) {
      case "replace":
        this.draft.replaced.add(service.name);
        return this.draft.add({
          ...common,
          kind: "container.replace",
          reasons: [...decision.reasons, ...this.#renewal(container)],
          container: {
            ...own,
            config: desired,
            ...(this.draft.options.renewVolumes ? { volumes: "renewed" } : {}),
          },
          ...(start && container.alive
            ? replacement(this.draft.stack, service, desired, {
                isNetworkReplaced: networkReasons.length > 0,
                isOwnerReplaced: owners.length > 0,
              })
            : {}),
        });
      case "update": {
        const { reasons, config, start: startReason } = decision;
        const id = this.draft.add({
          ...common,
          waits: [],
          kind: "container.update",
          reasons,
          container: { ...own, config },
        });
        if (!startReason) return id;
        return this.draft.add({
          ...common,
          after: [...common.after, id],
          kind: "container.start",
          reasons: [startReason],
          container: own,
        });
      }
      case "start":
        return this.draft.add({
          ...common,
          kind: "container.start",
          reasons: decision.reasons,
          container: own,
        });
      case "restart":
        return this.draft.add({
          ...common,
          kind: "container.restart",
          reasons: decision.reasons,
          interruption: interruptionOf(container.config),
          container: own,
        });
      case "keep":
        if (decision.isDone && start)
          this.draft.notes.push(
            `${container.name} ended with exit code 0 and is not run again; bay up --rerun ${service.name} runs it`,
          );
        return undefined;
    }
  }

  /** Names the data that is not kept. */
  #renewal({ anonymousVolumes }: ActualContainer): Reason[] {
    if (!this.draft.options.renewVolumes || anonymousVolumes.length === 0) return [];
    return [say(`--renew-anon-volumes: anonymous volumes removed with it: ${anonymousVolumes.length}`)];
  }

  /** A replacement may have other anonymous volumes than the container before. */
  #volumeReasons({ volumesFrom = [] }: Service, { config }: ActualContainer): Reason[] {
    const isTaken = config.mounts.some((mount) => mount.type === "volume" && mount.from !== undefined);
    return volumesFrom
      .filter(
        ({ service }) => this.draft.replaced.has(service) && (isTaken || this.draft.options.renewVolumes),
      )
      .map(({ service }) => say(`uses the volumes of ${service}, which is replaced`));
  }

  /** A link cannot move to another network: neither to one that is replaced now, nor to one that was replaced before. */
  #networkReasons({ config, staleNetworks }: ActualContainer): Reason[] {
    const changed = config.networks.flatMap(({ network }) => this.draft.networkChanges.get(network) ?? []);
    const stale = staleNetworks.map((name) => say(`its link belongs to an earlier network ${name}`, true));
    return [...changed, ...stale];
  }
}
