/** bayd's operations on whole stacks: plan, up, down. The planner decides, and the executor acts. */
import type { Builder } from "../../build/index.ts";
import { type ContainerManager, type ContainerRecord, LABELS } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import {
  type Actual,
  applyPlan,
  checkNames,
  type DownOptions,
  type Executor,
  makeDownPlan,
  makeImagePlan,
  makeOneOffPlan,
  makePlan,
  type OneOffRequest,
  PLAN_DEFAULTS,
  type Plan,
  type PlanOptions,
  type Progress,
  type Step,
} from "../../reconcile/index.ts";
import { chooseServices, dependenciesOf, type Stack } from "../../stack/index.ts";
import { makeExecutor, type UpSettings } from "./executor.ts";
import { FixedAddresses } from "./fixed-addresses.ts";
import { lacksOf, missingOf, unmakableImages } from "./foresee.ts";
import { History, type Revision } from "./history.ts";
import { observe, type View } from "./observe.ts";
import { checkContents, contentOf } from "./secret-content.ts";
import { StackImages } from "./stack-images.ts";
import { type StackSummary, summariseStacks } from "./stack-list.ts";
import { type Asker, StackLocks } from "./stack-locks.ts";
import { NO_OWNERS, type StackOwners } from "./stack-owner.ts";

/** Removes services that the revision does not have. */
const ROLLBACK: PlanOptions = { ...PLAN_DEFAULTS, removeOrphans: true, pull: "never", build: false };
/** Steps that belong to an update, and not to a user's stop or start. */
const UPDATES = new Set<Step["kind"]>([
  "container.create",
  "container.replace",
  "container.update",
  "container.remove",
]);

export interface StackActivity {
  /** A command such as `up` or `down` changes it. */
  isChanging: boolean;
  /** IDs of containers that a client is restarting. */
  restarting: string[];
}

export class StackService {
  /** One change of a stack at a time. */
  readonly #locks = new StackLocks();

  readonly history: History;

  readonly images: StackImages;

  readonly #fixed: FixedAddresses;

  constructor(
    readonly manager: ContainerManager,
    readonly builder: () => Promise<Builder>,
  ) {
    this.history = new History(manager.store);
    this.images = new StackImages(manager, builder);
    manager.secretFiles.needed = () => this.needed().contents;
    this.#fixed = new FixedAddresses(() => this.history.latest(this.#names()));
    manager.networks.fixedAddresses = (network) => this.#fixed.on(network);
  }

  /** Stacks that have containers. */
  #names(): Set<string> {
    return new Set(this.manager.list().map(({ config }) => config.labels[LABELS.stack] ?? ""));
  }

  /** Names of further stacks whose revisions can be restored: those that follow a repository. */
  alsoKept: () => Iterable<string> = () => [];

  /** Which stacks follow a repository. */
  owners: StackOwners = NO_OWNERS;

  /** What is needed to restore revisions of stacks that have containers, or are kept; revisions of others need nothing. */
  needed(): { images: Set<string>; contents: Set<string> } {
    return this.history.needed(new Set([...this.#names(), ...this.alsoKept()]));
  }

  get view(): View {
    const { roots, store } = this.manager;
    return {
      roots,
      state: store,
      health: (id) => this.manager.health(id),
      lostPorts: () => this.manager.ports.lost(),
    };
  }

  observe(name: string, stack: Stack | undefined): Actual {
    return observe(this.view, name, stack);
  }

  async plan(stack: Stack, options: PlanOptions): Promise<Plan> {
    const lacks = await lacksOf(this.manager.store, stack);
    const actual = { ...this.observe(stack.name, stack), ...lacks };
    if (options.build !== false) await this.images.noteStale(stack, actual);
    return makePlan(stack, actual, options);
  }

  /** Throws what `up` with these options would throw before its first change. */
  async checkUp(stack: Stack, options: PlanOptions): Promise<void> {
    checkNames(stack, options);
    checkContents(await this.plan(stack, options), stack);
  }

  /** True if `up` with these options has no steps, no output and no containers to wait for. Throws UNKNOWN_SERVICE. */
  async isUp(stack: Stack, options: PlanOptions): Promise<boolean> {
    checkNames(stack, options);
    if (this.#locks.isTaken(stack.name)) return false;
    const { steps, warnings } = await this.plan(stack, options);
    return steps.length === 0 && warnings.length === 0 && !this.#locks.isTaken(stack.name);
  }

  /** The steps that make the images of a stack for other hosts, too. Throws IMAGE_NOT_FOUND, UNKNOWN_SERVICE. */
  async imagePlan(stack: Stack, options: PlanOptions): Promise<Plan> {
    const actual = this.observe(stack.name, stack);
    actual.unmakable = await unmakableImages(stack);
    if (options.build !== false) await this.images.noteStale(stack, actual);
    return makeImagePlan(stack, actual, options);
  }

  /** Makes the images of a stack, and starts no container. Throws like `imagePlan`, and APPLY_FAILED. */
  async makeImages(
    stack: Stack,
    options: PlanOptions,
    onProgress: (progress: Progress) => void,
    asker: Asker,
  ): Promise<void> {
    await this.#locks.take(stack.name, asker, async () =>
      this.#bringImages(await this.imagePlan(stack, options), stack, {}, onProgress, asker),
    );
  }

  /** Runs the steps of a plan that concern images, and returns them. */
  async #bringImages(
    plan: Plan,
    stack: Stack,
    { parallel }: Pick<UpSettings, "parallel">,
    onProgress: (progress: Progress) => void,
    { signal }: Asker,
  ): Promise<Step[]> {
    const steps = plan.steps.filter(({ kind }) => kind.startsWith("image."));
    const bring: Executor = async (step, say) => void (await this.images.bring(stack, step, say, signal));
    if (steps.length > 0) await applyPlan({ ...plan, steps }, bring, onProgress, signal, parallel);
    return steps;
  }

  /** Creates images first, so that the plan that follows is exact; then applies it. Throws APPLY_FAILED. */
  async up(
    stack: Stack,
    options: PlanOptions,
    settings: UpSettings,
    onProgress: (progress: Progress) => void,
    asker: Asker,
  ): Promise<Plan> {
    checkNames(stack, options);
    const { signal } = asker;
    return this.#locks.take(stack.name, asker, async () => {
      const first = await this.plan(stack, options);
      checkContents(first, stack);
      const images = await this.#bringImages(first, stack, settings, onProgress, asker);
      const plan =
        images.length > 0 ? await this.plan(stack, { ...options, pull: "never", build: false }) : first;
      checkContents(plan, stack);
      const ingress = ingressOf(stack);
      await this.manager.ingress.keepOnly(stack.name, ingress);
      await this.#fixed.during(stack, async () => {
        const execute = makeExecutor(this.manager, stack, { ...settings, signal });
        await applyPlan(plan, execute, onProgress, signal, settings.parallel);
        await this.manager.ingress.set(stack.name, ingress);
        this.#noteRevision(scaled(stack, options), options, plan);
      });
      await this.#finish(plan);
      return { ...plan, steps: [...images, ...plan.steps] };
    });
  }

  /**
   * Creates the container of a one-off command, and starts it if requested. Throws the step's error without context, because
   * there is only one step.
   */
  async run(stack: Stack, request: OneOffRequest): Promise<ContainerRecord> {
    const missing = await missingOf(this.manager.store, stack);
    const plan = makeOneOffPlan(stack, { ...this.observe(stack.name, stack), missing }, request);
    checkContents(plan, stack);
    const execute = makeExecutor(this.manager, stack, { graceMs: undefined, timeoutMs: undefined });
    const [create, ...others] = plan.steps;
    return this.#fixed.during(stack, async () => {
      await execute(create!, () => {});
      // a container with autoRemove may be removed before the last step ends
      const record = this.manager.get(create!.name);
      for (const step of others) await execute(step, () => {});
      if (request.autoRemove && !request.start) this.manager.removeUnlessStarted(record.id);
      return record;
    });
  }

  /** Keeps the revision's contents of secrets and configs, even while no container uses them. Throws NO_CONTENT. */
  #keepContents({ steps }: Plan, { stack, number }: Revision): () => void {
    const files = steps.flatMap(({ container }) => container?.config?.files ?? []);
    try {
      return this.manager.secretFiles.hold(files, ({ kind, name }) => contentOf(stack, kind, name));
    } catch (cause) {
      throw new BayError(
        "NO_CONTENT",
        `the contents of secrets and configs of revision ${number} are no longer stored`,
        {
          hint: "they are stored while the stack has containers; bay up applies the current file",
          cause,
        },
      );
    }
  }

  /** A partly applied stack is a revision, too, in which the other services are unchanged. */
  #noteRevision(stack: Stack, options: PlanOptions, { steps }: Plan): void {
    if (options.baseOnly || options.noStart) return;
    const needs = options.noDeps ? () => [] : dependenciesOf;
    const services =
      options.services.length > 0
        ? chooseServices(stack, options.services, needs).map(({ name }) => name)
        : undefined;
    const chosen = services ?? Object.keys(stack.services);
    const images = chosen.flatMap((name) => {
      const { image } = stack.services[name]!;
      const id = this.manager.images.records.find(image)?.id;
      return id ? [[image, id] as const] : [];
    });
    const isAsked = options.forceRecreate || options.recreateDependencies;
    const recreated = steps.flatMap(({ kind, service }) =>
      isAsked && kind === "container.replace" && service ? [service] : [],
    );
    this.history.note(stack, Object.fromEntries(images), { services, recreated: [...new Set(recreated)] });
  }

  #revision(name: string, number: number | undefined): Revision {
    if (number !== undefined) return this.history.get(name, number);
    // a failed update is not a revision: its result differs from the last one
    const last = this.history.list(name).at(-1);
    const isHalf = last && this.#planOf(last).steps.some(({ kind }) => UPDATES.has(kind));
    return isHalf ? last : this.history.previous(name);
  }

  #planOf({ stack, images }: Revision, missing: Actual["missing"] = {}): Plan {
    return makePlan(stack, { ...observe(this.view, stack.name, stack, images), missing }, ROLLBACK);
  }

  /** The plan of a rollback, with its problems on this host. Throws NO_REVISION, IMAGE_NOT_FOUND. */
  async checkedRollbackPlan(name: string, number: number | undefined): Promise<Plan> {
    const revision = this.#revision(name, number);
    return this.#planOf(revision, await missingOf(this.manager.store, revision.stack));
  }

  /** The plan of a rollback; sources of mounts are not checked. Throws NO_REVISION, IMAGE_NOT_FOUND. */
  rollbackPlan(name: string, number: number | undefined): Plan {
    return this.#planOf(this.#revision(name, number));
  }

  /** Restores an applied revision, with the images that it used. Throws NO_REVISION, IMAGE_NOT_FOUND, APPLY_FAILED. */
  rollback(
    name: string,
    number: number | undefined,
    graceMs: number | undefined,
    onProgress: (progress: Progress) => void,
    asker: Asker,
  ): Promise<Plan> {
    const { signal } = asker;
    return this.#locks.take(name, asker, async () => {
      const revision = this.#revision(name, number);
      const plan = this.#planOf(revision);
      const settings = { graceMs, timeoutMs: undefined, signal };
      const letGo = this.#keepContents(plan, revision);
      try {
        await this.#fixed.during(revision.stack, () =>
          applyPlan(plan, makeExecutor(this.manager, revision.stack, settings), onProgress, signal),
        );
      } finally {
        letGo();
      }
      this.history.note(revision.stack, revision.images, { services: undefined, from: revision.number });
      this.#fixed.changed();
      await this.#finish(plan);
      return plan;
    });
  }

  /** The plan of `down`. */
  downPlan(name: string, options: DownOptions): Plan {
    return makeDownPlan(name, this.observe(name, undefined), options);
  }

  down(
    name: string,
    options: DownOptions & { parallel?: number | undefined },
    graceMs: number | undefined,
    onProgress: (progress: Progress) => void,
    asker: Asker,
  ): Promise<Plan> {
    // an `up` that is running may wait for them
    for (const { id, config } of this.manager.list())
      if (
        config.labels[LABELS.stack] === name &&
        (options.only?.includes(config.labels[LABELS.service] ?? "") ?? true)
      )
        this.manager.waitingForFiles.interrupt(id);
    return this.#locks.take(name, asker, async () => {
      const plan = makeDownPlan(name, this.observe(name, undefined), options);
      const settings: UpSettings = { graceMs, timeoutMs: undefined };
      const execute = makeExecutor(this.manager, undefined, settings);
      const isDown = ({ service }: { service: string }) => options.only?.includes(service) ?? true;
      const { ingress } = this.manager;
      await ingress.keepOnly(
        name,
        ingress.of(name).filter((port) => !isDown(port)),
      );
      await applyPlan(plan, execute, onProgress, undefined, options.parallel);
      this.#fixed.changed();
      await this.manager.networks.links.settled();
      if (options.volumes && !options.only) {
        this.history.forget(name);
        this.manager.secretFiles.sweep();
      }
      await this.#finish(plan);
      return plan;
    });
  }

  async #finish(plan: Plan): Promise<void> {
    if (plan.steps.length === 0) return;
    this.manager.networks.saveRules();
    await this.manager.store.flush();
  }

  /** Operations on a stack that are running: containers that do not run may be about to. */
  activity(name: string): StackActivity {
    const own = this.manager.list().filter(({ config }) => config.labels[LABELS.stack] === name);
    return {
      isChanging: this.#locks.isTaken(name),
      restarting: own.map(({ id }) => id).filter((id) => this.manager.isBetweenStopAndStart(id)),
    };
  }

  /** Stacks that have containers. */
  list(): StackSummary[] {
    return summariseStacks(this.manager.list(), ({ state }) => state.status === "running");
  }
}

/** The ports that this host passes on, with the names of networks on the host. */
const ingressOf = ({ ingress = [], networks }: Stack) =>
  ingress.map((port) => ({ ...port, networks: port.networks.flatMap((key) => networks[key]?.name ?? []) }));

/** The stack with the numbers of containers given by --scale. */
function scaled(stack: Stack, { scale }: PlanOptions): Stack {
  const changed = Object.entries(scale).map(([name, replicas]) => [
    name,
    { ...stack.services[name]!, replicas },
  ]);
  return { ...stack, services: { ...stack.services, ...Object.fromEntries(changed) } };
}
