/** What bayd does with whole stacks: plan, up, down. Decisions are the planner's, deeds the executor's. */
import type { Builder, BuildNews, FindImage } from "../../build/index.ts";
import { type ContainerManager, type ContainerRecord, LABELS } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import { type ImageRecord, PullSummary, staleReason } from "../../image/index.ts";
import {
  type Actual,
  applyPlan,
  checkNames,
  type DownOptions,
  makeDownPlan,
  makeOneOffPlan,
  makePlan,
  type OneOffRequest,
  PLAN_DEFAULTS,
  type Plan,
  type PlanOptions,
  type Progress,
  type Say,
  type Step,
} from "../../reconcile/index.ts";
import { chooseServices, dependenciesOf, type Stack } from "../../stack/index.ts";
import { type BuildChanges, toBuildRequest } from "./build-request.ts";
import { makeExecutor, type UpSettings } from "./executor.ts";
import { FixedAddresses } from "./fixed-addresses.ts";
import { unmakableImages } from "./foresee.ts";
import { History, type Revision } from "./history.ts";
import { observe, toImageSource, type View } from "./observe.ts";
import { checkContents, contentOf } from "./secret-content.ts";
import { type StackSummary, summariseStacks } from "./stack-list.ts";
import { type Asker, StackLocks } from "./stack-locks.ts";

/** Arguments that a user gave a build besides the file's: a plan does not take them back. */
interface AskedBuild {
  id: string;
  args: Record<string, string>;
}
/** Services that the version does not have go. */
const ROLLBACK: PlanOptions = { ...PLAN_DEFAULTS, removeOrphans: true, pull: "never", build: false };
/** What an update does, and a user's stop or start does not. */
const UPDATES = new Set<Step["kind"]>([
  "container.create",
  "container.replace",
  "container.update",
  "container.remove",
]);
const ASKED = "asked-build/";

export interface StackActivity {
  /** A command such as `up` or `down` changes it. */
  isChanging: boolean;
  /** IDs of containers that a client has stopped to start them again. */
  restarting: string[];
}

export class StackService {
  /** One change of a stack at a time. */
  readonly #locks = new StackLocks();

  readonly history: History;

  readonly #fixed: FixedAddresses;

  constructor(
    readonly manager: ContainerManager,
    readonly builder: () => Promise<Builder>,
  ) {
    this.history = new History(manager.store);
    manager.secretFiles.needed = () => this.needed().contents;
    this.#fixed = new FixedAddresses(() => this.history.latest(this.#names()));
    manager.networks.fixedAddresses = (network) => this.#fixed.on(network);
  }

  /** Stacks that have containers. */
  #names(): Set<string> {
    return new Set(this.manager.list().map(({ config }) => config.labels[LABELS.stack] ?? ""));
  }

  /** What versions of stacks that have containers need to be brought back; the others hold nothing. */
  needed(): { images: Set<string>; contents: Set<string> } {
    return this.history.needed(this.#names());
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
    const actual = this.observe(stack.name, stack);
    actual.unmakable = await unmakableImages(stack);
    if (options.build !== false) await this.#noteBuilds(stack, actual);
    return makePlan(stack, actual, options);
  }

  /** Says of images that are built which of them a build would make anew. */
  async #noteBuilds(stack: Stack, { images }: Actual): Promise<void> {
    const built = Object.values(stack.services).filter(({ image, build }) => build && images[image]);
    if (built.length === 0) return;
    const builder = await this.builder();
    await Promise.all(
      built.map(async (service) => {
        const known = images[service.image]!;
        const asked = this.manager.store.get<AskedBuild>(ASKED + service.image);
        const changes = asked?.id === known.id ? { args: asked.args } : {};
        known.stale = await reasonToBuild(() =>
          builder.outdated(toBuildRequest(service, stack, changes), known, this.#currentImage(stack)),
        );
      }),
    );
  }

  /** An image of the stack's own, where it need not be made. */
  #currentImage(stack: Stack): FindImage {
    const { images } = this.manager;
    return async (name) => {
      const own = stack.images[name];
      const known = own && images.records.find(name);
      return known && staleReason(known, toImageSource(own)) === undefined ? images.get(name) : undefined;
    };
  }

  /** Makes images first, so that the plan that follows is exact; then applies it. Throws APPLY_FAILED. */
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
      const images = first.steps.filter(({ kind }) => kind.startsWith("image."));
      if (images.length > 0) {
        await applyPlan(
          { ...first, steps: images },
          async (step, say) => void (await this.#bringImage(stack, step, say, signal)),
          onProgress,
          signal,
          settings.parallel,
        );
      }
      const plan =
        images.length > 0 ? await this.plan(stack, { ...options, pull: "never", build: false }) : first;
      checkContents(plan, stack);
      await this.#fixed.during(stack, async () => {
        const execute = makeExecutor(this.manager, stack, { ...settings, signal });
        await applyPlan(plan, execute, onProgress, signal, settings.parallel);
        this.#noteRevision(scaled(stack, options), options, plan);
      });
      await this.#finish(plan);
      return { ...plan, steps: [...images, ...plan.steps] };
    });
  }

  /**
   * Makes the container of a one-off command, and starts it where that is asked for. Throws what the step threw: no other
   * step gives it a context.
   */
  async run(stack: Stack, request: OneOffRequest): Promise<ContainerRecord> {
    const plan = makeOneOffPlan(stack, this.observe(stack.name, stack), request);
    checkContents(plan, stack);
    const execute = makeExecutor(this.manager, stack, { graceMs: undefined, timeoutMs: undefined });
    const [create, ...others] = plan.steps;
    return this.#fixed.during(stack, async () => {
      await execute(create!, () => {});
      // one that is removed at its end may be gone before the last step is done
      const record = this.manager.get(create!.name);
      for (const step of others) await execute(step, () => {});
      if (request.autoRemove && !request.start) this.manager.removeUnlessStarted(record.id);
      return record;
    });
  }

  /** Keeps what secrets and configs said then, also while no container has them. Throws NO_CONTENT. */
  #keepContents({ steps }: Plan, { stack, number }: Revision): () => void {
    const files = steps.flatMap(({ container }) => container?.config?.files ?? []);
    try {
      return this.manager.secretFiles.hold(files, ({ kind, name }) => contentOf(stack, kind, name));
    } catch (cause) {
      throw new BayError(
        "NO_CONTENT",
        `what secrets and configs said in version ${number} is not kept any more`,
        {
          hint: "it is kept while the stack has containers; bay up applies the file as it is now",
          cause,
        },
      );
    }
  }

  /** What is applied in part is a version too, in which the other services are as before. */
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
    // an update that went wrong half-way is no version: what it left differs from the last one
    const last = this.history.list(name).at(-1);
    const isHalf = last && this.#planOf(last).steps.some(({ kind }) => UPDATES.has(kind));
    return isHalf ? last : this.history.previous(name);
  }

  #planOf({ stack, images }: Revision): Plan {
    return makePlan(stack, observe(this.view, stack.name, stack, images), ROLLBACK);
  }

  /** What a rollback would do. Throws NO_REVISION, IMAGE_NOT_FOUND. */
  rollbackPlan(name: string, number: number | undefined): Plan {
    return this.#planOf(this.#revision(name, number));
  }

  /** Brings an applied version back, with the images that it had. Throws NO_REVISION, IMAGE_NOT_FOUND, APPLY_FAILED. */
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

  #bringImage(stack: Stack, step: Step, say: Say, signal: AbortSignal | undefined): Promise<unknown> {
    if (step.kind === "image.pull") return this.#pullImage(step.name, say, signal);
    if (step.kind === "image.build") return this.#buildImage(stack, step.service!, say, signal);
    return this.#makeImage(stack, step.name, say, signal);
  }

  #buildImage(
    stack: Stack,
    service: string,
    say: Say,
    signal: AbortSignal | undefined,
  ): Promise<ImageRecord> {
    return this.build(
      stack,
      service,
      {},
      ({ kind, title, text }) => {
        if (kind === "started") say(title, true);
        else if (kind === "note") say(text ?? "");
      },
      signal,
    );
  }

  /** Builds a service's image. Its Dockerfile may begin with an image of the stack's own. Throws as `Builder.build`. */
  async build(
    stack: Stack,
    service: string,
    changes: BuildChanges,
    tell: (news: BuildNews) => void,
    signal: AbortSignal | undefined,
  ): Promise<ImageRecord> {
    const request = toBuildRequest(stack.services[service]!, stack, changes);
    const builder = await this.builder();
    const image = await builder.build(request, tell, signal, async (name) => {
      const own = stack.images[name];
      return own && this.manager.images.ensure(name, toImageSource(own), { signal });
    });
    this.manager.events.publish("image", "build", image.id, { name: image.reference });
    const { store } = this.manager;
    const name = ASKED + stack.services[service]!.image;
    if (changes.args && Object.keys(changes.args).length > 0)
      store.put(name, { id: image.id, args: changes.args } satisfies AskedBuild);
    else if (store.get(name)) store.delete(name);
    return image;
  }

  async #makeImage(stack: Stack, name: string, say: Say, signal: AbortSignal | undefined): Promise<void> {
    const options = { signal, say: (line: string) => say(line, true) };
    const image = await this.manager.images.ensure(name, toImageSource(stack.images[name]!), options);
    this.manager.events.publish("image", "build", image.id, { name });
  }

  async #pullImage(name: string, say: Say, signal: AbortSignal | undefined): Promise<void> {
    const summary = new PullSummary();
    const image = await this.manager.images.registries.pull(name, {
      onProgress: (progress) => {
        const line = summary.line(progress);
        if (line) say(line, true);
      },
      signal,
    });
    this.manager.events.publish("image", "pull", image.id, { name });
  }

  /** What `down` would remove. */
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
    return this.#locks.take(name, asker, async () => {
      const plan = makeDownPlan(name, this.observe(name, undefined), options);
      const settings: UpSettings = { graceMs, timeoutMs: undefined };
      const execute = makeExecutor(this.manager, undefined, settings);
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

  /** What happens to a stack just now: containers that do not run may be about to. */
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

/** The stack with the numbers of containers that --scale asked for. */
function scaled(stack: Stack, { scale }: PlanOptions): Stack {
  const changed = Object.entries(scale).map(([name, replicas]) => [
    name,
    { ...stack.services[name]!, replicas },
  ]);
  return { ...stack, services: { ...stack.services, ...Object.fromEntries(changed) } };
}

/** What keeps a build from being asked for is a reason too: the build says it again. */
async function reasonToBuild(ask: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof BayError) return `the build would fail: ${error.message.split("\n")[0]}`;
    throw error;
  }
}
